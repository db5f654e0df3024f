"""What the screen shows, as one frozen state, and `reduced`, the only thing that makes the next one.

The state holds what is true now. What was said is not in it: the text panes keep that history themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from selam_cli.core import events
from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import Action
from selam_cli.core.push_to_talk import Mode
from selam_cli.core.session import ConnectionInfo, MicrophoneState, Phase
from selam_cli.tui.options import ScreenOptions

SILENT: Final = events.Level(input_dbfs=-90.0, peak_dbfs=-90.0, clipped=False, output_dbfs=-90.0)
NO_ANSWER_S: Final = 2.5
"""The engine reports a missing acknowledgement after 2 s; this is for an engine that cannot."""


@dataclass(frozen=True, slots=True)
class CommandSent:
    """A command left for the engine."""

    verb: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class TalkKeyChanged:
    """The talk key's machine moved, or the terminal proved that it reports releases."""

    talking: bool
    latched: bool
    release_told: bool
    nearly_over: bool = False


@dataclass(frozen=True, slots=True)
class EngineExited:
    """The engine's process is gone."""

    status: int


@dataclass(frozen=True, slots=True)
class EngineRestarted:
    """The engine's process was started again, after its end."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, in monotonic seconds and as the wall clock's words (`14:03:22`)."""

    monotonic_s: float
    wall: str


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One control action: since when (monotonic seconds) an answer is awaited, and the last one in words."""

    action: Action
    asked_at: float | None = None
    answer: str = ""

    @property
    def last(self) -> str:
        """The last acknowledgement in words."""
        return "waiting…" if self.asked_at is not None else self.answer


@dataclass(frozen=True, slots=True)
class TalkView:
    """The talk key as the screen shows it."""

    mode: Mode = Mode.AUTO
    key: str = "space"
    release_told: bool = False
    latched: bool = False
    nearly_over: bool = False
    max_talk_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ScreenState:
    """Everything the panes draw, but the history of what was said."""

    session: events.StateChanged
    talk: TalkView
    level: events.Level = SILENT
    playout: events.Playout | None = None
    latency: events.Latency | None = None
    controls: tuple[ControlRow, ...] = field(default_factory=lambda: tuple(ControlRow(action) for action in Action))
    listening_since: float | None = None
    reconnecting: events.Reconnecting | None = None
    lost_since: float | None = None
    fatal: events.ErrorRaised | None = None
    exit_status: int | None = None
    wanted_volume: int | None = None
    latency_shown: bool = False

    @property
    def phase(self) -> Phase:
        """The one word; an engine that is gone has ended, whatever it said last."""
        return Phase.ENDED if self.exit_status is not None else self.session.phase

    @property
    def volume(self) -> int:
        """The volume as last asked for, so that two quick presses are two steps."""
        return self.session.volume if self.wanted_volume is None else self.wanted_volume

    def unheard_s(self, now: Moment) -> float:
        """For how long the user has been talking without a connection; 0 where they do not talk, or there is one."""
        if self.lost_since is None or self.listening_since is None:
            return 0.0
        return now.monotonic_s - max(self.lost_since, self.listening_since)

    @property
    def latched(self) -> bool:
        """Whether the microphone goes on being open with no key held: the engine's word and the key's together."""
        return self.talk.latched and self.phase is Phase.LISTENING


def first_state(options: ScreenOptions) -> ScreenState:
    """Return what is shown until the engine's first line."""
    session = events.StateChanged(
        phase=Phase.CONNECTING,
        turn=0,
        connection=ConnectionInfo(),
        voice=options.voice,
        language=options.language,
        vad_threshold=options.vad_threshold,
        interrupt_threshold=options.interrupt_threshold,
        listening=True,
        paused=False,
        muted=False,
        volume=100,
        microphone=MicrophoneState(),
        speaker="",
        user_text="",
        reply_text="",
        queued_seconds=0.0,
        kept_seconds=0.0,
    )
    talk = TalkView(mode=Mode(options.ptt), key=options.talk_key, max_talk_s=options.max_talk_s)
    return ScreenState(session=session, talk=talk)


def reduced(state: ScreenState, item: object, now: Moment) -> ScreenState:
    """Return the state after an event of the engine or of the screen's own; what it does not know changes nothing."""
    match item:
        case events.StateChanged():
            return _with_session(state, item, now)
        case events.Reconnecting():
            since = now.monotonic_s if state.lost_since is None else state.lost_since
            return replace(state, reconnecting=item, lost_since=since)
        case events.SessionStarted():
            return replace(state, reconnecting=None, lost_since=None)
        case events.Level() | events.Playout() | events.Latency():
            return replace(state, **{item.name: item})  # type: ignore[arg-type]  # a field each, of the event's name
        case events.ControlAck(action=action, status=status):
            return _answered(state, action, f"{now.wall} {plain_line(status)}")
        case events.Notice(code="no_ack", message=message):
            return _unanswered(state, message)
        case events.Notice(code="not_connected"):
            return replace(state, controls=tuple(_given_up(row, "not sent: no session") for row in state.controls))
        case events.ErrorRaised(fatal=True):
            return replace(state, fatal=item)
        case CommandSent(verb=verb, argument=argument):
            return _commanded(state, verb, argument, now)
        case TalkKeyChanged():
            return _with_talk_key(state, item)
        case EngineExited() | EngineRestarted():
            return _with_engine(state, item)
        case _:
            return state


def aged(state: ScreenState, now: Moment) -> ScreenState:
    """Return the state as time alone changes it: an acknowledgement that no longer is to be expected."""
    late = [row for row in state.controls if row.asked_at is not None and now.monotonic_s - row.asked_at > NO_ANSWER_S]
    if not late:
        return state
    return replace(state, controls=tuple(_given_up(row, "no answer") if row in late else row for row in state.controls))


def _with_engine(state: ScreenState, change: EngineExited | EngineRestarted) -> ScreenState:
    """Take its end; or wait for its first line again, with what the user chose."""
    if isinstance(change, EngineExited):
        return replace(state, exit_status=change.status, level=SILENT)
    session = replace(
        state.session, phase=Phase.CONNECTING, connection=ConnectionInfo(), queued_seconds=0.0, kept_seconds=0.0
    )
    return replace(
        state, session=session, exit_status=None, fatal=None, reconnecting=None, lost_since=None, listening_since=None,
        playout=None, controls=tuple(_given_up(row, "not sent: no session") for row in state.controls),
    )  # fmt: skip


def _with_session(state: ScreenState, session: events.StateChanged, now: Moment) -> ScreenState:
    since = state.listening_since
    if session.phase is not Phase.LISTENING:
        since = None
    elif state.session.phase is not Phase.LISTENING or session.turn != state.session.turn:
        since = now.monotonic_s
    reconnecting = state.reconnecting if session.phase in {Phase.RECONNECTING, Phase.LISTENING} else None
    return replace(state, session=session, listening_since=since, reconnecting=reconnecting, wanted_volume=None)


def _with_talk_key(state: ScreenState, change: TalkKeyChanged) -> ScreenState:
    talk = replace(
        state.talk,
        release_told=change.release_told,
        latched=change.latched,
        nearly_over=change.talking and (change.nearly_over or state.talk.nearly_over),
    )
    return replace(state, talk=talk)


_ASKED_BY: Final = {
    ("interrupt", ""): Action.INTERRUPT,
    ("listen", "on"): Action.START_LISTENING,
    ("listen", "off"): Action.STOP_LISTENING,
    ("pause", ""): Action.PAUSE,
    ("resume", ""): Action.RESUME,
}


def _commanded(state: ScreenState, verb: str, argument: str, now: Moment) -> ScreenState:
    if verb == "volume":
        return replace(state, wanted_volume=int(argument))
    asked = _ASKED_BY.get((verb, argument))
    return replace(
        state,
        controls=tuple(
            replace(row, asked_at=now.monotonic_s) if row.action is asked else row for row in state.controls
        ),
    )


def _answered(state: ScreenState, action: str, answer: str) -> ScreenState:
    rows = (ControlRow(row.action, None, answer) if row.action == action else row for row in state.controls)
    return replace(state, controls=tuple(rows))


def _unanswered(state: ScreenState, message: str) -> ScreenState:
    words = message.split()
    rows = (_given_up(row, "no answer") if row.action in words else row for row in state.controls)
    return replace(state, controls=tuple(rows))


def _given_up(row: ControlRow, answer: str) -> ControlRow:
    return row if row.asked_at is None else ControlRow(row.action, None, answer)
