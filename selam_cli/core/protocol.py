"""Every message of the Voice Agent protocol, and the one codec that both ends use.

A message is a frozen dataclass; the codec turns it into a Socket.IO event name with its payload and back. What arrives
is untrusted data: `decode_server` and `decode_client` either return a message, or None for an event that the
protocol does not know, or raise `MalformedPayload` — nothing else, whatever the payload holds.

Source: the service's public guide; where it is silent, the project's own settlement, named at the place.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from selam_cli.core.plain_text import whole_characters

NAMESPACE: Final = "/v1/audio/agent"
HOSTED_SERVER: Final = "wss://api.selamgpt.com"

WIRE_RATE_HZ: Final = 16_000
"""The rate at which a client sends: 16-bit little-endian PCM, mono."""

DEFAULT_VAD_THRESHOLD: Final = 600
DEFAULT_INTERRUPT_THRESHOLD: Final = 8
MAX_VAD_THRESHOLD: Final = 32_767
MAX_INTERRUPT_THRESHOLD: Final = 50
MAX_INSTRUCTIONS: Final = 8_000

MAX_TEXT: Final = 262_144
"""Characters of one text that are kept: no answer is spoken for hours, and a screen has to hold it."""

MAX_MESSAGE: Final = 4_096
"""… of an error's or a greeting's sentence."""

MAX_NAME: Final = 256
"""… of an identity, a voice, a status, an error's type."""

MAX_TRANSCRIPTION: Final = 32_768
"""… of what was understood at a time: no user speaks that long without a pause."""

MAX_AUDIO_BYTES: Final = 8 * 1024 * 1024
"""Bytes of one `audio_chunk` that are accepted: four minutes of PCM16 at 16 kHz."""

ERROR_TYPES: Final = frozenset(
    {"authentication_error", "authorization_error", "validation_error", "session_error", "audio_error"}
)


class MalformedPayload(ValueError):
    """A known event whose payload cannot be read. The text names the event and the field, never the content."""

    def __init__(self, event: str, problem: str) -> None:
        super().__init__(f"{event}: {problem}")
        self.event = event
        self.problem = problem


class Action(StrEnum):
    """What a `control` message may ask for."""

    INTERRUPT = "interrupt"
    START_LISTENING = "start_listening"
    STOP_LISTENING = "stop_listening"
    PAUSE = "pause"
    RESUME = "resume"


# --- client → server --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartSession:
    """Opens the session, once `Connected` has come. `language` None: auto-detect; set: answer in that language."""

    voice: str
    language: str | None = None
    instructions: str | None = None
    vad_threshold: int = DEFAULT_VAD_THRESHOLD
    interrupt_threshold: int = DEFAULT_INTERRUPT_THRESHOLD


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Speech on its way to the agent: PCM16 little-endian, 16 kHz, mono; 100 to 200 ms a chunk."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Control:
    """Asks for one of the five actions. `action` is a plain string where a client sent one that does not exist."""

    action: Action | str


@dataclass(frozen=True, slots=True)
class EndSession:
    """Sent before leaving; the server answers `SessionEnded`."""


ClientMessage = StartSession | AudioChunk | Control | EndSession


# --- server → client --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """The server's greeting in the namespace."""

    sid: str
    voice: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The session is open. Its contents are not promised: `session_id` is None where the server names none."""

    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Transcription:
    """What the user said; one that is not final may be revised by the next."""

    text: str
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """What the agent says; one that begins with the turn's text so far replaces it, any other is appended."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyChunk:
    """A piece of the reply's sound, in a format to be sniffed unless `format` and `sample_rate` (Hz) tell."""

    audio: bytes
    format: str | None = None
    sample_rate: int | None = None


@dataclass(frozen=True, slots=True)
class AudioEnd:
    """The reply's sound is complete. After an interruption `total_chunks` may be 0, or fewer than came."""

    total_chunks: int


@dataclass(frozen=True, slots=True)
class ControlAck:
    """The answer to a `Control`."""

    action: str
    status: str = "executed"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The answer to `EndSession`, or the server's own leave."""

    session_id: str | None = None
    status: str = "ended"


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error of the service, its type one of `ERROR_TYPES` or what else the server says."""

    type: str
    message: str


ServerMessage = (
    Connected
    | SessionStarted
    | Transcription
    | Response
    | ReplyChunk
    | AudioEnd
    | ControlAck
    | SessionEnded
    | ErrorReport
)

Payload = dict[str, object]


# --- encoding ---------------------------------------------------------------------------------------------------------


def encode(message: ClientMessage | ServerMessage) -> tuple[str, Payload | None]:
    """Return the event's name and its payload, as `socketio.emit` takes them; None stands for no payload at all."""
    event, payload = _ENCODERS[type(message)](message)
    return event, payload


def _start_session(message: StartSession) -> tuple[str, Payload]:
    payload: Payload = {
        "voice": message.voice,
        "vad_threshold": message.vad_threshold,
        "interrupt_threshold": message.interrupt_threshold,
    }
    if message.language:
        payload["language"] = message.language
    if message.instructions:
        payload["instructions"] = message.instructions
    return "start_session", payload


def _audio_chunk(message: AudioChunk) -> tuple[str, Payload]:
    return "audio_chunk", {"audio": _base64(message.audio), "format": "pcm16", "sample_rate": WIRE_RATE_HZ}


def _reply_chunk(message: ReplyChunk) -> tuple[str, Payload]:
    payload: Payload = {"audio": _base64(message.audio)}
    if message.format:
        payload["format"] = message.format
    if message.sample_rate:
        payload["sample_rate"] = message.sample_rate
    return "audio_chunk", payload


def _base64(audio: bytes) -> str:
    return base64.b64encode(audio).decode("ascii")


_ENCODERS: Final[dict[type, Callable[..., tuple[str, Payload | None]]]] = {
    StartSession: _start_session,
    AudioChunk: _audio_chunk,
    Control: lambda m: ("control", {"action": str(m.action)}),
    EndSession: lambda _: ("end_session", None),
    Connected: lambda m: (
        "connected",
        {"status": "connected", "sid": m.sid, "voice": m.voice, "message": m.message},
    ),
    SessionStarted: lambda m: ("session_started", {"session_id": m.session_id, "status": "started"}),
    Transcription: lambda m: ("transcription", {"text": m.text, "is_final": m.is_final}),
    Response: lambda m: ("response", {"text": m.text}),
    ReplyChunk: _reply_chunk,
    AudioEnd: lambda m: ("audio_end", {"total_chunks": m.total_chunks}),
    ControlAck: lambda m: ("control_ack", {"action": m.action, "status": m.status}),
    SessionEnded: lambda m: ("session_ended", {"session_id": m.session_id, "status": m.status}),
    ErrorReport: lambda m: ("error", {"type": m.type, "message": m.message}),
}


# --- decoding ---------------------------------------------------------------------------------------------------------


def decode_server(event: str, payload: object = None) -> ServerMessage | None:
    """Read what a server sent; None for an unknown event.

    Raises MalformedPayload, and nothing else, for a known event that cannot be read.
    """
    decoder = _SERVER_DECODERS.get(event)
    return decoder(payload) if decoder else None


def decode_client(event: str, payload: object = None) -> ClientMessage | None:
    """Read what a client sent; None for an unknown event.

    Raises MalformedPayload, and nothing else, for a known event that cannot be read.
    """
    decoder = _CLIENT_DECODERS.get(event)
    return decoder(payload) if decoder else None


def _connected(payload: object) -> Connected:
    fields = _object("connected", payload)
    return Connected(_name(fields, "sid"), _name(fields, "voice"), _text(fields, "message", MAX_MESSAGE))


def _session_started(payload: object) -> SessionStarted:
    fields = payload if isinstance(payload, Mapping) else {}
    return SessionStarted(_first_name(fields, "session_id", "sessionId", "id", "sid"))


def _transcription(payload: object) -> Transcription:
    fields = _object("transcription", payload)
    is_final = fields.get("is_final", True)
    if not isinstance(is_final, bool):
        raise MalformedPayload("transcription", "is_final is neither true nor false")
    return Transcription(_required_text("transcription", fields, "text", MAX_TRANSCRIPTION), is_final)


def _response(payload: object) -> Response:
    return Response(_required_text("response", _object("response", payload), "text"))


def _reply(payload: object) -> ReplyChunk:
    fields = _object("audio_chunk", payload)
    declared, rate = fields.get("format"), fields.get("sample_rate")
    return ReplyChunk(
        _audio(fields),
        _clip(declared, MAX_NAME).lower() if isinstance(declared, str) else None,
        rate if isinstance(rate, int) and not isinstance(rate, bool) and 4_000 <= rate <= 192_000 else None,
    )


def _audio_end(payload: object) -> AudioEnd:
    # The count is the server's word and only shown: without a readable one the reply is complete all the same.
    total = payload.get("total_chunks", 0) if isinstance(payload, Mapping) else 0
    return AudioEnd(total if isinstance(total, int) and not isinstance(total, bool) and 0 <= total < 2**53 else 0)


def _control_ack(payload: object) -> ControlAck:
    fields = _object("control_ack", payload)
    action = _required_text("control_ack", fields, "action", MAX_NAME)
    return ControlAck(action, _name(fields, "status") or "executed")


def _session_ended(payload: object) -> SessionEnded:
    fields = payload if isinstance(payload, Mapping) else {}
    return SessionEnded(_first_name(fields, "session_id", "sessionId", "id"), _name(fields, "status") or "ended")


def error_report(payload: object) -> ErrorReport:
    """Read an error in any shape the service uses: a string, `{type, message}`, or `{error: {type, message, code}}`.

    A refused connection's reason takes the same shapes, and python-socketio's own, `{message, data}`. Never raises.
    """
    return _error_report(payload, depth=4)


def _error_report(payload: object, depth: int) -> ErrorReport:
    if isinstance(payload, (list, tuple)) and payload:
        payload = {"message": payload[0], "data": payload[1]} if len(payload) > 1 else payload[0]
    if isinstance(payload, str):
        named = _error_type_in(payload)
        message = payload[len(named) :].lstrip(" :,-–—") if named and payload.startswith(named) else payload
        return ErrorReport(named or "service_error", _clip(message, MAX_MESSAGE))
    if not isinstance(payload, Mapping) or depth == 0:
        return ErrorReport("service_error", "")
    for wrapper in ("error", "data"):
        if isinstance(payload.get(wrapper), Mapping):
            inner = _error_report(payload[wrapper], depth - 1)
            own = _text(payload, "message", MAX_MESSAGE)
            named = inner.type if inner.type != "service_error" else _error_type_in(own) or inner.type
            return ErrorReport(named, inner.message or ("" if own == named else own))
    message = next((text for key in ("message", "error", "data") if (text := _text(payload, key, MAX_MESSAGE))), "")
    named = _name(payload, "type") or _name(payload, "code") or _error_type_in(message)
    return ErrorReport(named or "service_error", "" if message == named else message)


def _error_type_in(text: str) -> str:
    return next((name for name in sorted(ERROR_TYPES) if name in text), "")


def _client_start(payload: object) -> StartSession:
    event = "start_session"
    fields = _object(event, payload)
    instructions = _optional_text(event, fields, "instructions")
    if instructions and len(instructions) > MAX_INSTRUCTIONS:
        raise MalformedPayload(event, f"instructions are longer than {MAX_INSTRUCTIONS} characters")
    return StartSession(
        voice=_required_text(event, fields, "voice"),
        language=_optional_text(event, fields, "language"),
        instructions=instructions,
        vad_threshold=_number(event, fields, "vad_threshold", DEFAULT_VAD_THRESHOLD, 0, MAX_VAD_THRESHOLD),
        interrupt_threshold=_number(
            event, fields, "interrupt_threshold", DEFAULT_INTERRUPT_THRESHOLD, 1, MAX_INTERRUPT_THRESHOLD
        ),
    )


def _client_audio(payload: object) -> AudioChunk:
    event = "audio_chunk"
    fields = _object(event, payload)
    if fields.get("format", "pcm16") != "pcm16":
        raise MalformedPayload(event, "format is not pcm16")
    if fields.get("sample_rate", WIRE_RATE_HZ) != WIRE_RATE_HZ:
        raise MalformedPayload(event, f"sample_rate is not {WIRE_RATE_HZ}")
    audio = _audio(fields)
    if len(audio) % 2:
        raise MalformedPayload(event, "audio holds half a sample")
    return AudioChunk(audio)


def _client_control(payload: object) -> Control:
    action = _required_text("control", _object("control", payload), "action")
    return Control(Action(action) if action in Action._value2member_map_ else action)


_SERVER_DECODERS: Final[dict[str, Callable[[object], ServerMessage]]] = {
    "connected": _connected,
    "session_started": _session_started,
    "transcription": _transcription,
    "response": _response,
    "audio_chunk": _reply,
    "audio_end": _audio_end,
    "control_ack": _control_ack,
    "session_ended": _session_ended,
    "error": error_report,
}

_CLIENT_DECODERS: Final[dict[str, Callable[[object], ClientMessage]]] = {
    "start_session": _client_start,
    "audio_chunk": _client_audio,
    "control": _client_control,
    "end_session": lambda _: EndSession(),
}

SERVER_EVENTS: Final = tuple(_SERVER_DECODERS)
CLIENT_EVENTS: Final = tuple(_CLIENT_DECODERS)


# --- fields -----------------------------------------------------------------------------------------------------------


def _object(event: str, payload: object) -> Mapping[str, object]:
    if not isinstance(payload, Mapping):
        raise MalformedPayload(event, "the payload is not an object")
    return payload


def _clip(text: str, most: int = MAX_TEXT) -> str:
    r"""Bound a text, and mend it: half a character (`\ud83d` in JSON) can be written nowhere."""
    return whole_characters(text if len(text) <= most else text[: most - 1] + "…")


def _text(fields: Mapping[str, object], name: str, most: int = MAX_TEXT) -> str:
    value = fields.get(name)
    return _clip(value, most) if isinstance(value, str) else ""


def _name(fields: Mapping[str, object], name: str) -> str:
    return _text(fields, name, MAX_NAME)


def _first_name(fields: Mapping[str, object], *names: str) -> str | None:
    return next((text for name in names if (text := _name(fields, name))), None)


def _required_text(event: str, fields: Mapping[str, object], name: str, most: int = MAX_TEXT) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedPayload(event, f"{name} is missing or no text")
    return _clip(value, most)


def _optional_text(event: str, fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise MalformedPayload(event, f"{name} is no text")
    # Not clipped: what a client asks for is checked against its limit, not shortened behind its back.
    return whole_characters(value)


def _number(event: str, fields: Mapping[str, object], name: str, default: int, low: int, high: int) -> int:
    value = fields.get(name, default)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JavaScript has one kind of number, and some encoders write 600.0
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MalformedPayload(event, f"{name} is not a whole number from {low} to {high}")
    return value


def _audio(fields: Mapping[str, object]) -> bytes:
    encoded = fields.get("audio")
    if isinstance(encoded, (bytes, bytearray)):
        raw = bytes(encoded)  # Socket.IO carries binary as such; a server may use it
    elif isinstance(encoded, str):
        if len(encoded) > MAX_AUDIO_BYTES * 4 // 3 + 4:
            raise MalformedPayload("audio_chunk", f"audio is larger than {MAX_AUDIO_BYTES} bytes")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedPayload("audio_chunk", "audio is not base64") from error
    else:
        raise MalformedPayload("audio_chunk", "audio is missing or no text")
    if len(raw) > MAX_AUDIO_BYTES:
        raise MalformedPayload("audio_chunk", f"audio is larger than {MAX_AUDIO_BYTES} bytes")
    return raw
