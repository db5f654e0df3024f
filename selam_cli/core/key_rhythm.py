"""A keyboard's auto-repeat as learned from a held key, and what it says of silence.

Pure; all times are seconds. The delay before the first repeat and the interval after it are the user's own settings.
Two things lengthen an interval: jitter, which is always there and in which a release must not be seen, and a stall,
in which a link carries nothing and then all at once what was pressed meanwhile: TCP waits for its retransmission
time-out, 0.2 s and a round trip, when a packet was lost (RFC 6298, RFC 8985). A stall is too long to be waited out
before a hold is taken to have ended, so that end is taken back; how long that can be done is learned here, too.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

FIRST_REPEAT_S: Final = 0.80
"""No repeat by then means a tap, until the keyboard's own delay is learned (usual ones: 0.25 to 0.66 s)."""

FIRST_REPEAT_RANGE_S: Final = (0.45, 1.30)
GAP_S: Final = 0.35
"""Silence that means a release, until the keyboard's own interval is learned (usual ones: 25 to 90 ms)."""

GAP_RANGE_S: Final = (0.18, 1.30)
RESUME_WITHIN_S: Final = 0.30
"""A key within this after an inferred release means that it was none; past it the server's utterance is over."""

SILENCE_S: Final = 1.10
"""Silence that can be taken back as a whole on a keyboard, or over a far link, that is not known well enough.

A retransmission over 300 ms each way takes 0.8 s, and the interval and the jitter come on top.
"""

LONGEST_SILENCE_S: Final = 2.7
"""No end of a hold waits longer than this, whatever the link does."""

CALM_AFTER: Final = 1_000
"""Keys without a stall, half a minute of holding, after which a link is believed not to lose any."""

_SLOW_S: Final = 0.25
"""The part of the median stays below this: what is above it, only slow keyboards have, and they do not stall so."""

_SETTLED: Final = 24
"""Intervals that must have been seen before their longest says how long the next may be."""

_FEW: Final = 8
"""Intervals that must have been seen before a longer one is a stall and not the keyboard's own."""

_STALLED_S: Final = 0.25
_STALLS_OF_A_SLOWER_KEYBOARD: Final = 3
"""This many long intervals in a row are the rhythm: the user has changed it."""

AT_ONCE_S: Final = 0.2
"""Keys that follow each other sooner than this are a held key's; usual keyboards wait longer after a press."""

_NO_STALL_S: Final = 0.005
"""Keys closer than this were read in one go after a stall: their distance teaches nothing."""


class Rhythm:
    """The delay before the first repeat, the interval between the others, and the stalls of the link."""

    def __init__(self, *, far: bool = False) -> None:
        self.far = far
        """Whether keys come over a link that may lose some: until it has proved calm, a silence may be a stall."""
        self._intervals: deque[float] = deque(maxlen=96)  # about 3 s of repeats, kept across holds
        self._first_delay: float | None = None
        self._candidate: float | None = None
        self._confirmations = 0
        self._longest_stall = 0.0
        self._since_stall = 0
        self._stalls_in_a_row = 0
        self._alike_in_a_row = 0
        """Of silences and the intervals behind them: another press, or a slower keyboard."""

    def reached(self, *, far: bool) -> None:
        """Note how keys come from now on; a link that was not there before has yet to prove calm."""
        if far and not self.far:
            self._since_stall = 0
        self.far = far

    def first(self, delay: float) -> None:
        """Note the time from a press to the key after it: a delay only if further repeats confirm it."""
        self._candidate, self._confirmations = delay, 0

    def next(self, interval: float) -> None:
        """Note the time from one repeat to the next."""
        self._since_stall += 1
        if self._since_stall >= CALM_AFTER:
            self._longest_stall = 0.0
        if interval < _NO_STALL_S:
            return
        if self._is_stall(interval):
            self.stalled(interval)
            return
        self._stalls_in_a_row = self._alike_in_a_row = 0
        self._intervals.append(min(interval, GAP_RANGE_S[1]))
        if len(self._intervals) == _FEW:
            self._sort_out_stalls()
        self._confirmations += 1
        # Two quick taps also look like a press and its first repeat; a third and a fourth key make it a hold.
        if self._candidate is not None and self._confirmations >= 2:
            known = self._first_delay
            self._first_delay = self._candidate if known is None else max(self._candidate, 0.9 * known)
            self._candidate = None

    def stalled(self, silence: float) -> None:
        """Note that the link carried nothing for this long while the key was down."""
        self._longest_stall = max(self._longest_stall, silence)
        self._since_stall = 0

    def resumed(self, silence: float, interval: float, *, after_press: bool) -> None:
        """Note a silence that was taken for a hold's end, and the time from the key that disproved it to the next.

        It teaches nothing where it was another press: the first repeat of that takes its time.
        """
        alike = 0.5 * silence <= interval <= 2 * silence
        if not (interval <= AT_ONCE_S or (alike and self._may_be_slow())):
            return
        if after_press:
            self.first(silence)
        else:
            self.next(silence)
        self.next(interval)

    def _may_be_slow(self) -> bool:
        self._alike_in_a_row += 1
        return len(self._intervals) < _FEW or self._alike_in_a_row >= _STALLS_OF_A_SLOWER_KEYBOARD

    def _sort_out_stalls(self) -> None:
        longest = max(4 * median(self._intervals), _STALLED_S)
        for stall in [interval for interval in self._intervals if interval > longest]:
            self._intervals.remove(stall)
            self.stalled(stall)

    def _is_stall(self, interval: float) -> bool:
        if len(self._intervals) < _FEW or interval <= max(4 * median(self._intervals), _STALLED_S):
            return False
        self._stalls_in_a_row += 1
        if self._stalls_in_a_row < _STALLS_OF_A_SLOWER_KEYBOARD:
            return True
        self._intervals.clear()
        return False

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

    @property
    def longest_stall(self) -> float:
        """The longest stall that was seen and is not long past; 0 where there was none."""
        return self._longest_stall

    @property
    def calm(self) -> bool:
        """Whether a silence is hardly ever a stall."""
        return not self._longest_stall and (not self.far or self._since_stall >= CALM_AFTER)

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
        if not self._intervals:
            return GAP_S
        wanted = max(1.15 * max(self._intervals) + 0.06, min(2.2 * median(self._intervals), _SLOW_S))
        low = GAP_S if len(self._intervals) < _SETTLED else GAP_RANGE_S[0]
        return min(max(wanted, low), GAP_RANGE_S[1])

    def doubt_s(self, usual: float, *, stalls: bool) -> float:
        """Seconds within which a repeat is followed by another; `usual` is for the usual keyboards.

        `stalls`: also where the link stalls meanwhile.
        """
        slow = 1.15 * median(self._intervals) + 0.06 if self._intervals else 0.0
        return max(usual, slow, self.silence_s() if stalls and not self.calm else 0.0)

    def silence_s(self) -> float:
        """Seconds of silence after a repeat that may be no release: the next key still belongs to the same hold."""
        known = len(self._intervals) >= _FEW
        least = self.gap_deadline() + RESUME_WITHIN_S
        wanted = max(least, 0.0 if known and self.calm else SILENCE_S)
        if self._longest_stall:
            wanted = max(wanted, 1.3 * self._longest_stall + 0.15)
        return max(least, min(wanted, LONGEST_SILENCE_S))

    def still_held_s(self) -> float:
        """Seconds of silence after which a key that comes is still the one that was down before, its end unreported."""
        return self.gap_deadline() if self.calm else self.silence_s()
