"""`ask`: one spoken turn without a screen; a file or standard input speaks in real time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, replace
from typing import Final

from selam_cli.commands.ask_speaker import AskSpeaker
from selam_cli.commands.patience import Patience
from selam_cli.commands.question import Question, check_length, question_of
from selam_cli.commands.reply_file import ReplyFile
from selam_cli.commands.talk_json import end_on_signals, run_loop, tell_of_log
from selam_cli.config.settings import Settings
from selam_cli.config.user_path import expanded_name
from selam_cli.core import events, pcm
from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.host.standard_streams import StandardStreams
from selam_cli.engine.lines.jsonl import LineWriter
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.server_target import ServerTarget
from selam_cli.errors import ConnectionFailed, SelamError, SessionError
from selam_cli.procs.standard_output import Unwritten, write_all
from selam_cli.sound.decode import Pcm
from selam_cli.sound.wav_file import check_not_the_same

CONNECT_ATTEMPTS: Final = 3
CUT_REMEDY: Final = "The rest was not sent: speak less at a time, or raise max_talk_s in the settings file."

_TOLD: Final = frozenset(
    {"no_key", "key_problem", "voice_mismatch", "recorded", "resent", "stalled", "too_long", "too_quiet"}
)
_SIGNS: Final = (
    events.Connected,
    events.SessionStarted,
    events.UtteranceOutcome,
    events.Transcription,
    events.Response,
    events.Audio,
    events.AudioEnd,
)
"""What shows that something is under way."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `ask` is to do: the file (`-` for standard input), where the reply's sound goes, and how patient it is."""

    file: str
    out: str | None = None
    timeout_s: float = 60.0
    """How long nothing may come: no session, no sound through a pipe, nothing of an answer once all is said."""
    as_json: bool = False


def run(wish: Wish, settings: Settings, target: ServerTarget) -> int:
    """Hold one turn; return the exit status. Raises SelamError for what can be seen before it begins."""
    out = None if wish.out is None else ReplyFile(str(expanded_name(wish.out)))
    wish = replace(wish, file=expanded_name(wish.file))
    if out is not None:
        taken = "the JSON lines go there" if wish.as_json else "it is a terminal" if os.isatty(1) else ""
        out.check(wish.file, settings.output, output_fd_taken=taken)
    if settings.output is not None:
        check_not_the_same(settings.output, wish.file)
    settings = replace(settings, pre_roll_ms=0, release_tail_ms=0, ptt="hold")
    # Before the question is opened: the library that reads it may have something to say on its own.
    streams = StandardStreams("ask", target.redactor)
    progress = _Progress(streams, shown=not wish.as_json and os.isatty(streams.error_fd))
    try:
        question = question_of(wish.file, wish.timeout_s)
        try:
            check_length(question, settings.max_talk_s)
            status = run_loop(_Turn(wish, question, out, settings, target, streams, progress).run())
        finally:
            question.close()
    finally:
        progress.clear()
        streams.give_back()
    return status


class _Turn:
    """One question and its answer."""

    def __init__(
        self,
        wish: Wish,
        question: Question,
        out: ReplyFile | None,
        settings: Settings,
        target: ServerTarget,
        streams: StandardStreams,
        progress: _Progress,
    ) -> None:
        self._wish = wish
        self._question = question
        self._out = out
        self._settings = settings
        self._streams = streams
        self._redactor = target.redactor
        self._progress = progress
        self._patience = Patience(wish.timeout_s)
        self._reply: list[Pcm] = []
        self._started_at = time.monotonic()
        self._writer: LineWriter | None = None
        if wish.as_json:
            self._writer = LineWriter(streams.output_fd, self._on_closed, target.redactor)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session = asyncio.Event()
        self._over = asyncio.Event()
        self._outcome = ""
        self._error: events.ErrorRaised | None = None
        self._player = ReplyPlayer(keep=self._reply.append if out is not None else None)
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
        waiting = asyncio.create_task(self._patience.is_over())
        await asyncio.wait({running, speaking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        failure = self._failure_of(speaking)
        speaking.cancel()
        waiting.cancel()
        self._patience.stop()
        self._engine.quit()
        status = await running
        await self._speaker.close()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        return self._report(status, failure)

    async def _speak(self) -> None:
        """Say the question as a person would, and wait for the answer to end."""
        await self._speaker.open()
        await self._question.prepare()
        check_length(self._question, self._settings.max_talk_s)
        self._patience.begin()
        await self._session.wait()
        self._patience.stop()
        conversation = self._engine.conversation
        conversation.give_up_never()  # the patience here is what the user says
        conversation.press(time.monotonic())
        await self._say()
        conversation.release(time.monotonic())
        conversation.capture.end_now()
        self._progress.tell("waiting for the answer")
        self._patience.begin()
        await self._over.wait()

    async def _say(self) -> None:
        """Speak the question, as far as one utterance goes."""
        capture = self._engine.conversation.capture
        next_at = time.monotonic()
        async for block in self._question.blocks():
            next_at += len(block) / WIRE_RATE_HZ
            await asyncio.sleep(next_at - time.monotonic())
            next_at = max(next_at, time.monotonic() - 1.0)  # a sender that stalled is not caught up with in a burst
            if not capture.talking:
                return  # it was too long, or the session is over
            capture.on_block(block, time.monotonic())
            self._progress.tell(f"speaking {pcm.seconds_of(self._spoken):.1f} s")

    @property
    def _spoken(self) -> int:
        utterance = self._engine.conversation.capture.current
        return len(utterance.audio) // 2 if utterance else 0

    # --- events -------------------------------------------------------------------------------------------------------

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Notice) and event.code == "too_long":
            event = replace(event, remedy=CUT_REMEDY)  # there is no key to press again
        if self._writer is not None:
            self._writer.write(event, time.monotonic() - self._started_at)
        if isinstance(event, _SIGNS):
            self._patience.renew()
        match event:
            case events.Notice() if self._writer is None or event.code == "too_long":
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
            case events.UtteranceOutcome(outcome="kept"):
                self._outcome = "lost"
                self._over.set()
            case events.TurnEnded():
                self._outcome = self._outcome or event.outcome
                self._over.set()

    def _tell(self, notice: events.Notice) -> None:
        """Say what a user without a screen would want to know."""
        if notice.code in _TOLD:
            self._progress.clear()
            remedy = "" if notice.code == "recorded" else notice.remedy  # this program ends and does not send it later
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
        within = f"within {self._wish.timeout_s:g} seconds"
        if self._engine.conversation.state.reply_text:
            return SessionError(f"The answer broke off: nothing more came {within}.", "Try again.")
        return SessionError(f"No answer came {within}.", "Try again, or be more patient with --timeout.")

    def _failure_of_turn(self) -> SelamError | None:
        if self._outcome == "answered":
            return None
        if self._outcome == "lost":
            within_s = self._settings.resend_within_s
            return ConnectionFailed(
                f"The connection was lost before the answer, and was not back within {within_s} s.", "Try again."
            )
        if self._error is not None:
            from selam_cli.errors import service_error  # rare

            return service_error(self._error.type, self._error.message)
        return SessionError("No answer came.", "Try again, or check that the recording holds speech.")

    def _report(self, status: int, failure: SelamError | None) -> int:
        self._progress.clear()
        state = self._engine.conversation.state
        if status > 128:
            return status
        unwritten = None if self._wish.as_json else self._print(state.user_text, state.reply_text)
        failure = failure or unwritten or self._save() or self._speaker.unwritten
        if failure is None:
            return 0
        self._streams.say(f"{failure.reason} {failure.remedy}".strip())
        return failure.exit_code

    def _print(self, heard: str, answer: str) -> SelamError | None:
        to_error = self._out is not None and self._out.is_standard_output
        lines = [
            f"{label}{self._redactor.shown_speech(text)}\n"
            for label, text in (("You: ", heard), ("Agent: ", answer))
            if text
        ]
        try:
            if to_error:
                write_all(self._streams.error_fd, self._streams.for_error("".join(lines)))
            else:
                write_all(self._streams.output_fd, self._streams.for_output("".join(lines)))
        except BrokenPipeError:
            return None  # the reader has seen enough
        except OSError as error:
            return Unwritten("The answer", error)
        return None

    def _save(self) -> SelamError | None:
        try:
            if self._out is not None:
                self._out.write(self._reply, self._streams.output_fd)
        except SelamError as error:
            return error
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
