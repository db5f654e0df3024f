"""Server-sent events: the same data, however the stream is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.rest.sse import MAX_EVENT_BYTES, EventReader, EventTooLong


def read(*pieces: bytes) -> list[str]:
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", ["one", "two"]),
        (b"data: one\r\rdata: two\r\r", ["one", "two"]),
        (b"data:without a space\n\n", ["without a space"]),
        (b"data: two\ndata: lines\n\n", ["two\nlines"]),
        (b": keep alive\n\ndata: one\n\n", ["one"]),
        (b"event: x\nid: 4\nretry: 10\ndata: one\n\n", ["one"]),
        (b"\xef\xbb\xbfdata: after a mark\n\n", ["after a mark"]),
        ("data: ሰላም\n\n".encode(), ["ሰላም"]),
        (b"data: cut off\n", ["cut off"]),
        (b"data: cut off", ["cut off"]),
        (b"data: cut off\r", ["cut off"]),
        (b"data\n\n", [""]),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"database: none\n\n<html>\n\n", []),
        (b"", []),
    ],
)
def test_known_streams(stream, events):
    assert read(stream) == events
    assert read(*(bytes([byte]) for byte in stream)) == events


pieces_of_streams = st.lists(
    st.sampled_from([b"data: ", b"data:", b"\n", b"\r\n", b"\r", "ሰላም".encode(), b"{}", b":", b" ", b"\xff", b"id: 1"]),
    max_size=40,
).map(b"".join)


@given(stream=pieces_of_streams, cuts=st.lists(st.integers(0, 400), max_size=20))
def test_any_split_gives_the_same_events(stream, cuts):
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(places))) == read(stream)


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))), cut=st.integers(1, 9)
)
def test_what_was_sent_is_what_is_read(texts, cut):
    stream = "".join(f"data: {text}\n\n" for text in texts).encode()
    assert read(*(stream[at : at + cut] for at in range(0, len(stream), cut))) == texts


@pytest.mark.parametrize("line", [b"x" * 1024, b"data: " + b"x" * 1018, b"data: x\n" * 128])
def test_an_event_without_an_end_is_not_kept_for_ever(line):
    with pytest.raises(EventTooLong):
        read(*([line] * (2 * MAX_EVENT_BYTES // len(line))))
