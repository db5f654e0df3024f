import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.playout import PlayoutBuffer

RATE = 16_000
BLOCK = 160


def sine(count, amplitude=10_000):
    return (amplitude * np.sin(2 * np.pi * 400 * np.arange(count) / RATE)).astype(np.int16)


def pulled(buffer, blocks):
    return np.concatenate([buffer.pull(BLOCK) for _ in range(blocks)])


def test_nothing_written_is_silence():
    assert not pulled(PlayoutBuffer(RATE), 10).any()


def test_a_reply_waits_for_its_target_then_sounds_without_a_gap():
    buffer = PlayoutBuffer(RATE, start_ms=100)
    sound = sine(RATE)
    buffer.begin()
    buffer.write(sound[:1_500])
    assert not pulled(buffer, 3).any()
    buffer.write(sound[1_500:])
    buffer.finish()
    assert np.array_equal(pulled(buffer, 100), sound)
    assert buffer.breaks == 0
    assert buffer.drained


def test_a_short_reply_that_is_complete_sounds_at_once():
    buffer = PlayoutBuffer(RATE)
    buffer.begin()
    buffer.write(sine(50))
    buffer.finish()
    assert np.array_equal(buffer.pull(BLOCK)[:50], sine(50))


def test_running_dry_fades_out_and_in_and_the_target_grows():
    buffer = PlayoutBuffer(RATE, start_ms=20, fade_ms=5)
    loud = np.full(RATE, 10_000, np.int16)
    buffer.begin()
    buffer.write(loud[:400])
    heard = [pulled(buffer, 4)]
    assert buffer.breaks == 1
    assert buffer.target_ms == 80
    buffer.write(loud)
    heard.append(pulled(buffer, 3))
    steps = np.abs(np.diff(np.concatenate(heard)[1:].astype(np.int32)))
    assert steps.max() <= 10_000 / 70, "a step larger than a 5 ms fade's is a click"


def test_the_target_grows_to_400_ms_and_no_further():
    buffer = PlayoutBuffer(RATE)
    buffer.begin()
    for _ in range(20):
        buffer.write(sine(RATE))
        pulled(buffer, 200)
    assert buffer.target_ms == 400


def test_stop_fades_within_its_time_and_is_silent_after():
    buffer = PlayoutBuffer(RATE, start_ms=20, fade_ms=5)
    buffer.begin()
    buffer.write(np.full(RATE, 10_000, np.int16))
    pulled(buffer, 5)
    buffer.stop()
    after = pulled(buffer, 5)
    assert after[0] == 10_000
    assert not after[80:].any()
    assert np.abs(np.diff(after.astype(np.int32))).max() < 200
    assert buffer.drained


def test_the_next_reply_begins_after_the_old_ones_fade_and_counts_from_zero():
    buffer = PlayoutBuffer(RATE, start_ms=20)
    buffer.begin()
    buffer.write(np.full(RATE, 10_000, np.int16))
    pulled(buffer, 5)
    buffer.begin()
    buffer.write(np.full(BLOCK, -5, np.int16))
    buffer.finish()
    heard = pulled(buffer, 3)
    assert buffer.rendered_samples == BLOCK
    assert (heard[BLOCK : 2 * BLOCK] == -5).all()


@pytest.mark.parametrize("again", [1, 2, 3])
def test_a_fade_out_survives_that_the_next_reply_begins_within_the_same_block(again):
    buffer = PlayoutBuffer(RATE, start_ms=20)
    buffer.begin()
    buffer.write(np.full(RATE, 10_000, np.int16))
    pulled(buffer, 5)
    for _ in range(again):
        buffer.stop()
    buffer.begin()
    after = pulled(buffer, 5)
    assert after[0] == 10_000
    assert np.abs(np.diff(after.astype(np.int32))).max() < 200
    assert not after[80:].any()


def test_a_reply_that_was_waiting_when_stopped_never_sounds():
    buffer = PlayoutBuffer(RATE, start_ms=100)
    buffer.begin()
    buffer.write(np.full(BLOCK, 10_000, np.int16))
    buffer.stop()
    assert not pulled(buffer, 5).any()


def test_a_device_that_takes_more_at_a_time_than_the_target_has_no_break():
    buffer = PlayoutBuffer(RATE, start_ms=20)
    sound = sine(RATE)
    buffer.begin()
    heard = []
    for piece in np.split(sound, 20):
        buffer.write(piece)
        heard.append(buffer.pull(800))
    buffer.finish()
    heard += [buffer.pull(800) for _ in range(3)]
    assert buffer.breaks == 0
    assert np.array_equal(np.trim_zeros(np.concatenate(heard)), np.trim_zeros(sound))


def test_what_was_rendered_is_known_to_the_sample():
    buffer = PlayoutBuffer(RATE, start_ms=0)
    buffer.begin()
    buffer.write(sine(1_000))
    buffer.finish()
    buffer.pull(333)
    assert buffer.rendered_samples == 333
    assert buffer.buffered_ms == pytest.approx(667 / 16)


@given(
    pieces=st.lists(st.integers(1, 900), min_size=1, max_size=30),
    pulls=st.lists(st.integers(1, 700), min_size=1, max_size=60),
)
def test_every_sample_is_played_once_and_in_order_whatever_the_pieces(pieces, pulls):
    """Complete replies have no break; so what is pulled is what was written."""
    buffer = PlayoutBuffer(RATE)
    sound = (np.arange(sum(pieces)) % 30_000 + 1).astype(np.int16)
    buffer.begin()
    at = 0
    for length in pieces:
        buffer.write(sound[at : at + length])
        at += length
    buffer.finish()
    heard = np.concatenate([buffer.pull(frames) for frames in pulls])
    count = min(len(heard), len(sound))
    assert np.array_equal(heard[:count], sound[:count])
    assert not heard[count:].any()
    assert buffer.rendered_samples == count
