"""The voice engine: owns the conversation, the connection, the microphone and the speaker; knows no screen.

Commands come in through `execute`, events go out through `emit`; `run` lives until `quit`, and its result is the
process's exit status.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from selam_cli import __version__
from selam_cli.config.settings import Settings
from selam_cli.config.user_path import expanded_name
from selam_cli.core import catalog, events, protocol
from selam_cli.core.conversation.effects import Moment
from selam_cli.core.protocol import Action, MalformedPayload, ServerMessage, StartSession
from selam_cli.core.session import ConnectionInfo, SessionState, TurnStage
from selam_cli.credentials.handshake import Credentials
from selam_cli.engine.calibration import Calibration
from selam_cli.engine.conversation import Conversation
from selam_cli.engine.devices.devices import AudioDevices
from selam_cli.engine.embedded_agent import AgentProcess
from selam_cli.engine.lines.commands import Command, Verb
from selam_cli.engine.lines.event_log import EventLog
from selam_cli.engine.lines.text_throttle import TextThrottle
from selam_cli.engine.link.callbacks import LinkCallbacks
from selam_cli.engine.link.link import Link
from selam_cli.engine.link.refusals import SessionOver
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.server_target import ServerTarget
from selam_cli.errors import AccessRefused, DeviceError, SelamError, ServiceError, UsageFault
from selam_cli.net.tunnel import ProxyRefused
from selam_cli.sound.stalled import ANSWER_WITHIN_S, no_answer

log = logging.getLogger(__name__)

LEVEL_EVERY_S: Final = 0.05
RESTART_AFTER_S: Final = 0.15
"""Changes of the session's settings that come within this time make one new session, not several."""

Emit = Callable[[events.Event], None]


class VoiceEngine:
    """Everything behind a face: `execute` commands, hear events through `emit`."""

    def __init__(
        self,
        settings: Settings,
        target: ServerTarget,
        emit: Emit,
        *,
        player: ReplyPlayer | None = None,
        with_devices: bool = True,
        attempts: int | None = None,
    ) -> None:
        """`with_devices` False: sound comes through `conversation.capture` and goes nowhere (`ask`)."""
        self._settings = settings
        self._target = target
        self._emit = emit = TextThrottle(EventLog(emit))
        self._attempts = attempts
        self._with_devices = with_devices
        self._player = player or ReplyPlayer()
        self._instructions = settings.instructions
        self._agent: AgentProcess | None = None
        self._link: Link | None = None
        self._link_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._quit = asyncio.Event()
        self._status = 0
        self._failure: SelamError | None = None
        self._ever_up = False
        self._outage_told: set[str] = set()
        self._malformed_told: set[tuple[str, str]] = set()
        self._floods_told: set[str] = set()
        self._session_id: str | None = None
        self._ended_status = ""
        self._levels: asyncio.TimerHandle | None = None
        self._restarting: asyncio.TimerHandle | None = None
        self._restart_wanted = False
        self._switching = False
        state = SessionState(
            connection=ConnectionInfo(server=target.shown, kind=target.kind),
            voice=settings.voice,
            language=settings.language,
            vad_threshold=settings.vad_threshold,
            interrupt_threshold=settings.interrupt_threshold,
            volume=settings.volume,
        )
        self.conversation = Conversation(settings, state, emit, self._player)
        self.conversation.listen(self._on_moment)
        self.devices = AudioDevices(self.conversation, self._player, emit, settings)
        self._calibration = Calibration(self.conversation, self._player, self.devices.need_microphone, emit)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Hold the conversation until `quit`; return the exit status (docs/cli.md)."""
        self._emit(events.Hello(events.PROTOCOL_VERSION, __version__))
        self.conversation.tell_state()
        self._tell_of_missing_key()
        self._warn_of_mismatch()
        try:
            opening = asyncio.create_task(self._open_devices())
            self._start_link()
            await self._unless_quit(opening)
        except SelamError as error:
            self.fail(error)
        except Exception:  # the engine's top level: a bug becomes an event that a face can show
            log.exception("the devices failed")
            self.fail(_program_failed())
        await self._quit.wait()
        await self._leave()
        return self._status

    async def _open_devices(self) -> None:
        if not self._with_devices:
            return
        await self.devices.open()
        await self.conversation.hearing.load()

    async def _unless_quit(self, doing: asyncio.Task[None]) -> None:
        """Wait for what may take for ever, as a sound server does that stands still, but not past `quit`."""
        quitting = asyncio.create_task(self._quit.wait())
        try:
            await asyncio.wait({doing, quitting}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            for task in (doing, quitting):
                task.cancel()
            await asyncio.wait({doing, quitting})

    def quit(self, status: int = 0) -> None:
        """End the conversation; the first status that is not 0 is the program's."""
        self._status = self._status or status
        self._quit.set()

    def fail(self, error: SelamError) -> None:
        """End the conversation because of an error."""
        self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=True))
        self._failure = error
        self.quit(error.exit_code)

    def tell(self, notice: events.Notice) -> None:
        """Emit a notice of something that concerns the process, not the conversation."""
        self._emit(notice)

    @property
    def failure(self) -> SelamError | None:
        """The error that ended the conversation, or that stands in its way."""
        return self._failure

    async def _leave(self) -> None:
        for timer in (self._levels, self._restarting):
            if timer is not None:
                timer.cancel()
        if self._failure is not None and not self._status:
            self._status = self._failure.exit_code
        self._calibration.close()
        self.conversation.close()
        await self.devices.close()
        if self.devices.unwritten is not None and not self._status:
            self._failure, self._status = self.devices.unwritten, self.devices.unwritten.exit_code
        was_up = self._link is not None and self._link.up
        await self._close_link()
        if was_up and not self._ended_status:
            sentence = "The server did not confirm the end of the session within 2 seconds."
            self._emit(events.Notice("no_goodbye", "info", sentence, "It may count it as open for a while."))
        if self._agent is not None:
            await self._agent.stop()
        for task in self._tasks:
            task.cancel()
        self._emit(events.SessionEnded(self._session_id, self._ended_status or "unconfirmed"))

    # --- the connection -----------------------------------------------------------------------------------------------

    def _start_link(self) -> None:
        self._link = Link(self._address, self._greeting, self._callbacks(), attempts=self._attempts)
        self.conversation.attach(self._link)
        self._link_task = asyncio.create_task(self._run_link(self._link))

    async def _run_link(self, link: Link) -> None:
        try:
            await link.run()
        except SelamError as error:
            self._on_final(error)
        except Exception:  # the engine's top level: a bug becomes a state that the user sees
            log.exception("the connection failed")
            self.fail(_program_failed())

    async def _close_link(self) -> None:
        link, task = self._link, self._link_task
        self._link = self._link_task = None
        if link is not None:
            await link.leave()
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _address(self) -> str:
        if self._target.kind == "embedded" and (self._agent is None or not self._agent.alive):
            self._agent = await AgentProcess.start()
            self._target = replace(
                self._target, url=self._agent.url, credentials=Credentials(api_key=self._agent.api_key)
            )
        return self._target.handshake_url(self.conversation.state.voice)

    def _greeting(self) -> StartSession:
        state = self.conversation.state
        return StartSession(
            state.voice, state.language, self._instructions, state.vad_threshold, state.interrupt_threshold
        )

    def _callbacks(self) -> LinkCallbacks:
        return LinkCallbacks(
            on_message=self._on_message,
            on_malformed=self._on_malformed,
            on_connecting=lambda: self._emit(events.Connecting(self._target.shown)),
            on_up=self._on_up,
            on_lost=self._on_lost,
            on_retry=lambda attempt, delay: self._emit(events.Reconnecting(attempt, round(delay, 2))),
            on_sent=self.conversation.on_sent,
            on_stalled=self.conversation.on_stalled,
            on_dropped=self.conversation.on_dropped,
            on_flood=self._on_flood,
        )

    def _on_message(self, message: ServerMessage) -> None:
        match message:
            case protocol.Connected():
                self._emit(events.Connected(message.sid, message.voice, message.message, self._ever_up))
                self.conversation.update(
                    connection=replace(self.conversation.state.connection, server=self._target.shown)
                )
            case protocol.SessionStarted():
                self._session_id = message.session_id
                self._emit(events.SessionStarted(message.session_id))
            case protocol.SessionEnded():
                self._ended_status = message.status
                self._session_id = message.session_id or self._session_id
        self.conversation.on_message(message)

    def _on_up(self) -> None:
        self._ever_up = True
        self._outage_told.clear()
        self._failure = None
        self._ended_status = ""
        self.conversation.on_up()
        if self._settings.ptt == "open":
            self.devices.speak()  # no key will tell a file when to begin

    def _on_lost(self, error: SelamError) -> None:
        self._failure = error
        if error.reason not in self._outage_told:  # each reason once an outage, however often it is met
            self._outage_told.add(error.reason)
            self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
        self.conversation.on_lost()

    def _on_final(self, error: SelamError) -> None:
        """The connection ended for good; the face stays where the user may read why and do something about it."""
        self.conversation.on_lost()
        if isinstance(error, SessionOver) and self._attempts is None:
            self._on_session_over(error)
            return
        self._failure = error
        self.conversation.close_microphone()
        if isinstance(error, (AccessRefused, ServiceError, ProxyRefused)) and self._attempts is None:
            self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
            self.conversation.rest("refused")
        else:
            self.fail(error)

    def _on_session_over(self, over: SessionOver) -> None:
        """The server has ended the session: a user who talks or waits goes on in a new one, else none is started."""
        self._emit(events.Notice("session_over", "info", over.reason, over.remedy))
        if self.conversation.unanswered:
            self._connect_again()
        else:
            self.conversation.rest(over.why)

    def _connect_again(self) -> None:
        self._outage_told.clear()
        self.conversation.on_connecting_again()
        self._start_link()

    def _wake(self) -> None:
        """The user does something: try at once, and begin a session anew where the server had ended the last one.

        A refusal is left alone: what was refused is refused again.
        """
        if self._link is None:
            return
        if self._link_task is not None and not self._link_task.done():
            self._link.hurry()
        elif self.conversation.state.connection.ended_for not in {"", "refused"}:
            self._connect_again()

    def _on_malformed(self, error: MalformedPayload) -> None:
        if (error.event, error.problem) in self._malformed_told or len(self._malformed_told) > 20:
            return
        self._malformed_told.add((error.event, error.problem))
        self._emit(
            events.Notice(
                "malformed_payload", "warning", f"The server sent something unreadable ({error}).", "It is ignored."
            )
        )

    def _on_flood(self, kind: str) -> None:
        if kind not in self._floods_told:
            self._floods_told.add(kind)
            sentence = f"The server sends so much of one kind ({kind}) that nobody could read it."
            self._emit(events.Notice("flood", "warning", sentence, "What is too much of it is passed over."))

    # --- commands -----------------------------------------------------------------------------------------------------

    def execute(self, command: Command) -> None:
        """Carry a command out; one that carries an id is answered by an `ack`. After `quit` none is carried out."""
        if self._quit.is_set():
            if command.id is not None:
                self._emit(events.Ack(command.id, ok=command.verb is Verb.QUIT, message=""))
            return
        try:
            outcome = self._EXECUTE[command.verb](self, command)
        except SelamError as error:
            self._answer(command, error)
        else:
            if outcome is None:
                self._confirm(command)
            else:
                self._spawn(self._answer_later(command, outcome))

    async def _answer_later(self, command: Command, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SelamError as error:
            self._answer(command, error)
        else:
            self._confirm(command)

    def _confirm(self, command: Command) -> None:
        if command.id is not None:
            self._emit(events.Ack(command.id, ok=True, message=""))

    def refuse(self, error: UsageFault, command_id: int | str | None) -> None:
        """Answer a line that is no command."""
        self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
        if command_id is not None:
            self._emit(events.Ack(command_id, ok=False, message=error.reason))

    def _answer(self, command: Command, error: SelamError) -> None:
        self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
        if command.id is not None:
            self._emit(events.Ack(command.id, ok=False, message=error.reason))

    def _press(self, command: Command) -> None:
        self._wake()
        self.devices.speak()
        self.conversation.press(command.at or time.monotonic())

    def _release(self, command: Command) -> None:
        self.conversation.release(command.at or time.monotonic(), within_s=command.within_s)

    def _listen(self, command: Command) -> None:
        self._wake()
        self.conversation.control(Action.START_LISTENING if command.switched_on else Action.STOP_LISTENING)

    def _replay(self, _: Command) -> None:
        if not self.conversation.replay():
            raise UsageFault("There is no reply to play again now.", "Wait for an answer first.")

    def _resend(self, _: Command) -> None:
        self._wake()
        if not self.conversation.resend():
            raise UsageFault("There is no kept speech that could be sent now.", "Speak, or wait for the connection.")

    def _retry(self, _: Command) -> None:
        if self._link is not None and self._link_task is not None and not self._link_task.done():
            self._link.hurry()
        elif not self._switching:
            self._failure = None
            self._connect_again()

    def _voice(self, command: Command) -> None:
        self.conversation.update(voice=catalog.voice_name(command.argument))
        self._warn_of_mismatch()
        self._new_session_soon()

    def _language(self, command: Command) -> None:
        is_auto = command.argument.casefold() == catalog.AUTO
        code = None if is_auto else catalog.language_code(command.argument)
        if code is None and not is_auto:
            said = command.argument[:40]
            raise UsageFault(f"There is no language {said!r}.", f"Say {catalog.AUTO}, {catalog.LISTED}.")
        self.conversation.update(language=code)
        self._warn_of_mismatch()
        self._new_session_soon()

    def _set_instructions(self, command: Command) -> None:
        if len(command.argument) > protocol.MAX_INSTRUCTIONS:
            raise UsageFault(f"Instructions have at most {protocol.MAX_INSTRUCTIONS} characters.", "Shorten them.")
        self._instructions = command.argument or None
        self._new_session_soon()

    def _vad_threshold(self, command: Command) -> None:
        self.conversation.update(vad_threshold=command.number)
        self._new_session_soon()

    def _interrupt_threshold(self, command: Command) -> None:
        self.conversation.update(interrupt_threshold=command.number)
        self._new_session_soon()

    def _list_devices(self, command: Command) -> None:
        # Its `ack` says that the system is being asked; what comes of that is emitted without the id.
        self._spawn(self._answer_later(replace(command, id=None), self._tell_devices()))

    def _calibrate(self, _: Command) -> None:
        self._calibration.begin()

    def _set_levels(self, command: Command) -> None:
        if self._levels is not None:
            self._levels.cancel()
            self._levels = None
        if command.switched_on:
            self._tell_level()

    def _switch(self, _: Command) -> None:
        if not self._switching:  # twice in a row would make two connections, one of them without an owner
            self._switching = True
            self._spawn(self._switch_to_local())

    _EXECUTE: Final[dict[Verb, Callable[[VoiceEngine, Command], Coroutine[Any, Any, None] | None]]] = {
        Verb.PRESS: _press,
        Verb.RELEASE: _release,
        Verb.DISCARD: lambda self, _: self.conversation.discard(),
        Verb.INTERRUPT: lambda self, _: self.conversation.interrupt(),
        Verb.LISTEN: _listen,
        Verb.PAUSE: lambda self, _: self.conversation.control(Action.PAUSE),
        Verb.RESUME: lambda self, _: self.conversation.control(Action.RESUME),
        Verb.REPLAY: _replay,
        Verb.RESEND: _resend,
        Verb.RETRY: _retry,
        Verb.VOICE: _voice,
        Verb.LANGUAGE: _language,
        Verb.INSTRUCTIONS: _set_instructions,
        Verb.VAD_THRESHOLD: _vad_threshold,
        Verb.INTERRUPT_THRESHOLD: _interrupt_threshold,
        Verb.MICROPHONE: lambda self, command: self.devices.change_microphone(expanded_name(command.argument)),
        Verb.SPEAKER: lambda self, command: self.devices.change_speaker(expanded_name(command.argument)),
        Verb.VOLUME: lambda self, command: self.conversation.set_volume(command.number),
        Verb.MUTE: lambda self, command: self.conversation.mute(on=command.switched_on),
        Verb.CUES: lambda self, command: self.conversation.switch_cues(on=command.switched_on),
        Verb.DEVICES: _list_devices,
        Verb.CALIBRATE: _calibrate,
        Verb.LEVELS: _set_levels,
        Verb.SWITCH: _switch,
        Verb.QUIT: lambda self, _: self.quit(),
    }

    # --- what takes a while -------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_devices(self) -> None:
        # A fresh process: PortAudio freezes its list of devices when it starts.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "selam_cli", "devices", "--json",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            listed, _ = await process.communicate()
        finally:
            if process.returncode is None:  # it waits for a sound server that hangs, and nothing waits for it any more
                process.kill()
                await process.wait()
        try:
            found = json.loads(listed) if process.returncode == 0 else {"inputs": [], "outputs": []}
        except ValueError:
            found = {"inputs": [], "outputs": []}
        self._emit(events.Devices(found["inputs"], found["outputs"]))
        if process.returncode == DeviceError.exit_code:
            raise no_answer("while devices were listed", ANSWER_WITHIN_S)

    async def _switch_to_local(self) -> None:
        await self._close_link()
        self._switching = False
        if self._quit.is_set():
            return
        self._target = ServerTarget("embedded", "")
        self._failure = None
        self._status = 0
        self.conversation.update(connection=ConnectionInfo(server=self._target.shown, kind="embedded"))
        self._connect_again()

    def _tell_level(self) -> None:
        meter = self.conversation.capture.meter
        self._emit(
            events.Level(
                round(meter.dbfs, 1), round(meter.peak_dbfs, 1), meter.clipped, round(self._player.level_dbfs, 1)
            )
        )
        self._levels = asyncio.get_running_loop().call_later(LEVEL_EVERY_S, self._tell_level)

    def _new_session_soon(self) -> None:
        """A session is started with its settings, so new ones need a new session: after the turn, one for all."""
        self._restart_wanted = True
        if self._restarting is not None:
            self._restarting.cancel()
        self._restarting = asyncio.get_running_loop().call_later(RESTART_AFTER_S, self._restart_if_idle)

    def _restart_if_idle(self) -> None:
        self._restarting = None
        if not self._restart_wanted or self._link is None or self.conversation.state.stage is not TurnStage.IDLE:
            return
        self._restart_wanted = False
        if self.conversation.state.connection.ended_for:
            self._connect_again()  # another voice or key may not be refused
        else:
            self._spawn(self._link.restart())

    def _on_moment(self, moment: Moment) -> None:
        if moment is Moment.TURN_ENDS and self._restart_wanted and self._restarting is None:
            self._restarting = asyncio.get_running_loop().call_later(0, self._restart_if_idle)

    def _tell_of_missing_key(self) -> None:
        credentials = self._target.credentials
        if credentials.problem:
            self._emit(events.Notice("key_problem", "warning", credentials.problem, credentials.remedy))
        if self._target.kind == "embedded" and not self._settings.local:
            sentence = "No API key is known, so you talk with the embedded agent on this machine."
            remedy = "Run selam-voice login, or set SELAM_API_KEY, to talk with the hosted one."
            self._emit(events.Notice("no_key", "info", sentence, remedy))

    def _warn_of_mismatch(self) -> None:
        warning = catalog.mismatch(self.conversation.state.voice, self.conversation.state.language)
        if warning:
            self._emit(events.Notice("voice_mismatch", "warning", warning, "It goes on as it is."))


def _program_failed() -> SelamError:
    return SelamError("The program failed.", "Run it with SELAM_DEBUG=1 and report what the log says.")
