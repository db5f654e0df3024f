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


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a piece of the reply; `goes_on`: it came with the part before."""

    part: ReplyChunk
    goes_on: bool


@dataclass(frozen=True, slots=True)
class NoMore:
    """Nothing more of the reply comes, and nobody says so: the connection is lost."""


class InSlices:
    """Hands a reply's pieces, and its end behind them, to `take`: at once, or what is long in slices by and by."""

    def __init__(self, take: Callable[[Slice | AudioEnd | NoMore], None]) -> None:
        self._take = take
        self._waiting: deque[ReplyChunk | AudioEnd | NoMore] = deque()
        self._at = 0
        """How much of the first one was handed over."""
        self._next: asyncio.Handle | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, message: ReplyChunk | AudioEnd | NoMore) -> None:
        """Take the next message of a reply."""
        self._waiting.append(message)
        if self._next is None:
            self._go_on()

    def clear(self) -> None:
        """Forget what waits: the reply was cut off."""
        self._waiting.clear()
        self._at = 0
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        """Hand over what is short, and one slice of what is not."""
        self._next = None
        while self._waiting:
            message = self._waiting[0]
            if not isinstance(message, ReplyChunk):
                self._waiting.popleft()
                self._take(message)
                continue
            begin, self._at = self._at, self._at + SLICE_BYTES
            part = message
            if len(message.audio) > SLICE_BYTES:
                part = ReplyChunk(message.audio[begin : self._at], message.format, message.sample_rate)
            if self._at >= len(message.audio):
                self._waiting.popleft()
                self._at = 0
            if self._waiting:
                self._next = asyncio.get_running_loop().call_soon(self._go_on)
            self._take(Slice(part, goes_on=begin > 0))
            return
