"""The user's side of a turn: what the microphone hears, and what of it goes to the server.

The microphone is open all the time and gated here. An utterance is kept whole from its first sample until its turn is
over, and the wire takes its chunks from it: so an utterance begun before the connection stood, or cut by its loss, can
be sent from its beginning.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from selam_cli.core import pcm
from selam_cli.core.pcm import LevelMeter, PreRoll, Samples
from selam_cli.core.protocol import WIRE_RATE_HZ

Listener = Callable[[Samples, float], None]
"""Takes a block of sound and the monotonic time, in seconds, of its last sample."""

LAST_BLOCK_S: Final = 0.3
"""How long past the release tail its last block may be on its way before the utterance ends without it."""


@dataclass(slots=True)
class Recording:
    """What was said in one turn: mono PCM16 at 16 kHz, and how much of it this session was sent."""

    turn: int
    audio: bytearray = field(default_factory=bytearray)
    sent_bytes: int = 0
    complete: bool = False
    closed: bool = False
    """All of it was handed over to the connection, the closing silence too."""

    @property
    def unsent_seconds(self) -> float:
        """How much of it has not been handed to the connection."""
        return (len(self.audio) - self.sent_bytes) / (2 * WIRE_RATE_HZ)

    def next_chunk(self, chunk_bytes: int) -> bytes | None:
        """Take the next chunk off what is unsent: a whole one, or at the end what is left; None where none is due."""
        rest = len(self.audio) - self.sent_bytes
        if rest < chunk_bytes and not (self.complete and rest):
            return None
        chunk = bytes(self.audio[self.sent_bytes : self.sent_bytes + chunk_bytes])
        self.sent_bytes += len(chunk)
        return chunk

    def start_over(self) -> None:
        """A new session knows nothing of it: all of it is unsent again."""
        self.sent_bytes = 0
        self.closed = False


class Capture:
    """Gates the microphone's sound into utterances.

    `on_growth` is called when the current utterance has grown, `on_complete` when its last sample is in.
    """

    def __init__(
        self,
        *,
        pre_roll_ms: int,
        tail_ms: int,
        on_growth: Callable[[Recording], None],
        on_complete: Callable[[Recording], None],
    ) -> None:
        self._pre_roll = PreRoll(pre_roll_ms)
        self._tail_s = tail_ms / 1_000
        self._on_growth = on_growth
        self._on_complete = on_complete
        self._ends_at: float | None = None
        self._taken_until = float("-inf")
        """The end of the utterance before: what comes late of it, or of one that was thrown away, opens no other."""
        self._watchdog: asyncio.TimerHandle | None = None
        self.meter = LevelMeter()
        self.current: Recording | None = None
        self._listeners: list[Listener] = []

    @property
    def talking(self) -> bool:
        """Whether sound goes into an utterance, the release tail included."""
        return self.current is not None and not self.current.complete

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Give a listener the sound that no utterance holds, until what is returned is called.

        Each listener has its own place: an open microphone goes on while the room is measured, whichever ends first.
        """
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def on_block(self, samples: Samples, ended_at: float) -> None:
        """Take a block from the microphone; `ended_at` is the monotonic time of its last sample."""
        self.meter.feed(samples, ended_at)
        if not self.talking:
            self._overhear(samples, ended_at)
            return
        ends_at = self._ends_at
        if ends_at is not None and ended_at >= ends_at:
            kept = max(0, len(samples) - round((ended_at - ends_at) * WIRE_RATE_HZ))
            self._append(samples[:kept])
            self._finish()
            # The rest of the block is the first sound that the next utterance may need.
            self._overhear(samples[kept:], ended_at)
            return
        self._append(samples)

    def start(self, turn: int, pressed_at: float, *, clean_from: float = float("-inf")) -> Recording:
        """Begin an utterance: what was heard just before the key is its beginning, there at once.

        Before `clean_from` the microphone heard the agent, and nothing of that is the user's.
        """
        self._disarm()
        self.current = Recording(turn)
        self._append(self._pre_roll.since(pressed_at, not_before=max(clean_from, self._taken_until)))
        return self.current

    def stop(self, released_at: float, *, at_least_s: float = 0.0) -> None:
        """End the utterance a release tail after `released_at`, so that the last syllable is in it."""
        if not self.talking:
            return
        self._ends_at = released_at + max(self._tail_s, at_least_s)
        delay = max(0.0, self._ends_at - time.monotonic()) + LAST_BLOCK_S
        # A microphone that delivers nothing must not keep an utterance open.
        self._watchdog = asyncio.get_running_loop().call_later(delay, self._finish)

    def resume(self) -> bool:
        """Go on with an utterance that was about to end; False where it is too late for that."""
        if not self.talking or self._ends_at is None:
            return False
        self._disarm()
        return True

    def abandon(self) -> Recording | None:
        """End at once, without a tail, and hand over what was said so far."""
        self._take_no_more()
        abandoned, self.current = self.current, None
        if abandoned is not None:
            abandoned.complete = True
        return abandoned

    def end_now(self) -> None:
        """End at once, without a tail; what was said so far is kept as the utterance."""
        if self.talking:
            self._finish()

    def forget(self) -> None:
        """Let go of a finished utterance: its turn is over."""
        if not self.talking:
            self.current = None

    def _overhear(self, samples: Samples, ended_at: float) -> None:
        """Take sound that no utterance holds."""
        if len(samples):
            self._pre_roll.feed(samples, ended_at)
            for listener in tuple(self._listeners):
                listener(samples, ended_at)

    def _append(self, samples: Samples) -> None:
        if self.current is not None and len(samples):
            self.current.audio += pcm.pcm16(samples)
            self._on_growth(self.current)

    def _finish(self) -> None:
        if self.current is not None and not self.current.complete:
            self._take_no_more()
            self.current.complete = True
            self._on_complete(self.current)

    def _take_no_more(self) -> None:
        now = time.monotonic()
        self._taken_until = now if self._ends_at is None else min(self._ends_at, now)
        self._pre_roll.clear()
        self._disarm()

    def _disarm(self) -> None:
        self._ends_at = None
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
