"""What a stranger puts on the wire is a packet of the protocol, or one event that says that it is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import BINARY_EVENT, CONNECT, EVENT

from selam_cli.core.protocol import NAMESPACE
from selam_cli.engine.link.packets import MAX_MESSAGE_BYTES, UNREADABLE, GuardedPacket


def read(encoded: object) -> GuardedPacket:
    return GuardedPacket(encoded_packet=encoded)


def test_an_event_is_read_as_the_library_reads_it():
    packet = read(f'2{NAMESPACE},["response",{{"text":"ሰላም"}}]')
    assert (packet.packet_type, packet.namespace, packet.data) == (EVENT, NAMESPACE, ["response", {"text": "ሰላም"}])
    assert read(f'0{NAMESPACE},{{"sid":"x"}}').packet_type == CONNECT


def test_who_asks_for_an_acknowledgement_gets_none():
    assert read(f'2{NAMESPACE},7["response",{{}}]').id is None


@pytest.mark.parametrize(
    "encoded",
    [
        "", {}, [], b"", b"\x00\x01", b"2[]", "x", "9", "2", "2[", "2[]", "2{}", "27", '2[{"a":1}]', "2[null]",
        '2"response"',
        "2" + "[" * 100_000, '2["x",' + "[" * 10_000 + "]" * 10_000 + "]", "2[" + "{}," * 30_000 + "1]",
        '2["x",' + "1," * 200_000 + "1]", '0"sid"', "0[1]", f"3{NAMESPACE},1[]", f"6{NAMESPACE},1[]", '5["x"]',
        '599-["x",{"_placeholder":true,"num":0}]', '59999999999-["x"]', '51-2', '51-["disconnect"]',
        '2["disconnect"]', '2["connect_error","no"]', '2["*"]', "2" + "9" * 200, '2["x",' + "9" * 5_000 + "]",
    ],
    ids=lambda encoded: str(encoded)[:20],
)  # fmt: skip
def test_what_is_no_event_becomes_the_one_that_says_so(encoded):
    packet = read(encoded)
    assert (packet.packet_type, packet.data, packet.attachment_count) == (EVENT, [UNREADABLE], 0)


@pytest.mark.parametrize("number", ["-1", "1", '"a"', "null", "[]", "1e9"])
def test_an_attachment_that_belongs_nowhere_ends_the_packet(number):
    packet = read(f'51-{NAMESPACE},["audio_chunk",{{"audio":{{"_placeholder":true,"num":{number}}}}}]')
    assert packet.add_attachment(b"1")
    assert packet.packet_type == BINARY_EVENT
    assert packet.data[0] in {UNREADABLE, "audio_chunk"}


def test_attachments_take_no_more_than_a_message_may():
    packet = read('54-["audio_chunk",{"audio":{"_placeholder":true,"num":1}}]')
    big = bytes(MAX_MESSAGE_BYTES - 10)
    whole = [packet.add_attachment(big) for _ in range(4)]
    assert whole == [False, False, False, True]
    assert packet.data == ["audio_chunk", {"audio": b""}]


@given(st.text() | st.binary(), st.lists(st.binary() | st.text(), max_size=3))
def test_nothing_raises(encoded, attachments):
    packet = read(encoded)
    for attachment in attachments[: packet.attachment_count]:
        packet.add_attachment(attachment)


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["_placeholder", "num", "x"]), inner)
        ),
    ),
    st.sampled_from(["2", "51-", "52-", "0", "4", "1"]),
)
def test_no_json_raises(value, kind):
    packet = read(f"{kind}{NAMESPACE},{json.dumps(value)}")
    while packet.attachment_count > len(packet.attachments):
        if packet.add_attachment(b"sound"):
            break
