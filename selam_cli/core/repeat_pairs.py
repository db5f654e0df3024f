"""Terminals that report each auto-repeat of a held key as a release and a repeat, or a release and a press.

Konsole does (26.08: `CSI 32;1:3;32u CSI 32;1:2;32u`, on X11 sometimes `:1` in the second). A release that the same key
follows at once is one half of a repeat. What is read with it decides: terminals write both halves at once. So a release
waits until all pending input was heard, which costs nothing; in a terminal that was seen to send such pairs it waits a
few ms more, because one may be cut in two; in one that was seen to send plain repeats it does not wait.

A press behind a release may be a second tap, too, where a link stalled and both came in one go. It is a repeat only
where the key had been down for as long as it takes a keyboard to repeat, and comes sooner than a finger can.

Pure: no clock. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

CUT_S: Final = 0.005
"""How long a release waits for its other half in a terminal that sends pairs; longer where a link cuts them further."""

LONGEST_CUT_S: Final = 0.3
LATE_HALF_S: Final = 0.6
"""A reported repeat this soon after a release that counted is the rest of a pair."""

SOONEST_REPEAT_S: Final = 0.15
"""No keyboard repeats sooner after a press (X11 and Wayland: 0.2 s and more)."""

NO_FINGER_S: Final = 0.02
"""No finger presses a key again this soon after letting it go."""


class Way(Enum):
    """How a terminal reports that a key repeats."""

    UNKNOWN = auto()
    PLAIN = auto()
    PAIRS = auto()


class RepeatPairs:
    """Holds a release back for as long as it may be half of a repeat."""

    def __init__(self) -> None:
        self.way = Way.UNKNOWN
        self._waiting: float | None = None
        self._due = 0.0
        self._pressed_at = float("-inf")
        self._counted_at = float("-inf")
        self._longest_cut_s = 0.0
        self._repeating = False
        """Whether the key that is down has repeated: what was read in one go after a stall bears no times to go by."""

    @property
    def waits_s(self) -> float:
        """How long a release waits, in seconds."""
        if self.way is not Way.PAIRS:
            return 0.0
        return min(CUT_S + 1.5 * self._longest_cut_s, LONGEST_CUT_S)

    @property
    def deadline(self) -> float | None:
        """When the release that waits counts; None where none does."""
        return None if self._waiting is None else self._due

    def press(self, now: float) -> None:
        """Note that the key went down."""
        self._pressed_at, self._counted_at = now, float("-inf")
        self._repeating = False

    def plain_repeat(self) -> None:
        """Note a repeat with no release before it."""
        self.way = Way.PLAIN

    def release(self, now: float) -> float | None:
        """Take a release; return its time where it counts at once."""
        if self.way is Way.PLAIN:
            self._counted_at = now
            return now
        self._waiting, self._due = now, now + self.waits_s
        return None

    def counted(self, now: float | None = None) -> float | None:
        """Return the time of the release that waits, if it counts by now (None: whatever the time), and forget it."""
        if self._waiting is None or (now is not None and now < self._due):
            return None
        self._counted_at, self._waiting = self._waiting, None
        return self._counted_at

    def completed(self, now: float, *, told_repeat: bool, stalled: bool = False) -> bool:
        """Tell whether the key that comes now makes the release that waits half of a repeat, and forget that one.

        `stalled`: the key may have waited to be read for longer than is known.
        """
        if self._waiting is None or not (told_repeat or self._is_repeat(now, stalled=stalled)):
            return False
        self._learn(now - self._waiting)
        self._waiting = None
        self._repeating = True
        return True

    def completed_late(self, now: float) -> bool:
        """Tell whether a reported repeat is the rest of a pair whose release has counted."""
        if now - self._counted_at > LATE_HALF_S:
            return False
        self._learn(now - self._counted_at)
        self._counted_at = float("-inf")
        return True

    def forget(self) -> None:
        """The key's course is cut: the focus was lost, say."""
        self._waiting = None
        self._counted_at = float("-inf")

    def _is_repeat(self, now: float, *, stalled: bool) -> bool:
        if self._waiting is None or (stalled and self.way is not Way.PAIRS):
            return False
        may_repeat = self._repeating or self._waiting - self._pressed_at >= SOONEST_REPEAT_S
        return may_repeat and now - self._waiting < NO_FINGER_S

    def _learn(self, cut_s: float) -> None:
        self.way = Way.PAIRS
        self._longest_cut_s = max(0.95 * self._longest_cut_s, cut_s)  # a single long cut is soon forgotten
