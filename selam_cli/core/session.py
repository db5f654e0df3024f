"""One conversation's state: an immutable snapshot, one table of transitions, and `apply`, the only thing that moves it.

Two facts are kept apart because they change apart: where the turn stands (`TurnStage`) and where the connection stands
(`LinkState`). A person may go on talking while the connection is down, and a reply may go on sounding. What the screen
shows as one word, the `Phase`, follows from both.

A turn is one exchange: it begins when the user starts to talk and ends answered, interrupted, discarded or failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from selam_cli.core import protocol


class Phase(StrEnum):
    """The state of the conversation in one word, as the screen shows it."""

    CONNECTING = "connecting"
    READY = "ready"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"
    RECONNECTING = "reconnecting"
    DISCONNECTED = "disconnected"
    """There is no connection, and none is tried until the user does something."""
    ENDED = "ended"


class TurnStage(StrEnum):
    """Where the current turn stands."""

    IDLE = "idle"
    TALKING = "talking"
    WAITING = "waiting"
    ANSWERING = "answering"


class LinkState(StrEnum):
    """Where the connection stands; UP means that the session is started, not merely that a socket is open."""

    CONNECTING = "connecting"
    UP = "up"
    LOST = "lost"
    RESTING = "resting"
    """Refused, or ended by the server: nothing is tried until the user does something."""
    CLOSED = "closed"


class Trigger(StrEnum):
    """What happens on our side of the conversation; what the server says arrives as its own message."""

    PRESS = "press"
    """The user starts a new turn."""
    CONTINUE = "continue"
    """The user goes on with the utterance that was about to end."""
    RESEND = "resend"
    """An utterance that was kept goes to the server now."""
    RELEASE = "release"
    DISCARD = "discard"
    HEARD = "heard"
    """The server heard speech that no key announced (open microphone)."""
    ANSWER = "answer"
    """The first text or sound of a reply."""
    INTERRUPT = "interrupt"
    FINISH = "finish"
    """The reply is complete and has been played, or nothing more is to come."""
    LOSE = "lose"
    """The connection broke."""
    REST = "rest"
    """There is no connection, and none is tried."""
    CONNECT = "connect"
    """A connection is tried again, because the user did something."""
    CLOSE = "close"


TRANSITIONS: Final[dict[TurnStage, dict[Trigger, TurnStage]]] = {
    TurnStage.IDLE: {
        Trigger.PRESS: TurnStage.TALKING,
        Trigger.HEARD: TurnStage.WAITING,
        Trigger.RESEND: TurnStage.WAITING,
        Trigger.ANSWER: TurnStage.ANSWERING,
    },
    TurnStage.TALKING: {
        Trigger.RELEASE: TurnStage.WAITING,
        Trigger.DISCARD: TurnStage.IDLE,
        Trigger.CLOSE: TurnStage.IDLE,
    },
    TurnStage.WAITING: {
        Trigger.PRESS: TurnStage.TALKING,
        Trigger.CONTINUE: TurnStage.TALKING,
        Trigger.DISCARD: TurnStage.IDLE,
        Trigger.ANSWER: TurnStage.ANSWERING,
        Trigger.INTERRUPT: TurnStage.IDLE,
        Trigger.FINISH: TurnStage.IDLE,
        Trigger.CLOSE: TurnStage.IDLE,
    },
    TurnStage.ANSWERING: {
        Trigger.PRESS: TurnStage.TALKING,
        Trigger.CONTINUE: TurnStage.TALKING,
        Trigger.HEARD: TurnStage.WAITING,
        Trigger.INTERRUPT: TurnStage.IDLE,
        Trigger.FINISH: TurnStage.IDLE,
        Trigger.CLOSE: TurnStage.IDLE,
    },
}
"""Stage → trigger → next stage. What is not listed changes nothing."""

_NEW_TURN: Final = frozenset({Trigger.PRESS, Trigger.HEARD, Trigger.RESEND})

_LINKS: Final = {Trigger.LOSE: LinkState.LOST, Trigger.REST: LinkState.RESTING, Trigger.CONNECT: LinkState.CONNECTING}

_ACKNOWLEDGED: Final[dict[str, dict[str, bool]]] = {
    protocol.Action.START_LISTENING: {"listening": True},
    protocol.Action.STOP_LISTENING: {"listening": False},
    protocol.Action.PAUSE: {"paused": True},
    protocol.Action.RESUME: {"paused": False},
}


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """The server as the screen shows it: `server` redacted, `kind` hosted, embedded or custom, `rtt_ms` when known.

    `stalled`: it has stopped reading what it is sent. `ended_for` says why there is no connection and none is tried:
    `refused`, or what the server gave as its reason (`idle`, `time_limit`, `too_fast`).
    """

    server: str = ""
    kind: str = ""
    sid: str | None = None
    rtt_ms: float | None = None
    stalled: bool = False
    ended_for: str = ""


@dataclass(frozen=True, slots=True)
class MicrophoneState:
    """The microphone in use; `rate_hz` is the device's own, 0 until it is open. `opening`: it is yet to be heard."""

    name: str = ""
    rate_hz: int = 0
    open: bool = False
    opening: bool = False


@dataclass(frozen=True, slots=True)
class SessionState:
    """The whole state of a conversation at one moment; most fields are those of a `state` line."""

    stage: TurnStage = TurnStage.IDLE
    link: LinkState = LinkState.CONNECTING
    turn: int = 0
    connection: ConnectionInfo = field(default_factory=ConnectionInfo)
    voice: str = ""
    language: str | None = None
    vad_threshold: int = protocol.DEFAULT_VAD_THRESHOLD
    interrupt_threshold: int = protocol.DEFAULT_INTERRUPT_THRESHOLD
    listening: bool = True
    paused: bool = False
    muted: bool = False
    volume: int = 100
    microphone: MicrophoneState = field(default_factory=MicrophoneState)
    speaker: str = ""
    user_text: str = ""
    user_final: str = ""
    reply_text: str = ""
    queued_seconds: float = 0.0
    kept_seconds: float = 0.0
    dropped_seconds: float = 0.0
    processing: tuple[str, ...] = ()

    @property
    def phase(self) -> Phase:
        """The one word: talking wins over a lost connection, because the microphone still records."""
        if self.link is LinkState.CLOSED:
            return Phase.ENDED
        if self.stage is TurnStage.TALKING:
            return Phase.LISTENING
        if self.link is not LinkState.UP:
            return _UNCONNECTED[self.link]
        if self.paused:
            return Phase.PAUSED
        return _PHASES[self.stage]


_UNCONNECTED: Final = {
    LinkState.CONNECTING: Phase.CONNECTING,
    LinkState.LOST: Phase.RECONNECTING,
    LinkState.RESTING: Phase.DISCONNECTED,
}

_PHASES: Final = {
    TurnStage.IDLE: Phase.READY,
    TurnStage.TALKING: Phase.LISTENING,
    TurnStage.WAITING: Phase.THINKING,
    TurnStage.ANSWERING: Phase.SPEAKING,
}


def apply(state: SessionState, event: Trigger | protocol.ServerMessage) -> SessionState:
    """Return the state after an event. Pure; an event that means nothing in this state returns the state itself."""
    if isinstance(event, Trigger):
        return _moved(state, event)
    match event:
        case protocol.Connected():
            return replace(state, connection=replace(state.connection, sid=event.sid))
        case protocol.SessionStarted():
            # A session begins listening and not paused, also one that follows a lost connection.
            connection = replace(state.connection, stalled=False, ended_for="")
            return replace(state, link=LinkState.UP, listening=True, paused=False, connection=connection)
        case protocol.Transcription():
            return _understood(state, event)
        case protocol.Response():
            return replace(_moved(state, Trigger.ANSWER), reply_text=joined_reply(state.reply_text, event.text))
        case protocol.ReplyChunk():
            return _moved(state, Trigger.ANSWER)
        case protocol.ControlAck():
            changes = _ACKNOWLEDGED.get(event.action) if event.status == "executed" else None
            return replace(state, **changes) if changes else state  # type: ignore[arg-type]  # the table holds bools for bool fields only
        case _:
            return state


def joined_reply(so_far: str, text: str) -> str:
    """Join a `response` to the turn's text: one that begins with the text so far replaces it, any other is appended.

    Neither grows past MAX_TEXT.
    """
    if text.startswith(so_far):
        return text
    return _joined(so_far, text)


def _moved(state: SessionState, trigger: Trigger) -> SessionState:
    if trigger is Trigger.CLOSE:
        state = replace(state, link=LinkState.CLOSED)
    elif trigger in _LINKS and state.link is not LinkState.CLOSED:
        state = replace(state, link=_LINKS[trigger], connection=replace(state.connection, stalled=False))
    stage = TRANSITIONS[state.stage].get(trigger)
    if stage is None:
        return state
    if trigger in _NEW_TURN:
        return replace(state, stage=stage, turn=state.turn + 1, user_text="", user_final="", reply_text="")
    return replace(state, stage=stage)


def _understood(state: SessionState, transcription: protocol.Transcription) -> SessionState:
    text = _joined(state.user_final, transcription.text)
    return replace(state, user_text=text, user_final=text if transcription.is_final else state.user_final)


def _joined(so_far: str, text: str) -> str:
    if not so_far or not text:
        return so_far or text
    if len(so_far) >= protocol.MAX_TEXT:
        return so_far
    joined = so_far + text if so_far[-1].isspace() or text[0].isspace() else f"{so_far} {text}"
    return joined if len(joined) <= protocol.MAX_TEXT else joined[: protocol.MAX_TEXT - 1] + "…"
