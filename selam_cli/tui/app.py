"""The screen: takes the engine's events, shows them, and hands the user's keys on.

Nothing of the conversation is decided here. The engine's lines come in a thread, wait in the inbox, and are drawn at
most thirty times a second; the talk key goes from the keyboard's thread to the engine without passing through here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Key
from textual.message import Message
from textual.screen import Screen

from selam_cli.core import events
from selam_cli.core.outside_text import variable
from selam_cli.core.plain_text import plain, plain_line
from selam_cli.core.push_to_talk import KeyAction, Mode, PushToTalk, Step
from selam_cli.core.redaction import Redactor, secrets_of_environment
from selam_cli.core.session import Phase
from selam_cli.keyboard.drivers import driver_class
from selam_cli.keyboard.multiplexer import may_be_far
from selam_cli.keyboard.surroundings import forget_inherited_colours
from selam_cli.keyboard.talk_key import Edge, TalkKey
from selam_cli.logs.log_file import DEBUG_VARIABLE, add_to_log
from selam_cli.logs.redacting import redacted_traceback
from selam_cli.tui import gc_control, labels, shutdown
from selam_cli.tui.bars import KeyBar, SmallBar, TalkBar, TopBar
from selam_cli.tui.control_pane import ControlPane
from selam_cli.tui.conversation import ResponsePane, TranscriptionPane
from selam_cli.tui.engine import Engine
from selam_cli.tui.inbox import Inbox
from selam_cli.tui.options import ScreenOptions
from selam_cli.tui.session_overrides import Chosen
from selam_cli.tui.sheet import Sheet
from selam_cli.tui.state import (
    CommandSent,
    EngineExited,
    EngineRestarted,
    Moment,
    ScreenState,
    TalkKeyChanged,
    aged,
    first_state,
    reduced,
)
from selam_cli.tui.theme import dress, dress_for_terminal
from selam_cli.tui.timers import TimelyApp

if TYPE_CHECKING:
    from selam_cli.tui.settings_sheet import Choices

__all__ = ["ScreenOptions", "SelamScreen", "run"]

FRAME_S: Final = 1 / 30
_LOOK_EVERY_S: Final = 0.25
_VOLUME_STEP: Final = 5
_REFUSALS: Final = frozenset({"muted", "ended"})
"""Notices that say that the engine did not take a press."""

_OPENING_SHEETS: Final = frozenset({"settings", "devices", "help"})

_BUSY: Final = frozenset({Phase.LISTENING, Phase.SPEAKING})


def moment() -> Moment:
    """Return now, by the monotonic clock and the one on the wall."""
    return Moment(time.monotonic(), time.strftime("%H:%M:%S"))


class Arrived(Message):
    """Something waits in the inbox."""


class FrameDue(Message):
    """The time has come to draw what waits."""


class SelamScreen(TimelyApp):
    """The Textual app; its result is the process's exit status."""

    TITLE = "Selam Voice"
    CSS_PATH = "selam.tcss"
    ENABLE_COMMAND_PALETTE = False
    # Textual declares these two as an instance's, so they cannot be marked as the class's.
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (40, "-narrow"), (72, "-medium"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (15, "-low"), (22, "-tall")]  # noqa: RUF012
    # The parser names letters in lower case, and keys by their place where a layout has no such letter.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave(0)", "Quit"),
        Binding("ctrl+q", "leave(0)", "Quit", priority=True),
        Binding("ctrl+c", f"leave({shutdown.INTERRUPTED})", "Quit", priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", priority=True),
        Binding("i", "tell('interrupt')", "Interrupt"),
        Binding("l", "tell('listen', 'on')", "Start listening"),
        Binding("k", "tell('listen', 'off')", "Stop listening"),
        Binding("p", "tell('pause')", "Pause"),
        Binding("o", "tell('resume')", "Resume"),
        Binding("a", "tell('replay')", "The answer again"),
        Binding("r", "tell('resend')", "Resend"),
        Binding("t", "try_again", "Try again"),
        Binding("e", "tell('switch', 'local')", "Embedded agent"),
        Binding("m", "mute", "Mute"),
        Binding("plus,equals_sign", "louder(1)", "Louder"),
        Binding("minus", "louder(-1)", "Softer"),
        # At once, in the order of the keys: what is typed next, Escape too, is for the sheet that opens.
        Binding("s", "settings", "Settings", priority=True),
        Binding("d", "devices", "Devices", priority=True),
        Binding("y", "latency", "Latency"),
        Binding("c", "screen.copy_text", "Copy"),
        Binding("question_mark", "help", "Help", priority=True),
    ]

    def __init__(
        self,
        engine: Engine,
        options: ScreenOptions,
        *,
        now: Callable[[], Moment] = moment,
        departures: shutdown.Departures | None = None,
        collector: gc_control.QuietCollector | None = None,
    ) -> None:
        self.talk_key = TalkKey(
            PushToTalk(Mode(options.ptt), max_talk_s=options.max_talk_s, far=may_be_far(os.environ)),
            options.talk_key,
            self.command,
            self._talk_changed,
        )
        self.talk_key.on_closed = self._on_unattended
        forget_inherited_colours(os.environ)
        super().__init__(driver_class=driver_class(self.talk_key))
        dress(self)
        self._engine = engine
        self._now = now
        self._departures = departures
        self._inbox = Inbox(self._on_first)
        self._next_frame_at = 0.0
        self._collector = collector
        self._chosen = Chosen()
        self._instructions = options.instructions or ""
        self._resend_within_s = options.resend_within_s
        self.state: ScreenState = first_state(options)
        self.failure: Exception | None = None
        self._transcription = TranscriptionPane()
        self._response = ResponsePane()
        self._bars = (
            TopBar(self.state, id="top"),
            TalkBar(self.state, self.talk_key.place_button, clock=lambda: self._now().monotonic_s),
            KeyBar(self.state, id="keys"),
            SmallBar(self.state, id="small"),
        )
        self._control = ControlPane(self.state)

    # --- life ---------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The panes between the bars."""
        top, talk, keys, small = self._bars
        yield top
        with Container(id="body"):
            with Container(id="talked"):
                yield self._transcription
                yield self._response
            yield self._control
        yield talk
        yield keys
        yield small

    def on_mount(self) -> None:
        """Begin to listen to the engine."""
        dress_for_terminal(self)
        self._response.focus()
        if self._departures is not None:
            self._departures.attend(asyncio.get_running_loop(), self.action_leave)
        self._attend_to_engine()
        self.set_interval(_LOOK_EVERY_S, self._look)
        if not self.talk_key.directly_fed:
            self.set_interval(FRAME_S, lambda: self.talk_key.tick(time.monotonic()))

    def _attend_to_engine(self) -> None:
        self._engine.listen(self._hear, self._on_engine_gone)
        self._engine.send("levels", "on")

    def action_leave(self, status: int) -> None:
        """Close the microphone, have the engine end the session, and restore the terminal meanwhile."""
        if self._departures is not None:
            self._departures.begin(status)
        self.talk_key.close(time.monotonic())
        self._engine.send("quit")
        self.exit(status, status)

    @property
    def engine_words(self) -> str:
        """What the engine said to standard error at its very start."""
        return self._engine.last_words

    def on_keyboard_gone(self) -> None:
        """No key can be pressed any more."""
        self.action_leave(shutdown.HUNG_UP)

    def _handle_exception(self, error: Exception) -> None:
        # Textual's own hook. What is printed of it is left to `run`: a user gets sentences, not a traceback.
        self.failure = error
        super()._handle_exception(error)
        self._exit_renderables.clear()  # Textual's own traceback shows every local variable, and those may hold a key

    # --- from the engine ----------------------------------------------------------------------------------------------

    def _hear(self, _: float, event: events.Event) -> None:
        """Take an event, in the engine's thread: the talk key's part in it must not wait for a busy screen."""
        match event:
            case events.Ack(id=int() as answered):
                self.talk_key.on_answered(answered, time.monotonic())
            case events.TalkEnded():
                self.talk_key.on_talk_ended(time.monotonic())
            case events.Notice(code=code) if code in _REFUSALS:
                self.talk_key.on_refused()
            case events.StateChanged(phase=phase, listening=listening, muted=muted):
                self.talk_key.on_state(phase, listening=listening, muted=muted)
        self._inbox.put(event)

    def _on_engine_gone(self, status: int) -> None:
        """Take its end, in its thread."""
        self.talk_key.on_engine_gone(time.monotonic())
        self._inbox.put(EngineExited(status))

    def _on_first(self) -> None:
        self.post_message(Arrived())

    def on_arrived(self) -> None:
        """Draw what came, or wait until the next frame is due."""
        wait_s = self._next_frame_at - time.monotonic()
        if wait_s > 0:
            # The loop's own timer: Textual's never calls back where its time has passed before it begins to wait, as
            # it has with less than about half a microsecond (Textual 8.2.8, `Timer._run` with `skip`).
            asyncio.get_running_loop().call_later(wait_s, self.post_message, FrameDue())
        else:
            self._draw()

    def on_frame_due(self) -> None:
        """Draw what has come meanwhile."""
        self._draw()

    def _draw(self) -> None:
        self._next_frame_at = time.monotonic() + FRAME_S
        now, state = self._now(), self.state
        with self.batch_update():
            for item in self._inbox.take():
                state = reduced(state, item, now)
                if isinstance(item, events.Event):
                    self._take_line(item)
                elif isinstance(item, EngineExited):
                    self._on_engine_exited(state)
            self._show(state)

    def _take_line(self, event: events.Event) -> None:
        self._transcription.on_line(event)
        self._response.on_line(event)
        match event:
            case (
                events.Devices()
                | events.StateChanged()
                | events.Notice(code="calibrated")
                | events.ErrorRaised(type="device_error")
            ):
                self._tell_sheet(event)

    def _on_engine_exited(self, state: ScreenState) -> None:
        if not self.is_running:
            return
        if self._departures is not None:
            self._departures.guard()
        if state.fatal is not None and not self._response.texts:
            self.action_leave(0)  # nothing was said that the user would want to read; `run` says why
            return
        said = plain_line(self._engine.last_words)
        lost = "The speech that was kept is lost." if state.session.kept_seconds else ""
        ended = f"The engine has ended ({labels.end_of_process(state.exit_status or 0)}). {said} {lost}".strip()
        # The engine itself could not log it, if it was killed.
        add_to_log("screen", ended, Redactor.of(secrets_of_environment(os.environ)))
        self._transcription.tell("error", ended, "The text stays readable; t starts it again, q leaves.")

    def _show(self, state: ScreenState) -> None:
        self.state = state
        for bar in self._bars:
            bar.show(state)
        self._control.show(state)

    def _look(self) -> None:
        if self._inbox and time.monotonic() > self._next_frame_at + _LOOK_EVERY_S:
            self._draw()  # whatever was to say that something waits got lost
        now = self._now()
        self._show(aged(self.state, now))
        self.talk_key.look(now.monotonic_s)
        self._close_unheard(now)
        if self._collector is not None and self.state.phase not in _BUSY and not self.talk_key.talking:
            self._collector.on_quiet(now.monotonic_s)

    def _close_unheard(self, now: Moment) -> None:
        """Close a latched microphone, which no key holds, when the connection was away too long for sending by itself.

        A held key goes on recording: what it says is kept.
        """
        if self.talk_key.latched and self.state.unheard_s(now) > self._resend_within_s:
            self.talk_key.stop(now.monotonic_s)
            self._transcription.tell(
                "warning",
                "The connection is lost, so the open microphone was closed.",
                "What you said is kept: r sends it.",
            )

    # --- from the user ------------------------------------------------------------------------------------------------

    def command(self, verb: str, argument: str = "", command_id: int | None = None) -> None:
        """Send the engine a command, from any thread, and let the screen know."""
        self._engine.send(verb, argument, command_id)
        self._chosen.note(verb, argument)
        self._inbox.put(CommandSent(verb, argument))

    def _talk_changed(self, key: TalkKey, step: Step | None) -> None:
        nearly_over = step is not None and step.action is KeyAction.WARN
        self._inbox.put(TalkKeyChanged(key.talking, key.latched, key.release_told, nearly_over))

    def _on_unattended(self, why: str) -> None:
        """Say why the microphone was closed, in the keyboard's thread: the screen's may wait for a link that stalls."""
        told = f"{why}, so the microphone was closed."
        self._inbox.put(events.Notice("unattended", "warning", told, "What was said until then is sent."))

    def on_key(self, event: Key) -> None:
        """Take the talk key and Escape where the driver does not hear them itself."""
        if not self.talk_key.directly_fed:
            self.talk_key.on_edge(event.key, Edge.PRESS, time.monotonic())

    def on_app_blur(self) -> None:
        """The terminal lost the focus."""
        if not self.talk_key.directly_fed:
            self.talk_key.on_focus(focused=False, at=time.monotonic())

    def action_tell(self, verb: str, argument: str = "") -> None:
        """Send a command that a key stands for."""
        self.command(verb, argument)

    def action_try_again(self) -> None:
        """Try to connect now, or start an engine that has ended."""
        if self.state.exit_status is None:
            self.command("retry")
            return
        try:
            self._engine.restart(self._chosen.options)
        except OSError as error:  # no memory, no process to be had
            self._transcription.tell("error", f"The engine cannot be started: {error}.", "t tries it again.")
            return
        if self._departures is not None:
            self._departures.unguard()
        self._show(reduced(self.state, EngineRestarted(), self._now()))
        self.talk_key.on_engine_back()
        self._attend_to_engine()
        for verb, argument in self._chosen.commands:
            self._engine.send(verb, argument)
        self._transcription.begin_anew()

    def action_mute(self) -> None:
        """Switch the microphone's muting."""
        self.command("mute", "off" if self.state.session.muted else "on")

    def action_louder(self, steps: int) -> None:
        """Change the volume."""
        self.command("volume", str(max(0, min(100, self.state.volume + steps * _VOLUME_STEP))))

    def action_latency(self) -> None:
        """Show or hide the latencies."""
        self._show(replace(self.state, latency_shown=not self.state.latency_shown))

    # --- sheets: while one is open, the talk key only types -----------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let the keys that open a sheet be typed in one: Textual asks an app's priority keys there, too."""
        return False if action in _OPENING_SHEETS and self.screen.is_modal else super().check_action(action, parameters)

    def _open(self, sheet: Screen[Any], then: Callable[[Any], None] = lambda _: None) -> None:
        self.talk_key.allow(allowed=False, now=time.monotonic())

        def closed(outcome: Any) -> None:
            self.talk_key.allow(allowed=True, now=time.monotonic())
            then(outcome)

        self.push_screen(sheet, closed)

    def action_help(self) -> None:
        """Open the help."""
        from selam_cli.tui.help_sheet import HelpSheet  # the first paint does without

        self._open(HelpSheet(self.state.talk, self.state.session.processing))

    def action_settings(self) -> None:
        """Open the settings; what was changed is sent when they close."""
        from selam_cli.tui.settings_sheet import Choices, SettingsSheet  # the first paint does without

        session = self.state.session
        before = Choices(
            session.voice, session.language or "auto", self._instructions,
            str(session.vad_threshold), str(session.interrupt_threshold),
        )  # fmt: skip
        self._open(SettingsSheet(before, lambda: self.command("calibrate")), lambda after: self._apply(before, after))

    def _apply(self, before: Choices, after: Choices | None) -> None:
        from selam_cli.tui.settings_sheet import changes  # loaded with the sheet

        for change in changes(before, after) if after is not None else ():
            self.command(change.verb, change.argument)
            if change.verb == "instructions":
                self._instructions = change.argument

    def action_devices(self) -> None:
        """Open the devices, and have the engine look for them."""
        from selam_cli.tui.devices_sheet import DevicesSheet  # the first paint does without

        session = self.state.session
        self._open(DevicesSheet(session.microphone.name, session.speaker, self.command))
        self.command("devices")

    def _tell_sheet(self, event: events.Event) -> None:
        """Hand what a sheet has asked for to it, if it is still open."""
        if isinstance(self.screen, Sheet):
            self.screen.tell(event)


def run(engine: Engine, options: ScreenOptions) -> int:
    """Show the screen until it is left; return the process's exit status (docs/cli.md)."""
    collector = gc_control.QuietCollector()
    departures = shutdown.Departures(lambda: engine.send("quit"))
    app = SelamScreen(engine, options, departures=departures, collector=collector)
    with departures.installed():
        status = app.run()
        departures.on_left()
        engine_status = engine.close()
    return _last_words(app, status, engine_status)


def _last_words(app: SelamScreen, status: int | None, engine_status: int) -> int:
    """Say on standard error what the screen could not, now that the terminal is restored; return the exit status."""
    if app.failure is not None or status is None:
        redactor = Redactor.of(secrets_of_environment(os.environ))
        reason = redactor.line(f"The screen failed: {type(app.failure).__name__}: {app.failure}.")
        trace = redacted_traceback(app.failure, redactor).rstrip() if app.failure is not None else reason
        if variable(os.environ, DEBUG_VARIABLE) == "1":
            _say(trace)
        kept_in = add_to_log("screen", trace, redactor)
        _say(
            reason,
            f"Report what {kept_in} says." if kept_in else "Run it with SELAM_DEBUG=1 and report what it prints.",
        )
        return 1
    if status:
        return status
    if app.state.fatal is not None:
        _say(app.state.fatal.message, app.state.fatal.remedy)
        return engine_status if engine_status > 0 else 1
    if app.state.exit_status:
        _say(app.engine_words)
        return app.state.exit_status if app.state.exit_status > 0 else 1
    if engine_status > 0:
        # A refusal, or a server that was not there: the user has read it and left, and a script wants to know.
        _say(app.engine_words)
        return engine_status
    return 0


def _say(*sentences: str) -> None:
    sys.stderr.write("".join(f"{plain(sentence)}\n" for sentence in sentences if sentence))
