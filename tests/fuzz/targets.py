"""What is fuzzed: each takes bytes and raises AssertionError, or whatever escaped, where a promise is broken."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import unicodedata
from collections.abc import Callable, Iterator

from rich.cells import cell_len

from selam_cli.core import events, protocol
from selam_cli.core.plain_text import plain, plain_json, plain_line, whole_characters
from selam_cli.core.protocol import MAX_AUDIO_BYTES, MAX_TEXT, ErrorReport, MalformedPayload
from selam_cli.core.redaction import Redactor
from selam_cli.core.session import SessionState, apply
from selam_cli.engine.link.packets import GuardedPacket
from selam_cli.engine.link.refusals import refusal
from selam_cli.errors import AudioError, service_error
from selam_cli.sound.decode import ReplyDecoder
from selam_cli.tui.wrapping import wrap
from tests.fuzz.script import Script

REDACTOR = Redactor.of(["sk-selam-test-1"])
_KEPT = frozenset("\n\t\u200c\u200d")
_STEERING = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def boundary(raw: bytes) -> None:
    """A server's event from its payload to the line that tells of it and to what is shown of that."""
    script = Script(raw)
    event, payload = script.event(), script.fields() if script.number(4) else script.value()
    with contextlib.suppress(MalformedPayload):
        message = protocol.decode_server(event, payload)
        if message is not None:
            _check_texts(message)
            again = protocol.decode_server(*protocol.encode(message))
            assert type(again) is type(message)
            state = apply(apply(SessionState(), message), message)
            _check_line(events.StateChanged.of(state))
        if isinstance(message, ErrorReport):
            for error in (refusal(message), service_error(message.type, message.message)):
                _check_line(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
    with contextlib.suppress(MalformedPayload):
        message_of_client = protocol.decode_client(event, payload)
        if message_of_client is not None:
            _check_texts(message_of_client)


def sanitiser(raw: bytes) -> None:
    """Text to the terminal: harmless, the same when it passes twice, and JSON loses nothing of it."""
    script = Script(raw)
    _check_shown(script.text() if script.number(4) else script.rest().decode("utf-8", "surrogateescape"))


def pane(raw: bytes) -> None:
    """Text in lines: nothing is lost, none is longer than it may be, and what grew is wrapped like the whole."""
    script = Script(raw)
    width, text = 1 + script.number(40), plain(script.text()).expandtabs(4)
    lines = wrap(text, width)
    assert "".join(text[begin:end] for begin, end in lines) == text.replace("\n", "")
    for begin, end in lines:
        line = text[begin:end].rstrip()
        assert cell_len(line) <= max(width, 2) or len(line) < 2, (line, width)
    grown = text + plain(script.text()).expandtabs(4)
    again = [*lines[:-1], *wrap(grown, width, lines[-1][0])]
    assert again == wrap(grown, width) or not grown.startswith(text)


def packets(raw: bytes) -> None:
    """Socket.IO's own layer: what is on the wire becomes an event, whatever it is."""
    script = Script(raw)
    kind = script.number(4)
    if kind == 0:
        encoded: object = script.rest()
    elif kind == 1:
        encoded = script.rest().decode("utf-8", "replace")
    else:
        number = ("2", "51-", "52-", "0", "3", "4", "1", "6", "")[script.number(9)]
        encoded = f"{number}{protocol.NAMESPACE},{json.dumps([script.event(), script.value()], default=_placeholder)}"
    packet = GuardedPacket(encoded_packet=encoded)
    while packet.attachment_count > len(packet.attachments):
        if packet.add_attachment(script.bytes()):
            break
    if packet.packet_type in {2, 5}:
        assert isinstance(packet.data[0], str)
        with contextlib.suppress(MalformedPayload):
            protocol.decode_server(packet.data[0], packet.data[1] if len(packet.data) > 1 else None)


def sound(raw: bytes) -> None:
    """A reply's sound in pieces: only AudioError, and no more samples than its bytes can hold."""
    script = Script(raw)
    name, rate_hz = (
        (None, None, "mp3", "wav", "pcm16", "flac", "x")[script.number(7)],
        (None, 4_000, 48_000)[script.number(3)],
    )
    cut = 1 + script.number(256) * (1 + script.number(8))
    stream = script.rest()
    decoder = ReplyDecoder()
    with contextlib.suppress(AudioError):
        for start in range(0, len(stream), cut):
            for piece in decoder.feed(stream[start : start + cut], name, rate_hz):
                assert 4_000 <= piece.rate_hz <= 384_000
        for piece in decoder.finish():
            assert piece.samples.dtype.name == "int16"


def keys(raw: bytes) -> None:
    """What a terminal sends: parsed without an exception, in pieces as they come."""
    from selam_cli.keyboard.key_parser import EventTypeParser  # Textual is loaded where it is wanted only

    script = Script(raw)
    parser = EventTypeParser()
    while not script.over:
        piece = script.bytes().decode("utf-8", "replace")
        if piece:
            list(parser.feed(piece))
        list(parser.tick())
    list(parser.feed(""))


def _placeholder(_: object) -> dict[str, object]:
    return {"_placeholder": True, "num": 0}


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (boundary, sanitiser, pane, packets, sound, keys)
}


def _check_line(event: events.Event) -> None:
    line = events.to_line(event, 0.0, REDACTOR)
    _check_harmless(line, frozenset())
    assert "\n" not in line
    line.encode()
    assert events.from_line(line) is not None
    for text in _texts(event):
        _check_harmless(plain(REDACTOR.line(text)))


def _check_texts(message: object) -> None:
    for text in _texts(message):
        text.encode()
        assert len(text) <= MAX_TEXT
        _check_harmless(plain(text))
    assert len(getattr(message, "audio", b"")) <= MAX_AUDIO_BYTES


def _texts(message: object) -> Iterator[str]:
    for field in dataclasses.fields(message):  # type: ignore[arg-type]
        value = getattr(message, field.name)
        if isinstance(value, str):
            yield value


def _check_shown(text: str) -> None:
    shown = plain(text)
    _check_harmless(shown)
    assert plain(shown) == shown
    assert not set("\n\t\r\u2028\u2029") & set(plain_line(text))
    line = plain_json({"text": text})
    _check_harmless(line, frozenset("\u200c\u200d"))
    assert json.loads(line)["text"] == whole_characters(text)
    if text.isascii() and text.isprintable():
        assert shown == text


def _check_harmless(shown: str, kept: frozenset[str] = _KEPT) -> None:
    kept = kept | {"\u200c", "\u200d"}
    harmful = [
        character for character in shown if unicodedata.category(character) in _STEERING and character not in kept
    ]
    assert not harmful, [f"U+{ord(character):04X}" for character in harmful]
    shown.encode()
