"""One session of the agent: who speaks when, each reply cancellable at every point.

It takes protocol messages and hands protocol messages to `send`; it knows nothing of Socket.IO.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from selam_cli.agent.echo_estimate import OwnVoice
from selam_cli.agent.metrics import Metrics, TurnWatch
from selam_cli.agent.reply import Hold, Reply
from selam_cli.agent.responder import ChatHistory, SpokenAudio, Turn, Understood, report
from selam_cli.core.endpointing import (
    END_OF_SPEECH_MS,
    BargedIn,
    Framer,
    SpeechEnded,
    SpeechStarted,
    TurnDetector,
    TurnEvent,
)
from selam_cli.core.protocol import (
    Action,
    AudioChunk,
    ControlAck,
    ErrorReport,
    ReplyChunk,
    Response,
    ServerMessage,
    StartSession,
    Transcription,
)
from selam_cli.sound.voiced import VoiceDetector

PARTIAL_EVERY_S: Final = 0.3
"""Seconds between two partial transcriptions, at least: a reader cannot follow faster, and it spares a slow link."""


@dataclass(slots=True)
class _Answering:
    """A turn whose speech has ended: it is being understood, thought about or answered."""

    reply: Reply
    watch: TurnWatch
    work: asyncio.Task[None] | None = None


class AgentSession:
    """A session from `start_session` to `end_session`. `send` must not block: it puts a message on its way."""

    def __init__(
        self,
        session: StartSession,
        dialogue: ChatHistory,
        send: Callable[[ServerMessage], None],
        metrics: Metrics | None = None,
        *,
        end_of_speech_ms: int = END_OF_SPEECH_MS,
    ) -> None:
        self._session = session
        self._dialogue = dialogue
        self._send = send
        self._metrics = metrics or Metrics()
        self._framer = Framer()
        self._voice = VoiceDetector()
        self._own_voice = OwnVoice()
        self._clock = asyncio.get_running_loop().time
        self._turns = TurnDetector(
            session.vad_threshold, session.interrupt_threshold, end_of_speech_ms=end_of_speech_ms
        )
        self._turn: Turn | None = None
        self._answering: _Answering | None = None
        self._breaking_in: _Answering | None = None
        """What was said over the reply, until it is known whether it was words."""
        self._partial = ""
        self._partial_at = float("-inf")
        self._listening = True
        self._paused = False

    # --- what the client says -----------------------------------------------------------------------------------------

    def hear(self, chunk: AudioChunk) -> None:
        """Take a chunk of the client's microphone; ignored while paused or told not to listen."""
        if not self._listening or self._paused:
            return
        now = self._clock()
        for frame in self._framer.feed(chunk.audio):
            samples = np.frombuffer(frame, dtype="<i2").astype(np.float64)
            rms = math.sqrt(float(samples.dot(samples)) / samples.size)
            voiced = self._is_speech(frame, rms, now)
            self._turns.agent_speaking = self._answering is not None
            turn = self._turn
            for event in self._turns.frame(frame, rms, voiced=voiced):
                self._on_turn(event)
            if turn is not None and turn is self._turn:
                turn.feed(frame)

    def _is_speech(self, frame: bytes, rms: float, now: float) -> bool:
        """Say whether a frame holds a voice; the detector, which costs the most, is asked last."""
        if rms > self._session.vad_threshold and rms > self._own_voice.echo_rms(now):
            return self._voice.is_voiced(frame)
        self._voice.pass_over(frame)
        return False

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
                self._paused = True
                self._forget_speech()
                for answering in self._all_answering():
                    answering.reply.hold(Hold.PAUSE)
            case Action.RESUME:
                self._paused = False
                for answering in self._all_answering():
                    answering.reply.go_on(Hold.PAUSE)
            case _:
                known = ", ".join(Action)
                self._send(ErrorReport("validation_error", f"There is no action {action[:40]!r}; actions are {known}."))
                return
        self._send(ControlAck(str(action)))

    def end(self) -> None:
        """End the session: nothing is said after this."""
        for answering in self._all_answering():
            _cancel(answering)
        self._answering = self._breaking_in = None
        self._drop_turn()

    # --- turns --------------------------------------------------------------------------------------------------------

    def _on_turn(self, event: TurnEvent) -> None:
        match event:
            case BargedIn() if not self._dialogue.hears_words:
                self._cut_off()
            case BargedIn():
                if self._answering is not None:
                    self._answering.reply.hold(Hold.SPOKEN_INTO)
            case SpeechStarted(audio=audio):
                self._partial, self._partial_at = "", float("-inf")
                self._turn = self._dialogue.begin(self._on_partial)
                self._turn.feed(audio)
            case SpeechEnded(audio=audio):
                turn, self._turn = self._turn, None
                if turn is not None:
                    self._begin_answer(turn, SpokenAudio(audio))

    def _begin_answer(self, turn: Turn, utterance: SpokenAudio) -> None:
        self._drop(self._breaking_in)
        self._breaking_in = None
        watch = TurnWatch(self._metrics, self._tell)
        answering = _Answering(Reply(turn, watch.send), watch)
        if self._answering is None:
            self._answering = answering
        else:
            self._breaking_in = answering
        if self._paused:
            answering.reply.hold(Hold.PAUSE)
        answering.work = asyncio.create_task(self._answer(turn, utterance, answering))

    async def _answer(self, turn: Turn, utterance: SpokenAudio, answering: _Answering) -> None:
        understood = await self._understand(turn, utterance)
        if understood is None or not understood.has_words:
            self._nothing_was_said(answering, failed=understood is None)
            return
        if answering is self._breaking_in:
            self._cut_off(keep=answering)
        answering.watch.send(Transcription(understood.text, is_final=True))
        await answering.reply.deliver()
        answering.watch.end("answered")
        self._dialogue.heard(answering.reply.heard_at_its_end())
        self._answering = None

    async def _understand(self, turn: Turn, utterance: SpokenAudio) -> Understood | None:
        """Return what was said; None where the hearing failed, which is reported."""
        try:
            return await turn.understood(utterance)
        except Exception as failure:  # the engines' boundary
            self._send(report(failure))
            return None

    def _nothing_was_said(self, answering: _Answering, *, failed: bool) -> None:
        """A cough into a reply lets it go on; by itself it is a turn that the client need not wait for."""
        answering.watch.end("failed" if failed else "no_words")
        if answering is self._breaking_in:
            self._breaking_in = None
            if self._answering is not None:
                self._answering.reply.go_on(Hold.SPOKEN_INTO)
            return
        self._answering = None
        if not failed:
            self._send(Response("(No words were heard.)"))
        answering.reply.tell_end()

    def _on_partial(self, text: str) -> None:
        """Send what is understood so far, and stop speaking for good once it is words."""
        now = asyncio.get_running_loop().time()
        if text == self._partial or not text or now - self._partial_at < PARTIAL_EVERY_S:
            return
        self._partial, self._partial_at = text, now
        self._cut_off(keep=self._breaking_in)
        self._send(Transcription(text, is_final=False))

    def _tell(self, message: ServerMessage) -> None:
        if isinstance(message, ReplyChunk):
            self._own_voice.say(message.audio, self._clock())
        self._send(message)

    def _cut_off(self, *, keep: _Answering | None = None) -> None:
        """Stop speaking at once; the client is told how much of the reply there was."""
        cut, self._answering = self._answering, keep
        if keep is None:
            self._drop(self._breaking_in)
        self._breaking_in = None
        if cut is not None and cut is not keep:
            self._dialogue.heard(cut.reply.heard())
            cut.watch.end("interrupted")
            _cancel(cut)
            cut.reply.tell_end()

    def _drop(self, answering: _Answering | None) -> None:
        if answering is not None:
            _cancel(answering)

    def _all_answering(self) -> list[_Answering]:
        return [answering for answering in (self._answering, self._breaking_in) if answering is not None]

    def _forget_speech(self) -> None:
        self._turns.drop()
        self._framer.reset()
        self._drop_turn()

    def _drop_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()
            if self._answering is not None:
                self._answering.reply.go_on(Hold.SPOKEN_INTO)


def _cancel(answering: _Answering) -> None:
    answering.watch.end("dropped")
    if answering.work is not None:
        answering.work.cancel()
