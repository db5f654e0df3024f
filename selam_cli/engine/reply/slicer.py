"""A reply's sound in slices: a piece of ten minutes is decoded bit by bit, and whatever else is due is done in between.

Resampled in one go it would hold the engine up for seconds, in which no key is answered and no microphone is heard.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from selam_cli.core.protocol import AudioEnd, ReplyChunk

SLICE_BYTES: Final = 16_384
"""Half a second of PCM16 at 16 kHz, which takes a few milliseconds; a usual piece is no longer."""

AT_ONCE: Final = 20
"""Short pieces that are taken in one go, at most."""

MOST_WAITING_BYTES: Final = 16 * 1024 * 1024
MOST_WAITING: Final = 4_000
"""What more comes has to wait in the network, because the socket is not read while a piece is taken."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a piece of the reply; `goes_on`: it came with the part before."""

    part: ReplyChunk
    goes_on: bool


@dataclass(frozen=True, slots=True)
class NoMore:
    """Nothing more of the reply comes, and no message says so: the connection is lost."""


class ChunkSlicer:
    """Hands a reply's pieces, and its end behind them, to `take`: at once, or what is long in slices by and by."""

    def __init__(self, take: Callable[[Slice | AudioEnd | NoMore], None]) -> None:
        self._take = take
        self._waiting: deque[ReplyChunk | AudioEnd | NoMore] = deque()
        self._waiting_bytes = 0
        self._at = 0
        """How much of the first one was handed over."""
        self._next: asyncio.Handle | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, message: ReplyChunk | AudioEnd | NoMore) -> None:
        """Take the next message of a reply."""
        self._waiting.append(message)
        if isinstance(message, ReplyChunk):
            self._waiting_bytes += len(message.audio)
        if self._next is None:
            self._go_on()
        while self._waiting_bytes > MOST_WAITING_BYTES or len(self._waiting) > MOST_WAITING:
            self._hand_over()

    def clear(self) -> None:
        """Forget what waits: the reply was cut off."""
        self._waiting.clear()
        self._waiting_bytes = self._at = 0
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        """Hand over what is short, or one slice of what is not."""
        self._next = None
        handed_over = count = 0
        while self._waiting and handed_over < SLICE_BYTES and count < AT_ONCE:
            handed_over += self._hand_over()
            count += 1
        if self._waiting:
            self._next = asyncio.get_running_loop().call_soon(self._go_on)

    def _hand_over(self) -> int:
        """Hand over the first one, or the next slice of it; return how many bytes of sound that was."""
        message = self._waiting[0]
        if not isinstance(message, ReplyChunk):
            self._waiting.popleft()
            self._take(message)
            return 0
        begin, length = self._at, len(message.audio)
        self._at = min(length, begin + SLICE_BYTES)
        part, handed_over = message, self._at - begin
        if handed_over < length:
            part = ReplyChunk(message.audio[begin : self._at], message.format, message.sample_rate)
        if self._at == length:
            self._waiting.popleft()
            self._at = 0
        self._waiting_bytes -= handed_over
        self._take(Slice(part, goes_on=begin > 0))
        return handed_over
