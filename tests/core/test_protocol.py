import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core import protocol
from selam_cli.core.protocol import (
    Action,
    AudioChunk,
    AudioEnd,
    Connected,
    Control,
    ControlAck,
    EndSession,
    ErrorReport,
    MalformedPayload,
    ReplyChunk,
    Response,
    SessionEnded,
    SessionStarted,
    StartSession,
    Transcription,
    decode_client,
    decode_server,
    encode,
    error_report,
)

CLIENT_MESSAGES = [
    StartSession("mekdes"),
    StartSession("ubax", "so", "Be brief.", 900, 3),
    AudioChunk(b"\x01\x02" * 1_600),
    *(Control(action) for action in Action),
    EndSession(),
]
SERVER_MESSAGES = [
    Connected("sid-1", "mekdes", "Welcome"),
    SessionStarted("session-1"),
    SessionStarted(None),
    Transcription("ሰላም", is_final=False),
    Transcription("ሰላም ነው"),
    Response("Hello."),
    ReplyChunk(b"ID3\x00"),
    ReplyChunk(b"\x00\x01", "pcm16", 24_000),
    AudioEnd(12),
    ControlAck("interrupt"),
    SessionEnded("session-1"),
    ErrorReport("audio_error", "too quiet"),
]


@pytest.mark.parametrize("message", CLIENT_MESSAGES, ids=lambda m: type(m).__name__)
def test_a_client_message_survives_the_wire(message):
    event, payload = encode(message)
    assert decode_client(event, json.loads(json.dumps(payload))) == message


@pytest.mark.parametrize("message", SERVER_MESSAGES, ids=lambda m: type(m).__name__)
def test_a_server_message_survives_the_wire(message):
    event, payload = encode(message)
    assert decode_server(event, json.loads(json.dumps(payload))) == message


def test_start_session_always_names_voice_and_thresholds_and_the_rest_when_set():
    assert encode(StartSession("mekdes")) == (
        "start_session",
        {"voice": "mekdes", "vad_threshold": 600, "interrupt_threshold": 8},
    )
    _event, payload = encode(StartSession("ubax", "so", "Be brief."))
    assert payload["language"] == "so"
    assert payload["instructions"] == "Be brief."


def test_audio_goes_out_as_base64_pcm16_at_16_khz():
    assert encode(AudioChunk(b"\x01\x00")) == (
        "audio_chunk",
        {"audio": "AQA=", "format": "pcm16", "sample_rate": 16_000},
    )


def test_end_session_has_no_payload():
    assert encode(EndSession()) == ("end_session", None)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("authentication_error", ErrorReport("authentication_error", "")),
        ("authentication_error: the key is unknown", ErrorReport("authentication_error", "the key is unknown")),
        ("Something broke", ErrorReport("service_error", "Something broke")),
        ({"type": "session_error", "message": "no such session"}, ErrorReport("session_error", "no such session")),
        (
            {"error": {"type": "validation_error", "message": "bad voice", "code": 400}},
            ErrorReport("validation_error", "bad voice"),
        ),
        ({"error": "audio_error"}, ErrorReport("audio_error", "")),
        (
            {"message": "authorization_error", "data": {"type": "authorization_error", "message": "OWNER only"}},
            ErrorReport("authorization_error", "OWNER only"),
        ),
        ({"message": "authentication_error", "data": "Invalid API key"}, ErrorReport("authentication_error", "")),
        (("authentication_error", {"message": "bad key"}), ErrorReport("authentication_error", "bad key")),
        ({"message": "Unable to connect"}, ErrorReport("service_error", "Unable to connect")),
        (None, ErrorReport("service_error", "")),
        (7, ErrorReport("service_error", "")),
        ([], ErrorReport("service_error", "")),
    ],
)
def test_an_error_is_read_in_every_shape(payload, expected):
    report = error_report(payload)
    assert report.type == expected.type
    if expected.message:
        assert report.message == expected.message


def test_a_deeply_nested_error_is_read_without_recursing_for_ever():
    nested: object = "end"
    for _ in range(5_000):
        nested = {"error": nested}
    assert error_report(nested).type == "service_error"


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("transcription", None),
        ("transcription", {"text": 5}),
        ("transcription", {"text": "a", "is_final": "yes"}),
        ("response", ["a"]),
        ("audio_chunk", {"audio": "not base64!"}),
        ("audio_chunk", {"audio": None}),
        ("audio_chunk", {}),
        ("control_ack", {"status": "executed"}),
        ("connected", "hello"),
    ],
)
def test_a_known_event_with_a_malformed_payload_is_reported_as_such(event, payload):
    with pytest.raises(MalformedPayload) as caught:
        decode_server(event, payload)
    assert caught.value.event == event


@pytest.mark.parametrize(
    ("event", "payload", "problem"),
    [
        ("start_session", None, "object"),
        ("start_session", {}, "voice"),
        ("start_session", {"voice": "mekdes", "vad_threshold": "loud"}, "vad_threshold"),
        ("start_session", {"voice": "mekdes", "vad_threshold": 40_000}, "vad_threshold"),
        ("start_session", {"voice": "mekdes", "interrupt_threshold": 0}, "interrupt_threshold"),
        ("start_session", {"voice": "mekdes", "instructions": "x" * 8_001}, "instructions"),
        ("audio_chunk", {"audio": "AQA=", "format": "mp3"}, "format"),
        ("audio_chunk", {"audio": "AQA=", "sample_rate": 8_000}, "sample_rate"),
        ("audio_chunk", {"audio": base64.b64encode(b"abc").decode()}, "half a sample"),
        ("control", {"action": 3}, "action"),
    ],
)
def test_a_client_is_told_which_field_is_wrong(event, payload, problem):
    with pytest.raises(MalformedPayload, match=problem):
        decode_client(event, payload)


def test_an_unknown_event_is_nobodys_error():
    assert decode_server("mood", {"anything": 1}) is None
    assert decode_client("mood", None) is None


def test_an_unknown_action_reaches_the_server_as_it_is():
    assert decode_client("control", {"action": "dance"}) == Control("dance")


def test_fields_that_are_not_promised_are_ignored_and_those_that_are_silly_do_not_hurt():
    assert decode_server("audio_end", {"total_chunks": "many", "extra": {}}) == AudioEnd(0)
    assert decode_server("audio_end", None) == AudioEnd(0)
    assert decode_server("session_started", "ok") == SessionStarted(None)
    assert decode_server("audio_chunk", {"audio": "AQA=", "sample_rate": -5, "format": 7}) == ReplyChunk(b"\x01\x00")


def test_an_enormous_text_is_clipped_and_an_enormous_chunk_refused():
    message = decode_server("response", {"text": "a" * 1_000_000})
    assert len(message.text) == protocol.MAX_TEXT
    with pytest.raises(MalformedPayload, match="larger"):
        decode_server("audio_chunk", {"audio": "A" * 50_000_000})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["text", "is_final", "audio", "format", "sample_rate", "total_chunks", "action", "status", "error", "type", "voice"]
)


@given(
    event=st.sampled_from([*protocol.SERVER_EVENTS, *protocol.CLIENT_EVENTS, "mood"]),
    payload=JSON | st.dictionaries(FIELDS, JSON),
)
def test_whatever_arrives_gives_a_message_or_nothing_or_malformed_payload(event, payload):
    for decode in (decode_server, decode_client):
        try:
            message = decode(event, payload)
        except MalformedPayload:
            continue
        if message is not None:
            encode(message)
