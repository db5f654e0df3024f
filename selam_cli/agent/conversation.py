"""One session of the agent: hear, answer, speak, each of them cancellable at every point.

It takes protocol messages and hands protocol messages to `send`; of Socket.IO it knows nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

import numpy as np

from selam_cli.agent.responder import Answer, Responder, Speech, Utterance
from selam_cli.core.protocol import (
    WIRE_RATE_HZ,
    Action,
    AudioChunk,
    AudioEnd,
    ControlAck,
    ErrorReport,
    ReplyChunk,
    ServerMessage,
    StartSession,
)
from selam_cli.core.turns import BargedIn, Framer, SpeechEnded, TurnDetector, TurnEvent
from selam_cli.sound.voiced import VoiceDetector

log = logging.getLogger(__name__)

CHUNK_MS: Final = 100
CHUNK_BYTES: Final = 2 * WIRE_RATE_HZ * CHUNK_MS // 1_000
AHEAD_S: Final = 0.4
"""How far a reply runs ahead of its playing: enough to ride out a hiccup, little enough to be called back."""


class Conversation:
    """A session from `start_session` to `end_session`. `send` must not block: it puts a message on its way."""

    def __init__(self, session: StartSession, responder: Responder, send: Callable[[ServerMessage], None]) -> None:
        self._session = session
        self._responder = responder
        self._send = send
        self._framer = Framer()
        self._voice = VoiceDetector()
        self._turns = TurnDetector(session.vad_threshold, session.interrupt_threshold)
        self._reply: asyncio.Task[None] | None = None
        self._chunks = 0
        self._listening = True
        self._running = asyncio.Event()
        self._running.set()

    # --- what the client says -----------------------------------------------------------------------------------------

    def hear(self, chunk: AudioChunk) -> None:
        """Take a chunk of the client's microphone; ignored while paused or told not to listen."""
        if not self._listening or not self._running.is_set():
            return
        for frame in self._framer.feed(chunk.audio):
            samples = np.frombuffer(frame, dtype="<i2")
            rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
            # A voice's verdict is asked for only where loudness has not said no already: it costs the most.
            voiced = rms > self._session.vad_threshold and self._voice.is_voiced(frame)
            self._turns.agent_speaking = self._reply is not None
            for event in self._turns.frame(frame, rms, voiced=voiced):
                self._on_turn(event)

    def control(self, action: Action | str) -> None:
        """Carry an action out and acknowledge it; nothing of an interrupted reply comes after the acknowledgement.

        While paused, a reply holds its place, an utterance under way is dropped, and what comes in is not heard.
        """
        match action:
            case Action.INTERRUPT:
                self._cut_off()
            case Action.STOP_LISTENING:
                self._listening = False
                self._forget_speech()
            case Action.START_LISTENING:
                self._listening = True
                self._forget_speech()
            case Action.PAUSE:
                self._running.clear()
                self._forget_speech()
            case Action.RESUME:
                self._running.set()
            case _:
                known = ", ".join(Action)
                self._send(ErrorReport("validation_error", f"There is no action {action[:40]!r}; actions are {known}."))
                return
        self._send(ControlAck(str(action)))

    def end(self) -> None:
        """End the session: nothing is said after this."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.cancel()

    # --- turns --------------------------------------------------------------------------------------------------------

    def _on_turn(self, event: TurnEvent) -> None:
        match event:
            case BargedIn():
                self._cut_off()
            case SpeechEnded():
                self._cut_off()
                self._chunks = 0
                self._reply = asyncio.create_task(self._answer(Utterance(event.audio)))

    def _cut_off(self) -> None:
        """Stop speaking at once; the client is told how much of the reply there was."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.cancel()
            self._send(AudioEnd(self._chunks))

    def _forget_speech(self) -> None:
        self._turns.drop()
        self._framer.reset()

    async def _answer(self, utterance: Utterance) -> None:
        try:
            # Closed at once when it is cut off, not when it is collected: an engine may hold a process or a socket.
            async with aclosing(self._responder.answer(utterance, self._session)) as answer:
                await self._tell(answer)
        except Exception:  # the engines' boundary: one that fails costs its turn and nothing else
            log.exception("the answer failed")
            self._send(ErrorReport("audio_error", "The agent could not answer. Say it again."))
        await self._running.wait()
        self._reply = None
        self._send(AudioEnd(self._chunks))

    async def _tell(self, answer: AsyncIterator[Answer]) -> None:
        pace = Pace()
        waiting = bytearray()
        async for part in answer:
            await self._running.wait()
            if not isinstance(part, Speech):
                self._send(part)
                continue
            waiting += part.audio
            while len(waiting) >= CHUNK_BYTES:
                await self._say(bytes(waiting[:CHUNK_BYTES]), pace)
                del waiting[:CHUNK_BYTES]
        if waiting:
            await self._say(bytes(waiting), pace)

    async def _say(self, audio: bytes, pace: Pace) -> None:
        await pace.wait()
        while not self._running.is_set():
            await self._running.wait()
            pace.start_over()  # what was ahead has been played during the pause
        self._chunks += 1
        self._send(ReplyChunk(audio, "pcm16", WIRE_RATE_HZ))
        pace.said(len(audio) / (2 * WIRE_RATE_HZ))


class Pace:
    """Keeps a reply a moment ahead of its playing and no more: sound that was sent can't be called back."""

    def __init__(self) -> None:
        self._played_until: float | None = None

    async def wait(self) -> None:
        """Wait until the next chunk is due."""
        if self._played_until is not None:
            await asyncio.sleep(self._played_until - AHEAD_S - asyncio.get_running_loop().time())

    def said(self, seconds: float) -> None:
        """Count a chunk that was sent."""
        now = asyncio.get_running_loop().time()
        self._played_until = max(self._played_until or now, now) + seconds

    def start_over(self) -> None:
        """Forget what was ahead."""
        self._played_until = None
