"""How much of a server's talk is let in: a bounded number of messages a second, of each kind what somebody could read.

A server that floods costs neither memory nor a living screen: what comes too fast waits in the network, and of kinds
that a person reads what is too much is passed over, told once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from selam_cli.core.protocol import ServerMessage, Transcription

MESSAGES_PER_S: Final = 2_000
MESSAGES_AT_ONCE: Final = 4_000
"""Sound in chunks of 20 ms comes at 50 a second, and of a whole minute's reply that is there at once 3,000."""

_PAUSE_S: Final = 0.02

UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class _Rate:
    """So many may come at once, and so many a second from then on."""

    at_once: float
    per_s: float


_RATES: Final = {
    "transcription": _Rate(500, 50),
    "control_ack": _Rate(100, 20),
    "audio_end": _Rate(50, 5),
}
_OTHERS: Final = _Rate(20, 0.5)
_FREE: Final = frozenset({"response", "audio_chunk"})
"""A reply: its text is one that grows, and its sound is bounded by its length."""

_CHARACTERS_OF_ONE: Final = 500
"""A transcription as long as this counts for two."""


class Allowance:
    """What may still come: fills up with time, and is spent by what comes."""

    def __init__(self, at_once: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._per_s, self._clock = at_once, per_s, clock
        self._left, self._filled_at = at_once, clock()

    def spend(self, cost: float = 1.0) -> bool:
        """Take from it; False where there is not enough."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True


class InboundLimiter:
    """Of each kind lets in what one may read; `on_flood` is told of a kind the first time that there is too much."""

    def __init__(self, on_flood: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._on_flood = on_flood
        self._clock = clock
        self._allowances: dict[str, Allowance] = {}
        self._told: set[str] = set()

    def admits(self, event: str, message: ServerMessage | None) -> bool:
        """Say whether a message is let in; None is one that the protocol does not know."""
        kind = UNKNOWN if message is None else event
        if kind in _FREE:
            return True
        if kind not in self._allowances:
            rate = _RATES.get(kind, _OTHERS)
            self._allowances[kind] = Allowance(rate.at_once, rate.per_s, self._clock)
        length = len(message.text) if isinstance(message, Transcription) else 0
        if self._allowances[kind].spend(1 + length / _CHARACTERS_OF_ONE):
            return True
        if kind not in self._told:
            self._told.add(kind)
            self._on_flood(kind)
        return False


class ReadThrottle:
    """Has whoever reads a socket wait while more comes than is let in; the network holds the rest."""

    def __init__(self) -> None:
        self._allowance = Allowance(MESSAGES_AT_ONCE, MESSAGES_PER_S)

    async def wait(self) -> None:
        """Wait until another message may be read."""
        if not self._allowance.spend():
            await asyncio.sleep(_PAUSE_S)
            self._allowance.spend()
