"""How much is let in of what a server sends: a bounded number of messages a second, of each kind what a user can read.

A flooding server neither fills the memory nor stalls the screen: what comes too fast waits in the network, and of kinds
that a person reads, what is too much is passed over, and reported once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from selam_cli.core.protocol import ServerMessage, Transcription
from selam_cli.core.token_bucket import TokenBucket

MESSAGES_PER_S: Final = 2_000
MESSAGES_AT_ONCE: Final = 4_000
"""Sound in chunks of 20 ms comes at 50 a second, and of a whole minute's reply that is there at once 3,000."""

_PAUSE_S: Final = 0.02

UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class _Rate:
    """How many may come at once, and how many a second from then on."""

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


class InboundLimiter:
    """Lets in of each kind as much as a user can read; `on_flood` is called the first time that there is more of it."""

    def __init__(self, on_flood: Callable[[str], None]) -> None:
        self._on_flood = on_flood
        self._buckets: dict[str, TokenBucket] = {}
        self._told: set[str] = set()

    def admits(self, event: str, message: ServerMessage | None, now: float) -> bool:
        """Say whether a message is let in; None is one that the protocol does not know."""
        kind = UNKNOWN if message is None else event
        if kind in _FREE:
            return True
        if kind not in self._buckets:
            rate = _RATES.get(kind, _OTHERS)
            self._buckets[kind] = TokenBucket(rate.at_once, rate.per_s, now)
        length = len(message.text) if isinstance(message, Transcription) else 0
        if self._buckets[kind].take(1 + length / _CHARACTERS_OF_ONE, now):
            return True
        if kind not in self._told:
            self._told.add(kind)
            self._on_flood(kind)
        return False


class ReadThrottle:
    """Has the reader of a socket wait while more comes than is let in; the network holds the rest."""

    def __init__(self) -> None:
        self._bucket = TokenBucket(MESSAGES_AT_ONCE, MESSAGES_PER_S, time.monotonic())

    async def wait(self) -> None:
        """Wait until another message may be read."""
        if not self._bucket.take(1, time.monotonic()):
            await asyncio.sleep(_PAUSE_S)
            self._bucket.take(1, time.monotonic())
