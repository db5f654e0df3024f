"""A token bucket: how much may come at once, and how fast from then on."""

from __future__ import annotations


class TokenBucket:
    """Full at first; what comes is paid from it, and time refills it. Times are of any steady clock, in seconds."""

    def __init__(self, capacity: float, per_s: float, now: float) -> None:
        self._capacity, self._per_s = capacity, per_s
        self._left, self._filled_at = capacity, now

    def take(self, cost: float, now: float) -> bool:
        """Pay for what has come; False where there is not enough, and then nothing is paid."""
        self._left = min(self._capacity, self._left + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True
