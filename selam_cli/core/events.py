"""The lines that the engine writes: one frozen dataclass an event, and the codec that both ends use.

Every face of the product — the screen, `talk --json`, a script — is built on these and on nothing else.
docs/json-lines.md promises their names and fields, so they change only with a line in CHANGELOG.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Final, TypeVar

from selam_cli.core.plain_text import plain_json
from selam_cli.core.redaction import Redactor
from selam_cli.core.session import ConnectionInfo, MicrophoneState, Phase, SessionState

PROTOCOL_VERSION: Final = 1

_Part = TypeVar("_Part", ConnectionInfo, MicrophoneState)


@dataclass(frozen=True, slots=True)
class Event:
    """One line. `name` is what stands in its `event` field."""

    name: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Hello(Event):
    """The first line: which version of these lines is spoken, and by which version of the program."""

    name: ClassVar[str] = "hello"
    protocol: int
    version: str


@dataclass(frozen=True, slots=True)
class Connecting(Event):
    """A connection is being tried; `server` holds no key."""

    name: ClassVar[str] = "connecting"
    server: str


@dataclass(frozen=True, slots=True)
class Connected(Event):
    """The server's greeting; `again` after a reconnection."""

    name: ClassVar[str] = "connected"
    sid: str
    voice: str
    message: str
    again: bool


@dataclass(frozen=True, slots=True)
class SessionStarted(Event):
    """The agent is ready to listen."""

    name: ClassVar[str] = "session_started"
    session_id: str | None


@dataclass(frozen=True, slots=True)
class TalkStarted(Event):
    """The microphone's sound goes out from here on."""

    name: ClassVar[str] = "talk_started"
    turn: int


@dataclass(frozen=True, slots=True)
class TalkEnded(Event):
    """The utterance is complete; `seconds` of speech were in it."""

    name: ClassVar[str] = "talk_ended"
    turn: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Transcription(Event):
    """What was understood, as the server says it: the next revises one that is not final, and follows one that is."""

    name: ClassVar[str] = "transcription"
    turn: int
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Response(Event):
    """The whole answer so far."""

    name: ClassVar[str] = "response"
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Audio(Event):
    """Chunks of the reply's sound so far; at most ten a second."""

    name: ClassVar[str] = "audio"
    turn: int
    chunks: int


@dataclass(frozen=True, slots=True)
class AudioEnd(Event):
    """The reply's sound has arrived: `total_chunks` as the server counts, `seconds` as decoded."""

    name: ClassVar[str] = "audio_end"
    turn: int
    total_chunks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The reply was cut off; `heard_seconds` of it had sounded.

    `heard_text` is the beginning of the turn's text that had been said by then, an estimate in whole words; null where
    there is no text, or where a reply was only played again.
    """

    name: ClassVar[str] = "interrupted"
    turn: int
    heard_seconds: float
    heard_text: str | None = None


@dataclass(frozen=True, slots=True)
class TurnEnded(Event):
    """The exchange is over: answered, interrupted, discarded or failed."""

    name: ClassVar[str] = "turn_ended"
    turn: int
    outcome: str


@dataclass(frozen=True, slots=True)
class ControlAck(Event):
    """The server acknowledged a control action."""

    name: ClassVar[str] = "control_ack"
    action: str
    status: str


@dataclass(frozen=True, slots=True)
class UtteranceOutcome(Event):
    """What became of what was said: sent, resent, kept or discarded."""

    name: ClassVar[str] = "utterance"
    turn: int
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Reconnecting(Event):
    """The connection is lost; the next attempt comes in `in_seconds`."""

    name: ClassVar[str] = "reconnecting"
    attempt: int
    in_seconds: float


@dataclass(frozen=True, slots=True)
class ErrorRaised(Event):
    """Something failed; `fatal` means that the program ends because of it."""

    name: ClassVar[str] = "error"
    type: str
    message: str
    remedy: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something a user would want to know; `severity` is info or warning."""

    name: ClassVar[str] = "notice"
    code: str
    severity: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """The whole state at once, so that a face that missed a line is never wrong for long."""

    name: ClassVar[str] = "state"
    phase: Phase
    turn: int
    connection: ConnectionInfo
    voice: str
    language: str | None
    vad_threshold: int
    interrupt_threshold: int
    listening: bool
    paused: bool
    muted: bool
    volume: int
    microphone: MicrophoneState
    speaker: str
    user_text: str
    reply_text: str
    queued_seconds: float
    kept_seconds: float
    dropped_seconds: float = 0.0
    """Seconds of an open microphone's sound that a slow connection left no room for, in all."""
    processing: tuple[str, ...] = ()
    """What is done to the microphone's sound, by the names of the settings."""

    @classmethod
    def of(cls, state: SessionState) -> StateChanged:
        """Take the fields of a state line from the engine's snapshot."""
        shared = {f.name: getattr(state, f.name) for f in fields(cls)}
        return cls(**shared)


@dataclass(frozen=True, slots=True)
class Level(Event):
    """Loudness in dBFS (RMS of the last 50 ms; the peak holds a while); only after `levels on`."""

    name: ClassVar[str] = "level"
    input_dbfs: float
    peak_dbfs: float
    clipped: bool
    output_dbfs: float


@dataclass(frozen=True, slots=True)
class Playout(Event):
    """How the reply's playing goes: heard so far, buffered, the buffer's aim, and breaks."""

    name: ClassVar[str] = "playout"
    turn: int
    heard_seconds: float
    buffered_ms: float
    target_ms: float
    breaks: int


@dataclass(frozen=True, slots=True)
class Latency(Event):
    """Times of one turn in ms, null where not (yet) measured; the last three from the end of speech."""

    name: ClassVar[str] = "latency"
    turn: int
    press_to_wire_ms: float | None = None
    transcription_ms: float | None = None
    response_ms: float | None = None
    audio_ms: float | None = None
    rtt_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Devices(Event):
    """Microphones and speakers, each an object with the fields that `devices --json` gives."""

    name: ClassVar[str] = "devices"
    inputs: list[dict[str, object]] = field(default_factory=list)
    outputs: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ack(Event):
    """The answer to a command that carried an id."""

    name: ClassVar[str] = "ack"
    id: int | str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """The last event of a conversation."""

    name: ClassVar[str] = "session_ended"
    session_id: str | None
    status: str


_OPTIONAL: Final = frozenset({"opening", "stalled", "ended_for"})

_KINDS: Final[dict[str, type[Event]]] = {
    kind.name: kind
    for kind in list(vars().values())
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}

MERGEABLE: Final = frozenset({StateChanged, Level, Playout})
"""Under load the newest of these stands for all before it; nothing else is ever dropped."""


_SPEECH: Final = frozenset({"text", "user_text", "reply_text", "heard_text"})
"""The fields that hold what the user or the agent said."""


def to_line(event: Event, t: float, redactor: Redactor | None = None) -> str:
    """Return the event as one JSON line without its line end; `t` is in seconds since the program's start.

    Every text passes the redactor before it becomes JSON: a server may say a key back. What would steer a terminal is
    escaped as JSON does it, so that no character is lost.
    """
    plain = _plain(event) if redactor is None else _redacted(_plain(event), redactor)
    return plain_json({"event": event.name, "t": round(t, 4), **plain})


def _redacted(plain: Mapping[str, object], redactor: Redactor) -> dict[str, object]:
    return {
        name: _hidden(value, redactor.speech if name in _SPEECH else redactor.line) for name, value in plain.items()
    }


def _hidden(value: object, hide: Callable[[str], str]) -> object:
    match value:
        case Phase():
            return value
        case str():
            return hide(value)
        case dict():
            return {name: _hidden(inner, hide) for name, inner in value.items()}
        case list() | tuple():
            return [_hidden(inner, hide) for inner in value]
    return value


def from_line(line: str) -> tuple[float, Event] | None:
    """Read one line; None for an event of a later version. Raises ValueError for what is no such line."""
    parsed = json.loads(line)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("t"), (int, float)):
        raise ValueError("not an event line")  # noqa: TRY004  # one kind of error for every unreadable line
    kind = _KINDS.get(parsed.get("event", ""))
    if kind is None:
        return None
    known = {f.name: parsed[f.name] for f in fields(kind) if f.name in parsed}
    if kind is StateChanged:
        known["phase"] = Phase(known["phase"])
        known["connection"] = _nested(ConnectionInfo, known["connection"])
        known["microphone"] = _nested(MicrophoneState, known["microphone"])
        known["processing"] = tuple(known.get("processing", ()))
    try:
        return float(parsed["t"]), kind(**known)
    except TypeError as error:
        raise ValueError(f"a field is missing: {error}") from error


def _plain(event: Event) -> dict[str, object]:
    return {f.name: _value(getattr(event, f.name)) for f in fields(event)}


def _value(value: object) -> object:
    if not isinstance(value, (ConnectionInfo, MicrophoneState)):
        return value
    nested = {f.name: getattr(value, f.name) for f in fields(value)}
    # Optional fields: each stands there while it says something.
    return {name: part for name, part in nested.items() if part or name not in _OPTIONAL}


def _nested(kind: type[_Part], parsed: Mapping[str, object]) -> _Part:
    return kind(**{f.name: parsed[f.name] for f in fields(kind) if f.name in parsed})  # type: ignore[arg-type]  # JSON
