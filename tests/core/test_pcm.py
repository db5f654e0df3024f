import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.pcm import (
    SILENCE_DBFS,
    CaptureClock,
    Chunker,
    FlatLine,
    LevelMeter,
    PreRoll,
    dbfs,
    loudest_rms,
    rms,
    samples_in,
)


def ramp(first, count):
    return np.arange(first, first + count).astype(np.int16)


@pytest.mark.parametrize(("value", "expected"), [(32_768, 0.0), (16_384, -6.02), (600, -34.75), (0, SILENCE_DBFS)])
def test_levels_are_in_db_below_full_scale(value, expected):
    assert dbfs(value) == pytest.approx(expected, abs=0.01)


def test_rms_of_a_full_scale_square_does_not_overflow():
    assert rms(np.full(320, -32_768, np.int16)) == 32_768


def test_the_loudest_frame_is_found_wherever_it_is():
    quiet, loud = np.full(16_000, 10, np.int16), np.full(320, -2_000, np.int16)
    assert loudest_rms(np.concatenate((quiet, loud, quiet[:77])).tobytes()) == 2_000
    assert loudest_rms(b"") == 0.0


def test_the_meter_holds_its_peak_and_marks_clipping():
    meter = LevelMeter(hold_s=1.0)
    meter.feed(np.array([32_767], np.int16), 0.0)
    meter.feed(np.array([100], np.int16), 0.5)
    assert meter.peak_dbfs == pytest.approx(0.0, abs=0.01)
    assert meter.clipped
    meter.feed(np.array([100], np.int16), 1.6)
    assert meter.peak_dbfs == pytest.approx(dbfs(100))
    assert not meter.clipped


def fed(length_ms, blocks):
    ring = PreRoll(length_ms)
    for number in range(blocks):
        ring.feed(ramp(number * 320, 320), (number + 1) * 0.02)
    return ring


def test_the_pre_roll_reaches_exactly_its_length_back_from_the_key():
    ring = fed(300, 50)
    heard = ring.since(1.0)
    assert len(heard) == samples_in(300)
    assert heard[-1] == 50 * 320 - 1


def test_a_key_that_is_told_late_still_gets_the_sound_before_its_own_moment():
    heard = fed(300, 50).since(0.9)  # the key's event comes 100 ms after the key
    assert len(heard) == samples_in(400)
    assert heard[0] == 50 * 320 - samples_in(400)


def test_the_pre_roll_never_gives_the_same_sound_twice():
    ring = fed(300, 50)
    ring.since(1.0)
    assert len(ring.since(1.0)) == 0


def test_a_pre_roll_of_nothing_gives_what_came_since_the_key():
    assert len(fed(0, 50).since(0.98)) == samples_in(20)


BLOCK = np.ones(samples_in(20), np.int16)


def test_blocks_that_were_held_up_are_of_their_own_time():
    clock = CaptureClock()
    came_at = [0.03, 0.05, 0.062, *[0.31] * 12, 0.331, 0.35]
    ended_at = [clock.ended_at(BLOCK, at) for at in came_at]
    assert ended_at == pytest.approx([0.03, 0.05, *(0.062 + 0.02 * n for n in range(15))])


def test_no_block_ended_after_it_came_nor_before_the_one_before_it():
    clock, dice, came_at, before = CaptureClock(), np.random.default_rng(5), 0.0, -1.0
    for n in range(1_000):
        came_at = max(came_at, n * 0.02 + dice.exponential(0.05))
        ended_at = clock.ended_at(BLOCK, came_at)
        assert before <= ended_at <= came_at + 1e-9
        before = ended_at


@pytest.mark.parametrize("pause_s", [0.5, 3_600.0])
def test_a_microphone_that_was_silent_for_a_while_is_of_its_own_time_again_after_a_second(pause_s):
    clock = CaptureClock()
    for n in range(100):
        clock.ended_at(BLOCK, 0.02 * n)
    for n in range(100, 200):
        ended_at = clock.ended_at(BLOCK, 0.02 * n + pause_s)
    assert ended_at == pytest.approx(0.02 * 199 + pause_s)


def test_the_ring_stays_small():
    ring = fed(300, 5_000)
    assert len(ring.since(-1e6)) <= samples_in(300 + PreRoll.SLACK_MS) + 320


@given(st.lists(st.integers(0, 900), max_size=30), st.sampled_from([100, 150, 200]))
def test_chunks_hold_every_sample_once_and_in_order(lengths, chunk_ms):
    chunker, sent, first = Chunker(), [], 0
    for length in lengths:
        sent += chunker.feed(ramp(first, length), chunk_ms)
        first += length
    assert all(len(chunk) == 2 * samples_in(chunk_ms) for chunk in sent)
    sent += chunker.flush()
    assert b"".join(sent) == ramp(0, first).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("blocks", "seconds"),
    [
        ([np.zeros(1_600)] * 3, 0.3),
        ([np.full(1_600, 700)] * 3, 0.3),
        ([np.tile([700, 701], 800)] * 3, 0.3),
        ([np.full(1_600, 700), np.full(1_600, -700)], 0.1),
        ([np.zeros(1_600), np.full(1_600, 9), np.zeros(3_200)], 0.2),
        ([np.tile([-2, 2], 800)] * 3, 0.0),
        ([np.zeros(1_600), np.tile([-2, 2], 800)], 0.0),
        ([np.zeros(0)], 0.0),
    ],
    ids=["zeros", "constant", "last bit", "jump", "click", "faint noise", "noise begins", "nothing"],
)
def test_a_flat_line_is_no_sound_at_all(blocks, seconds):
    line = FlatLine()
    for block in blocks:
        line.feed(block.astype(np.int16))
    assert line.seconds == pytest.approx(seconds)
