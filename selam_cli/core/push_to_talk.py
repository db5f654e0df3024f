"""The push-to-talk key: from presses, repeats and releases to "start talking" and "stop".

Pure: no clock, no input. Times are seconds of one monotonic clock, handed in. After every call, and again whenever
`deadline()` has come, the owner calls `tick`; every call returns the steps that follow from it.

A tap latches the microphone open until the next tap; a hold ends with the key. Where the terminal tells releases this
is simple. Most do not: there, a held key is known only by its auto-repeat, and its release by the silence that follows.
The delay before the first repeat and the interval after it are the user's own settings, so they are learned. A release
inferred too early is taken back by the next repeat (`Action.RESUME`); the engine joins the pieces. A mouse button is a
key whose release is always told.

    IDLE ── key ──► PRESSED ── repeat ──► HELD ── released ──► IDLE, or ENDING while that is only inferred
                       └── it was a tap ──► LATCHED ── key ──► SPENT ── let go ──► IDLE
    DOUBT: a key that may be the first repeat of a held one, or a new press; the next moment tells.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, StrEnum
from statistics import median
from typing import Final


class Mode(StrEnum):
    """What the talk key does."""

    AUTO = "auto"
    """A hold talks while it lasts, a tap talks until the next tap."""
    HOLD = "hold"
    """Only a hold talks."""
    TOGGLE = "toggle"
    """Every press starts or stops, however long it is."""
    OPEN = "open"
    """The microphone is open; a press switches the listening of the agent."""


class Action(Enum):
    """What follows from a key."""

    START = "start"
    STOP = "stop"
    RESUME = "resume"
    """The last STOP was wrongly inferred: the same utterance goes on."""
    LATCH = "latch"
    """It was a tap: the microphone stays open."""
    TOGGLE = "toggle"
    """In open mode: switch the agent's listening."""
    WARN = "warn"
    """The longest utterance is nearly reached."""


class Stage(Enum):
    """Where the key stands."""

    IDLE = "idle"
    PRESSED = "pressed"
    HELD = "held"
    LATCHED = "latched"
    ENDING = "ending"
    """A release was inferred; a key soon after means that it was not one."""
    SPENT = "spent"
    """The key that ended the talk, or was down when it was ended otherwise, may still be down."""
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Step:
    """An action and the monotonic time in seconds at which it holds (of the key itself, where a key caused it)."""

    action: Action
    at: float
    inferred: bool = False
    """A STOP that was concluded from silence: a RESUME may still take it back, for `RESUME_WITHIN_S`."""


TAP_S: Final = 0.25
"""A told release sooner than this makes the press a tap."""

FIRST_REPEAT_S: Final = 0.80
"""No repeat by then means a tap, until the keyboard's own delay is learned (usual ones: 0.25 to 0.66 s)."""

FIRST_REPEAT_RANGE_S: Final = (0.45, 1.30)
GAP_S: Final = 0.35
"""Silence that means a release, until the keyboard's own interval is learned (usual ones: 25 to 90 ms)."""

GAP_RANGE_S: Final = (0.18, 0.60)
RESUME_WITHIN_S: Final = 0.30
"""So long after an inferred release a key means that it was none; only then is the utterance over for the server."""

DOUBT_S: Final = 0.20
"""A repeat is followed by another within this; a press is not."""

DOUBT_AFTER_LATCH_S: Final = 2.2
"""The slowest delay before auto-repeat that systems offer, with room for a stall."""

RELEASE_LOST_S: Final = 1.5
"""Repeats came and stopped, and no release was told: it was lost on the way."""

NEVER_REPEATED_S: Final = 3.0
"""The same for a key that does not even begin to repeat, on a keyboard that is known to (slowest delay: 2 s)."""

WARN_BEFORE_S: Final = 10.0
_SETTLED: Final = 24
"""Intervals that must have been seen before their longest says how long the next may be."""

_NO_STALL_S: Final = 0.005
"""Keys closer than this were read in one go after a stall: their distance teaches nothing."""

_TALKING: Final = frozenset({Stage.PRESSED, Stage.HELD, Stage.LATCHED})


class Rhythm:
    """The keyboard's auto-repeat as learned: the delay before the first repeat, the interval between the others."""

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=96)  # about 3 s of repeats, kept across holds; all in seconds
        self._first_delay: float | None = None
        self._candidate: float | None = None
        self._confirmations = 0

    def first(self, delay: float) -> None:
        """Note the time from a press to the key after it: a delay only if further repeats confirm it."""
        self._candidate, self._confirmations = delay, 0

    def next(self, interval: float) -> None:
        """Note the time from one repeat to the next."""
        if interval < _NO_STALL_S:
            return
        self._intervals.append(min(interval, GAP_RANGE_S[1]))
        self._confirmations += 1
        # Two quick taps also look like a press and its first repeat; a third and a fourth key make it a hold.
        if self._candidate is not None and self._confirmations >= 2:
            known = self._first_delay
            self._first_delay = self._candidate if known is None else max(self._candidate, 0.9 * known)
            self._candidate = None

    @property
    def first_delay(self) -> float | None:
        """The delay before the first repeat; None until a whole hold was seen."""
        return self._first_delay

    @property
    def interval(self) -> float | None:
        """The median interval of the last repeats; None where none were seen."""
        return median(self._intervals) if self._intervals else None

    @property
    def longest_interval(self) -> float | None:
        """The longest of them; what it is above the median is the link's jitter."""
        return max(self._intervals, default=None)

    def first_deadline(self) -> float:
        """Seconds after a press by which a held key must have repeated."""
        if self._first_delay is None:
            return FIRST_REPEAT_S
        low, high = FIRST_REPEAT_RANGE_S
        return min(max(1.5 * self._first_delay + 0.15, low), high)

    def gap_deadline(self) -> float:
        """Seconds after a repeat by which the next must have come: wide enough for the jitter seen so far.

        A link that delays each key by up to J makes intervals of up to the keyboard's own and J, so the longest of the
        last few seconds, and a little, is enough; a multiple of it would be too slow. The median's part keeps a slow
        keyboard's release within reach of a resumption after a stall.
        """
        if len(self._intervals) < _SETTLED:
            return GAP_S
        wanted = max(1.15 * max(self._intervals) + 0.06, 2.2 * median(self._intervals))
        return min(max(wanted, GAP_RANGE_S[0]), GAP_RANGE_S[1])


class PushToTalk:
    """The talk key's machine; see the module's text for its stages."""

    def __init__(self, mode: Mode = Mode.AUTO, *, release_told: bool = False, max_talk_s: float = 120.0) -> None:
        self.mode = mode
        self.release_told = release_told
        """Whether the terminal proved that it tells releases; may become true at any time."""
        self.stage = Stage.IDLE
        self._max_talk_s = max_talk_s
        self.rhythm = Rhythm()
        self._doubt_from = Stage.IDLE
        self._started = 0.0
        self._pressed = 0.0
        self._last = float("-inf")
        self._down = False
        self._by_button = False
        self._earliest = 0.0
        self._repeats = 0
        self._repeats_told = False
        self._resumed = False
        self._warned = False
        self._others_pressed = False

    @property
    def talking(self) -> bool:
        """Whether the microphone's sound goes out."""
        return self.stage in _TALKING or (self.stage is Stage.DOUBT and self._doubt_from is Stage.LATCHED)

    @property
    def latched(self) -> bool:
        """Whether it goes on going out with the key let go."""
        return self.stage is Stage.LATCHED or (self.stage is Stage.DOUBT and self._doubt_from is Stage.LATCHED)

    def deadline(self) -> float | None:
        """The time at which `tick` is due; None where nothing is to come without a key."""
        due = [time for time in (self._stage_deadline(), self._cap_deadline()) if time is not None]
        return min(due, default=None)

    def tick(self, now: float) -> list[Step]:
        """Take note of the time; all input up to `now` must have been fed before."""
        steps: list[Step] = []
        cap = self._cap_deadline()
        if cap is not None and now >= cap:
            if self._warned:
                return [self._stop(now, Stage.SPENT)]
            self._warned = True
            steps.append(Step(Action.WARN, now))
        due = self._stage_deadline()
        return steps + self._overdue(now) if due is not None and now >= due else steps

    def press(self, now: float, *, since: float | None = None) -> list[Step]:
        """Take a press; where repeats are not told as such, they come here too.

        After a stall, `since` is the earliest time at which the key may have gone down: what was said since then
        belongs to the utterance, and a release that waited behind the press is not taken for a tap's.
        """
        if self.mode is Mode.OPEN:
            return self._press_open(now)
        # Some terminals tell releases, but repeats as presses (xterm.js): a key that is down cannot be pressed.
        told_repeat = self.release_told and self._down and now - self._last < RELEASE_LOST_S
        self._down = True
        if self._held_by_button:
            return []
        return self._expired(now) + self._key(now, told_repeat=told_repeat, since=now if since is None else since)

    def repeat(self, now: float) -> list[Step]:
        """Take a press that the terminal told to be a repeat."""
        if self.mode is Mode.OPEN:
            self._last = now
            return []
        if self._held_by_button:
            return []
        return self._expired(now) + self._key(now, told_repeat=True, since=now)

    def release(self, now: float) -> list[Step]:
        """Take a told release: from here on, releases are told."""
        self.release_told = True
        self._down = False
        if self._held_by_button:
            return []
        return self._let_go(now)

    def press_button(self, now: float) -> list[Step]:
        """Take a press of the mouse button that talks: as the key's, but its release is told everywhere."""
        if self.mode is Mode.OPEN:
            return self._press_open(now)
        steps = self._expired(now)
        if self.latched:
            return [*steps, self._stop(now, Stage.IDLE)]
        if self.talking:
            return steps  # the key holds it already
        return [*steps, *self._start(now, by_button=True)]

    def release_button(self, now: float) -> list[Step]:
        """Take its release."""
        return self._let_go(now) if self._held_by_button else []

    def other(self) -> None:
        """Take note of another key: auto-repeat moves to it, so the talk key's silence proves nothing from here on."""
        self._others_pressed = True

    def blur(self, now: float) -> list[Step]:
        """Take note that the terminal lost the focus: a held key's release will not be told, a latch goes on."""
        self._down = False
        return [] if self.latched else self.stop(now, Stage.IDLE)

    def stop(self, now: float, after: Stage = Stage.SPENT) -> list[Step]:
        """Stop whatever the key is doing: a dialogue opened, or the program leaves."""
        if self.talking:
            return [self._stop(now, after)]
        if self.stage is not Stage.IDLE:
            self.stage = after
        return []

    def discard(self, now: float) -> None:
        """The utterance was thrown away: the key, which may still be down, says nothing until it is let go."""
        if self.stage is not Stage.IDLE:
            self._stop(now, Stage.SPENT)

    # --- what is due without a key ------------------------------------------------------------------------------------

    def _cap_deadline(self) -> float | None:
        if not self.talking:
            return None
        return self._started + self._max_talk_s - (0.0 if self._warned else WARN_BEFORE_S)

    def _stage_deadline(self) -> float | None:
        if self._held_by_button:
            return None
        match self.stage:
            case Stage.DOUBT:
                return self._last + DOUBT_S
            case Stage.PRESSED if not self.release_told:
                return self._pressed + self.rhythm.first_deadline()
            case Stage.HELD if not self.release_told:
                # After a resumption the key may have been pressed anew, and its first repeat takes longer.
                return self._last + (self.rhythm.first_deadline() if self._resumed else self.rhythm.gap_deadline())
            case Stage.PRESSED | Stage.HELD if self._repeats_told and not self._others_pressed:
                return self._last + self._lost_after()
            case _:
                return None

    def _lost_after(self) -> float:
        return RELEASE_LOST_S if self._repeats else NEVER_REPEATED_S

    def _overdue(self, now: float) -> list[Step]:
        if self.stage is Stage.DOUBT:
            return self._resolved_as_press()
        if self.stage is Stage.PRESSED and self.mode is Mode.AUTO and not self.release_told:
            self.stage = Stage.LATCHED
            return [Step(Action.LATCH, now)]
        return [self._stop(now, Stage.ENDING, inferred=True)]

    def _resolved_as_press(self) -> list[Step]:
        if self._doubt_from is Stage.LATCHED:
            return [self._stop(self._last, Stage.SPENT)]
        return self._start(self._last)

    def _expired(self, now: float) -> list[Step]:
        """Settle a doubt whose time had run out before the key that comes now."""
        if self.stage is Stage.DOUBT and now >= self._last + DOUBT_S:
            return self._resolved_as_press()
        return []

    # --- the key ------------------------------------------------------------------------------------------------------

    @property
    def _held_by_button(self) -> bool:
        return self._by_button and self.stage in {Stage.PRESSED, Stage.HELD}

    def _key(self, now: float, *, told_repeat: bool, since: float) -> list[Step]:
        before, self._last = self._last, now
        match self.stage:
            case Stage.IDLE:
                return [] if told_repeat else self._start(now, since=since)
            case Stage.PRESSED:
                return self._key_while_pressed(now)
            case Stage.HELD:
                return self._key_while_held(now - before)
            case Stage.LATCHED:
                return self._key_while_latched(now, now - before, told_repeat=told_repeat)
            case Stage.DOUBT:
                return self._key_in_doubt(now - before)
            case Stage.ENDING:
                return self._key_while_ending(now, now - before)
            case Stage.SPENT:
                return self._key_while_spent(now, now - before, told_repeat=told_repeat)

    def _start(self, at: float, *, since: float | None = None, by_button: bool = False) -> list[Step]:
        toggle = self.mode is Mode.TOGGLE
        self.stage = Stage.LATCHED if toggle else Stage.PRESSED
        self._earliest = at if since is None else since
        self._started = self._pressed = self._last = at
        self._by_button = by_button
        self._repeats = 0
        self._resumed = self._warned = self._others_pressed = False
        start = Step(Action.START, self._earliest)
        return [start, Step(Action.LATCH, at)] if toggle else [start]

    def _stop(self, at: float, after: Stage, *, inferred: bool = False) -> Step:
        self.stage = after
        # What follows is timed from the key itself where it may still be down.
        self._last = max(self._last, at) if after is Stage.ENDING else self._last
        self._repeats = 0
        return Step(Action.STOP, at, inferred)

    def _let_go(self, now: float) -> list[Step]:
        steps = self._resolved_as_press() if self.stage is Stage.DOUBT else []
        if self.stage in {Stage.PRESSED, Stage.HELD}:
            if self.mode is Mode.AUTO and self._repeats == 0 and now - self._earliest < TAP_S:
                self.stage = Stage.LATCHED
                return [*steps, Step(Action.LATCH, now)]
            return [*steps, self._stop(now, Stage.IDLE)]
        if self.stage in {Stage.SPENT, Stage.ENDING}:
            self.stage = Stage.IDLE
        return steps

    def _key_while_pressed(self, now: float) -> list[Step]:
        delay = now - self._pressed
        if not self.release_told and delay > FIRST_REPEAT_RANGE_S[1]:
            return [self._stop(now, Stage.SPENT)]  # too late for a repeat: a second tap, the tick between was missed
        if self.release_told:
            self._repeats_told = True
        else:
            self.rhythm.first(delay)
        self.stage, self._repeats = Stage.HELD, 1
        return []

    def _key_while_held(self, interval: float) -> list[Step]:
        if not self.release_told:
            self.rhythm.next(interval)
        self._repeats += 1
        self._resumed = False
        return []

    def _key_while_latched(self, now: float, interval: float, *, told_repeat: bool) -> list[Step]:
        if told_repeat or (not self.release_told and self._repeats and interval <= self.rhythm.gap_deadline()):
            self._repeats += 1  # toggle mode: the key that latched is still down
            return []
        self._repeats = 0
        if self._may_be_first_repeat(now):
            self.stage, self._doubt_from = Stage.DOUBT, Stage.LATCHED
            return []
        return [self._stop(now, Stage.SPENT)]

    def _may_be_first_repeat(self, now: float) -> bool:
        since_press = now - self._pressed
        if self.release_told or self._by_button:
            return False
        if self.mode is Mode.TOGGLE:
            return since_press < self.rhythm.first_deadline()
        return since_press < DOUBT_AFTER_LATCH_S

    def _key_in_doubt(self, interval: float) -> list[Step]:
        self._repeats = 2
        if self._doubt_from is Stage.SPENT:
            self.stage = Stage.SPENT
            return []
        self.rhythm.first(self._last - interval - self._pressed)
        self.rhythm.next(interval)
        self.stage = Stage.LATCHED if self.mode is Mode.TOGGLE else Stage.HELD
        return []

    def _key_while_ending(self, now: float, since_stop: float) -> list[Step]:
        if since_stop < RESUME_WITHIN_S:
            self.stage, self._repeats, self._resumed = Stage.HELD, 1, True
            return [Step(Action.RESUME, now)]
        return self._start(now)

    def _key_while_spent(self, now: float, interval: float, *, told_repeat: bool) -> list[Step]:
        if told_repeat:
            return []
        if self.release_told:
            return self._start(now)
        if self._repeats and interval <= self.rhythm.gap_deadline():
            self._repeats += 1
            return []
        if not self._repeats and interval <= self.rhythm.first_deadline():
            self.stage, self._doubt_from = Stage.DOUBT, Stage.SPENT
            return []
        return self._start(now)

    def _press_open(self, now: float) -> list[Step]:
        interval, self._last = now - self._last, now
        # A held key's repeats must not flicker the listening on and off.
        return [Step(Action.TOGGLE, now)] if interval > FIRST_REPEAT_S else []
