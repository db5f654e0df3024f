"""How long a reply waits before it sounds: the least that the jitter seen so far allows.

Playing a reply holds it back by some time against the fastest of its chunks. That time is the lead: a chunk that is
later than the fastest by less than the lead is in time, one that is later by more makes a break. So the lead to aim at
is the greatest such lateness of late, and a margin. It is learned from every chunk that arrives, of an interrupted
reply too, and it outlives the reply and the speaker.

All times are in the speaker's own clock, the samples that it took: a clock that drifts against it is then nothing but
chunks that come later and later.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

START_MS: Final = 120
"""What is aimed at before anything is known of the connection."""

MIN_MS: Final = 40
MAX_MS: Final = 400
MARGIN_MS: Final = 30
"""On top of the greatest lateness: the speaker takes a block at once, and a fade's length is kept back."""

GROWTH_MS: Final = 60
"""What a break adds at least to the lead that was too small."""

THINKING_MS: Final = 1_000
"""A server silent for longer is thinking; no buffer bridges that, so it teaches one step above the start, no more."""

HOLD_MS: Final = 20_000
"""A lead that was needed is not forgotten within this much sound."""

RELEASE_PER_MS: Final = 0.01
"""A lead that is no longer needed is given up slowly, 10 ms a second: jitter that was there comes back."""

FASTEST_WITHIN_MS: Final = 10_000
"""The fastest chunk is sought in this much sound: a drift of clocks is slow against it."""


class PlayoutDelay:
    """Learns the lead to aim at, in ms, from how late each chunk came; only the writer's side may touch it."""

    stretches_pauses = True
    """Whether a lead that has become too small is made good in the pauses of speech."""

    resume_ms = MARGIN_MS
    """What is waited after a gap at least, so that the next lateness of that length is in time."""

    def __init__(self, start_ms: float = START_MS) -> None:
        self._aim_ms = float(start_ms)
        self._needed = _Greatest(HOLD_MS)
        self._needed.add(start_ms, HOLD_MS / 2)  # a guess is given up sooner than what was seen
        self._earliness = _Greatest(FASTEST_WITHIN_MS)

    @property
    def target_ms(self) -> int:
        """The lead to aim at."""
        return math.ceil(self._aim_ms)

    @property
    def fastest_ms(self) -> float:
        """The lateness of the fastest chunk of late; 0 where none has come."""
        return -(self._earliness.greatest or 0.0)

    def begin(self) -> None:
        """Chunks are compared with the ones that follow, not with those before."""
        self._earliness.clear()

    def arrived(self, late_ms: float, length_ms: float, *, dry_at_lead_ms: float | None = None) -> None:
        """Take note of a chunk: `late_ms` after the moment that its place in the reply would have.

        `dry_at_lead_ms` is the lead that was too small where the sound broke off before this chunk.
        """
        excess_ms = 0.0 if self._earliness.greatest is None else late_ms - self.fastest_ms
        # More than the most that is ever waited: not to be bridged, or a server that was far ahead and no longer is.
        needed_ms = excess_ms + MARGIN_MS if excess_ms <= MAX_MS else 0.0
        if dry_at_lead_ms is not None:
            most_ms = MAX_MS if excess_ms <= THINKING_MS else START_MS
            needed_ms = max(needed_ms, min(dry_at_lead_ms, most_ms) + GROWTH_MS)
            self.begin()  # what comes after a break may come at another pace
        self._learn(needed_ms, length_ms)
        self._earliness.add(-late_ms, length_ms)

    def _learn(self, needed_ms: float, length_ms: float) -> None:
        self._needed.add(min(needed_ms, MAX_MS), length_ms)
        self._aim_ms = max(self._aim_ms - RELEASE_PER_MS * length_ms, self._needed.greatest or 0.0, MIN_MS)


class _Greatest:
    """The greatest of the values that came with the last `window_ms` of sound."""

    def __init__(self, window_ms: float) -> None:
        self._window_ms = window_ms
        self._sound_ms = 0.0
        self._candidates: deque[tuple[float, float]] = deque()
        """When, and the value: each smaller than the one before it, and younger."""

    @property
    def greatest(self) -> float | None:
        """None where there is none."""
        return self._candidates[0][1] if self._candidates else None

    def add(self, value: float, length_ms: float) -> None:
        """Take a value that came with `length_ms` of sound; the newest one is never too old."""
        while self._candidates and self._candidates[-1][1] <= value:
            self._candidates.pop()
        self._candidates.append((self._sound_ms, value))
        self._sound_ms += length_ms
        while len(self._candidates) > 1 and self._candidates[0][0] < self._sound_ms - self._window_ms:
            self._candidates.popleft()

    def clear(self) -> None:
        """Forget all values."""
        self._candidates.clear()
