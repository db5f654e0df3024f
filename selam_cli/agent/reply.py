"""The agent's side of one turn: its text, and its sound paced a moment ahead of its playing.

A reply can be held and let go on at any point, by a pause of the session or by a user who speaks into it, and cut off
for good; how much of it was heard is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from enum import Enum
from typing import Final

from selam_cli.agent.responder import Answer, Sentence, Speech, Turn, report
from selam_cli.agent.spoken_text import Spoken
from selam_cli.core.protocol import WIRE_RATE_HZ, AudioEnd, ReplyChunk, ServerMessage

CHUNK_MS: Final = 100
CHUNK_BYTES: Final = 2 * WIRE_RATE_HZ * CHUNK_MS // 1_000
AHEAD_S: Final = 0.4
"""Seconds that a reply runs ahead of its playing: enough to bridge a short stall. What is sent can't be called back."""


class Hold(Enum):
    """Why a reply stands still."""

    PAUSE = "pause"
    SPOKEN_INTO = "spoken into"


class Reply:
    """Sends one turn's answer, text and sound. `send` must not block."""

    def __init__(self, turn: Turn, send: Callable[[ServerMessage], None]) -> None:
        self._turn = turn
        self._send = send
        self._holds: set[Hold] = set()
        self._going_on = asyncio.Event()
        self._going_on.set()
        self._pace = ReplyPacer()
        self._spoken = Spoken()
        self._sound: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._chunks = 0

    def hold(self, reason: Hold) -> None:
        """Stand still from now on."""
        self._holds.add(reason)
        self._going_on.clear()

    def go_on(self, reason: Hold) -> None:
        """Go on where it stopped, unless there is another reason to stand still."""
        self._holds.discard(reason)
        if not self._holds:
            self._going_on.set()

    async def deliver(self) -> None:
        """Send all of it, text and sound, and its end. The text does not wait for the sound, which takes its time."""
        saying = asyncio.create_task(self._say_all())
        try:
            await self._tell_all()
            self._sound.put_nowait(None)
            await saying
        finally:
            saying.cancel()
        await self._going_on.wait()
        self._spoken.finish()
        self.tell_end()

    def tell_end(self) -> None:
        """Tell the client how much of it there was."""
        self._send(AudioEnd(self._chunks))

    def heard(self) -> str:
        """Return what has been heard of it by now, as text."""
        return self._spoken.heard(self._pace.played_s())

    def heard_at_its_end(self) -> str:
        """Return what will have been heard of it when all that was sent has played."""
        return self._spoken.heard(float("inf"))

    async def _tell_all(self) -> None:
        try:
            # Closed at once when it is cut off, not when it is collected: an engine may hold a process or a socket.
            async with aclosing(self._turn.answer()) as answer:
                async for part in answer:
                    await self._going_on.wait()
                    self._take(part)
        except Exception as failure:  # the engines' boundary
            self._send(report(failure))

    def _take(self, part: Answer) -> None:
        match part:
            case Speech(audio=audio):
                self._spoken.add(len(audio) / (2 * WIRE_RATE_HZ))
                self._sound.put_nowait(audio)
            case Sentence(text=text):
                self._spoken.begin(text)
            case _:
                self._send(part)

    async def _say_all(self) -> None:
        waiting = bytearray()
        while (audio := await self._sound.get()) is not None:
            waiting += audio
            while len(waiting) >= CHUNK_BYTES:
                await self._say(bytes(waiting[:CHUNK_BYTES]))
                del waiting[:CHUNK_BYTES]
        if waiting:
            await self._say(bytes(waiting))

    async def _say(self, audio: bytes) -> None:
        await self._pace.wait()
        while not self._going_on.is_set():
            await self._going_on.wait()
            self._pace.start_over()  # what was ahead has been played meanwhile
        self._chunks += 1
        self._send(ReplyChunk(audio, "pcm16", WIRE_RATE_HZ))
        self._pace.said(len(audio) / (2 * WIRE_RATE_HZ))


class ReplyPacer:
    """Keeps a reply a moment ahead of its playing and no more: sound that was sent can't be called back."""

    def __init__(self) -> None:
        self._played_until: float | None = None
        self._said_s = 0.0

    async def wait(self) -> None:
        """Wait until the next chunk is due."""
        if self._played_until is not None:
            await asyncio.sleep(self._played_until - AHEAD_S - asyncio.get_running_loop().time())

    def said(self, seconds: float) -> None:
        """Count a chunk that was sent."""
        now = asyncio.get_running_loop().time()
        self._played_until = max(self._played_until or now, now) + seconds
        self._said_s += seconds

    def start_over(self) -> None:
        """Forget what was ahead."""
        self._played_until = None

    def played_s(self) -> float:
        """Return how much of what was said has been played by now, on a client that plays it as it comes."""
        now = asyncio.get_running_loop().time()
        return max(0.0, self._said_s - max(0.0, (self._played_until or now) - now))
