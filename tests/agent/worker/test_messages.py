"""The bytes between the agent and a worker."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.worker import messages

words = st.text('a"\\\0\n{é😀', max_size=5)
headers = st.dictionaries(words, st.one_of(words, st.integers(), st.none(), st.booleans()), max_size=3)


@given(st.lists(st.tuples(headers, st.binary()), max_size=3))
def test_what_is_packed_is_read_again(told):
    stream = io.BytesIO(b"".join(messages.packed(header, body) for header, body in told))
    read = []
    while (message := messages.read(stream.read)) is not None:
        read.append(message)
    assert read == told


@given(headers, st.binary(), st.data())
def test_a_stream_that_ends_within_a_message_has_ended(header, body, data):
    whole = messages.packed(header, body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert messages.read(io.BytesIO(whole[:cut]).read) is None


@pytest.mark.parametrize(
    "junk", [b"INFO: decoder initialised\n", b"\xff" * 20, b"\0\0\0\2\0\0\0\0[]", b"\0\0\0\1\0\0\0\0x"]
)
def test_what_a_library_prints_is_no_message(junk):
    with pytest.raises(messages.BrokenMessage):
        messages.read(io.BytesIO(junk).read)
