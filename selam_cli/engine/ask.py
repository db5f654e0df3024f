"""`ask`: one spoken turn without a screen; a file or standard input speaks in real time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from selam_cli.core import pcm
from selam_cli.core.pcm import Samples
from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.engine import events
from selam_cli.engine.ask_speaker import AskSpeaker
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.jsonl import LineWriter, read_piece
from selam_cli.engine.reply import ReplyPlayer
from selam_cli.engine.standard_streams import StandardStreams
from selam_cli.engine.talk_json import end_on_signals, run_loop, tell_of_log
from selam_cli.engine.target import Target
from selam_cli.errors import ConnectionFailed, SelamError, SessionError, UsageFault
from selam_cli.settings import Settings
from selam_cli.sound.decode import Pcm
from selam_cli.sound.files import read_speech, write_wav

BLOCK_MS: Final = 20
CONNECT_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What `ask` is to do: the file (`-` for standard input), where the reply's sound goes, and the time it has."""

    file: str
    out: str | None = None
    timeout_s: float = 60.0
    as_json: bool = False


def run(question: Question, settings: Settings, target: Target) -> int:
    """Hold one turn; return the exit status. Raises SelamError for what can be seen before it begins."""
    speech = None if question.file == "-" else read_speech(question.file)
    if question.out is not None:
        _check_writable(question.out)
    settings = replace(settings, pre_roll_ms=0, release_tail_ms=0, ptt="hold")
    streams = StandardStreams("ask", target.redactor)
    progress = _Progress(streams, shown=not question.as_json and os.isatty(streams.error_fd))
    try:
        status = run_loop(_Turn(question, settings, target, streams, progress, speech).run())
    finally:
        progress.clear()
        streams.give_back()
    return status


class _Turn:
    """One question and its answer."""

    def __init__(
        self,
        question: Question,
        settings: Settings,
        target: Target,
        streams: StandardStreams,
        progress: _Progress,
        speech: Samples | None,
    ) -> None:
        self._question = question
        self._settings = settings
        self._streams = streams
        self._redactor = target.redactor
        self._progress = progress
        self._speech = speech
        self._reply: list[Pcm] = []
        self._started_at = time.monotonic()
        self._writer: LineWriter | None = None
        if question.as_json:
            self._writer = LineWriter(streams.output_fd, self._on_closed, target.redactor)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session = asyncio.Event()
        self._over = asyncio.Event()
        self._outcome = ""
        self._error: events.ErrorRaised | None = None
        self._player = ReplyPlayer(keep=self._reply.append if question.out else None)
        self._speaker = AskSpeaker(settings.output, self._player)
        self._engine = VoiceEngine(
            settings, target, self._on_event, player=self._player, with_devices=False, attempts=CONNECT_ATTEMPTS
        )

    async def run(self) -> int:
        self._loop = loop = asyncio.get_running_loop()
        end_on_signals(loop, self._engine.quit)
        tell_of_log(self._streams.log, loop, self._engine)
        running = asyncio.create_task(self._engine.run())
        speaking = asyncio.create_task(self._speak())
        await asyncio.wait({running, speaking}, timeout=self._question.timeout_s, return_when=asyncio.FIRST_COMPLETED)
        failure = self._failure_of(speaking)
        speaking.cancel()
        self._engine.quit()
        status = await running
        await self._speaker.close()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        return self._report(status, failure)

    async def _speak(self) -> None:
        """Say the question as a person would, and wait for the answer to end."""
        await self._speaker.open()
        await self._session.wait()
        conversation = self._engine.conversation
        conversation.press(time.monotonic())
        next_at = time.monotonic()
        async for block in self._blocks():
            next_at += len(block) / WIRE_RATE_HZ
            await asyncio.sleep(next_at - time.monotonic())
            next_at = max(next_at, time.monotonic() - 1.0)  # a sender that stalled is not caught up with in a burst
            conversation.capture.on_block(block, time.monotonic())
            self._progress.tell(f"speaking {pcm.seconds_of(self._spoken):.1f} s")
        conversation.release(time.monotonic())
        conversation.capture.end_now()
        self._progress.tell("waiting for the answer")
        await self._over.wait()

    @property
    def _spoken(self) -> int:
        utterance = self._engine.conversation.capture.current
        return len(utterance.audio) // 2 if utterance else 0

    async def _blocks(self) -> AsyncIterator[Samples]:
        size = pcm.samples_in(BLOCK_MS)
        if self._speech is not None:
            for start in range(0, len(self._speech), size):
                yield self._speech[start : start + size]
            return
        rest, heard = b"", False
        async for piece in _standard_input():
            heard = True
            whole = (rest + piece)[: (len(rest) + len(piece)) // (2 * size) * (2 * size)]
            rest = (rest + piece)[len(whole) :]
            for start in range(0, len(whole), 2 * size):
                yield np.frombuffer(whole[start : start + 2 * size], dtype="<i2").astype(np.int16)
        if not heard:
            raise UsageFault("Standard input holds no sound.", "Pipe raw PCM16, 16 kHz, mono into it.")
        if len(rest) > 1:
            yield np.frombuffer(rest[: len(rest) // 2 * 2], dtype="<i2").astype(np.int16)

    # --- events -------------------------------------------------------------------------------------------------------

    def _on_event(self, event: events.Event) -> None:
        if self._writer is not None:
            self._writer.write(event, time.monotonic() - self._started_at)
        match event:
            case events.Notice() if self._writer is None:
                self._tell(event)
            case events.Connecting():
                self._progress.tell(f"connecting to {plain_line(event.server)}")
            case events.Reconnecting():
                self._progress.tell("the connection is lost, trying again")
            case events.SessionStarted():
                self._error = None  # of an outage that is over
                self._session.set()
            case events.ErrorRaised():
                self._error = event
            case events.Utterance(outcome="kept"):
                self._outcome = "lost"
                self._over.set()
            case events.TurnEnded():
                self._outcome = self._outcome or event.outcome
                self._over.set()

    def _tell(self, notice: events.Notice) -> None:
        """Say what a user without a screen would want to know."""
        if notice.code in {"no_key", "key_problem", "voice_mismatch", "recorded", "resent", "stalled"}:
            self._progress.clear()
            remedy = "" if notice.code == "recorded" else notice.remedy  # there is nobody to send it later
            self._streams.say(f"{notice.message} {remedy}".strip())

    def _on_closed(self) -> None:
        if self._loop is not None:  # the writer's thread calls, and there are no lines before there is a loop
            self._loop.call_soon_threadsafe(self._engine.quit, 1)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _failure_of(self, speaking: asyncio.Task[None]) -> SelamError | None:
        if self._writer is not None and self._writer.failure is not None:
            return self._writer.failure
        if speaking.done():
            error = speaking.exception()
            if isinstance(error, SelamError):
                return error
            if error is not None:
                raise error
            return self._failure_of_turn() or self._speaker.failure
        if self._engine.failure is not None:
            return self._engine.failure
        return SessionError(f"No answer came within {self._question.timeout_s:g} seconds.", "Try again with --timeout.")

    def _failure_of_turn(self) -> SelamError | None:
        if self._outcome == "answered":
            return None
        if self._outcome == "lost":
            within_s = self._settings.resend_within_s
            return ConnectionFailed(
                f"The connection was lost before the answer, and was not back within {within_s} s.", "Try again."
            )
        if self._error is not None:
            from selam_cli.errors import service_error  # noqa: PLC0415  # rare

            return service_error(self._error.type, self._error.message)
        return SessionError("No answer came.", "Try again, or check that the recording holds speech.")

    def _report(self, status: int, failure: SelamError | None) -> int:
        self._progress.clear()
        state = self._engine.conversation.state
        if status > 128:
            return status
        if not self._question.as_json:
            self._print(state.user_text, state.reply_text)
        failure = failure or self._save()
        if failure is None:
            return 0
        self._streams.say(f"{failure.reason} {failure.remedy}".strip())
        return failure.exit_code

    def _print(self, heard: str, answer: str) -> None:
        with contextlib.suppress(OSError):
            for label, text in (("You: ", heard), ("Agent: ", answer)):
                if text:
                    shown = self._redactor.shown_speech(text)
                    os.write(self._streams.output_fd, self._streams.for_output(f"{label}{shown}\n"))

    def _save(self) -> SelamError | None:
        if self._question.out is None:
            return None
        if not self._reply:
            return SessionError(f"No sound came, so {self._question.out} was not written.", "Read the answer instead.")
        rate_hz = self._reply[0].rate_hz
        write_wav(self._question.out, np.concatenate([piece.samples for piece in self._reply]), rate_hz)
        return None


class _Progress:
    """One line on standard error that says what is going on, where that is a terminal."""

    def __init__(self, streams: StandardStreams, *, shown: bool) -> None:
        self._streams = streams
        self._shown = shown
        self._last = ""

    def tell(self, text: str) -> None:
        if self._shown and text != self._last:
            self._last = text
            self._write(f"\r\x1b[K{text} …")

    def clear(self) -> None:
        if self._shown and self._last:
            self._last = ""
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._streams.error_fd, self._streams.for_error(text))


async def _standard_input() -> AsyncIterator[bytes]:
    """Yield what comes on standard input; a thread reads it, which works on files, pipes and Windows alike."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(64)

    def read() -> None:
        while True:
            room.acquire()
            piece = read_piece(0, 6_400)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the turn is over
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            if not piece:
                return

    threading.Thread(target=read, name="standard-input", daemon=True).start()
    while piece := await pieces.get():
        room.release()
        yield piece


def _check_writable(path: str) -> None:
    folder = Path(path).expanduser().resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(path).is_dir():
        raise UsageFault(f"The reply cannot be written to {path}.", "Name a file in a folder that you may write to.")
