"""A hand on a key, a keyboard that repeats and a link that delays: key streams in simulated time.

Times are seconds. A link keeps the order of what it carries: a key that is delayed delays the ones behind it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from selam_cli.core.push_to_talk import KeyAction, PushToTalk, Step

DELAY_S = 0.5


@dataclass
class Hold:
    """One hold: when the key went down and up, and what the machine made of it."""

    down: float
    up: float
    steps: list[Step] = field(default_factory=list)

    @property
    def actions(self) -> list[KeyAction]:
        return [step.action for step in self.steps]

    @property
    def false_releases(self) -> list[Step]:
        """Releases that were concluded while the key was down."""
        return [step for step in self.steps if step.action is KeyAction.STOP and step.at < self.up]

    @property
    def detection_s(self) -> float:
        """From the key's going up to the conclusion that it did."""
        return self.steps[-1].at - self.up


def repeats(down: float, up: float, interval: float) -> Iterator[float]:
    """When a terminal without releases sends a held key: at once, and in its auto-repeat."""
    yield down
    at = down + DELAY_S
    while at < up:
        yield at
        at += interval


def delayed(
    times: Iterator[float], jitter: float, stalls: dict[float, float], dice: random.Random, link: Tcp
) -> Iterator[float]:
    """When the keys arrive. `stalls`: from when on the link carries nothing, for how long."""
    latest = 0.0
    for time in times:
        arrival = time + dice.uniform(0.0, jitter) + link.lateness(dice)
        for begin, length in stalls.items():
            if begin <= arrival < begin + length:
                arrival = begin + length
        latest = max(latest, arrival)
        yield latest


@dataclass(frozen=True)
class Tcp:
    """A link over TCP that loses packets: a key on it waits for its retransmission, and all behind it wait with it.

    The sender retransmits after 0.2 s and a round trip, then after twice that, and so on (RFC 6298, Linux's least).
    The delay itself is left out: times are those of the far end, and only what differs from key to key matters.
    """

    loss: float
    """The part of the packets that is lost."""
    delay: float
    """Seconds, each way."""

    def lateness(self, dice: random.Random) -> float:
        """How much later than its delay a key arrives, in seconds."""
        late, timeout = 0.0, 0.2 + 2 * self.delay
        while dice.random() < self.loss:
            late, timeout = late + timeout, 2 * timeout
        return late


CALM = Tcp(0.0, 0.0)


class Typist:
    """Holds a key again and again in front of one machine that is told no releases."""

    def __init__(
        self, interval: float, jitter: float, seed: int = 0, *, link: Tcp = CALM, machine: PushToTalk | None = None
    ) -> None:
        self.machine = machine or PushToTalk()
        self._link = link
        self._interval = interval
        self._jitter = jitter
        self.dice = random.Random(seed)
        self.now = 100.0

    def hold(self, length: float, stalls: dict[float, float] | None = None) -> Hold:
        """Hold the key for so long; `stalls` count from its going down."""
        hold = Hold(self.now, self.now + length)
        shifted = {hold.down + begin: stall for begin, stall in (stalls or {}).items()}
        pressed = repeats(hold.down, hold.up, self._interval)
        arrival = hold.up
        for arrival in delayed(pressed, self._jitter, shifted, self.dice, self._link):
            self._wait_until(arrival, hold)
            hold.steps += self.machine.press(arrival)
        self.now = max(arrival, hold.up) + 3.0
        self._wait_until(self.now, hold)
        return hold

    def _wait_until(self, time: float, hold: Hold) -> None:
        while (due := self.machine.deadline()) is not None and due <= time:
            hold.steps += self.machine.tick(due)
