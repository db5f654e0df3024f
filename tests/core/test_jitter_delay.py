import os
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.jitter_delay import PlayoutDelay
from tests.support.playout_run import BLOCK_MS, FixedDelay, play, speech, tone
from tests.support.traces import FOLDER, KINDS, made, trace

pytestmark = pytest.mark.xdist_group("playout_delay")  # one process has all that `adaptive` keeps


IS_SOAK = os.environ.get("SELAM_SOAK") == "1"


def calm(delay, seconds):
    for _ in range(seconds * 10):
        delay.arrived(0, 100)


def breaks_of(played):
    return [reply.breaks for reply in played]


def compared(replies):
    """The replies by which buffers are compared: the last ones, for in the first two the adaptive one learns."""
    return replies[2:] if IS_SOAK else replies[-len(replies) * 2 // 5 :]


@cache
def fixed(name, ms):
    """A buffer of one size learns nothing, so the replies that are compared are played alone."""
    return play(compared(trace(name)), FixedDelay(ms))


@cache
def adaptive(name, sound=speech):
    """A whole trace takes a second or two, and several tests look at what became of it."""
    return play(trace(name), PlayoutDelay(), sound)


def test_the_first_reply_waits_120_ms():
    assert PlayoutDelay().target_ms == 120


def test_the_greatest_lateness_is_aimed_at_with_a_margin():
    delay = PlayoutDelay()
    for late_ms in (20, 5, 155, 80):
        delay.arrived(late_ms, 100)
    assert delay.target_ms == 150 + 30


def test_a_break_adds_to_the_lead_that_did_not_do():
    delay = PlayoutDelay()
    delay.arrived(0, 100)
    delay.arrived(0, 100, dry_at_lead_ms=150)
    assert delay.target_ms == 210


@pytest.mark.parametrize("late_ms", [350, 380, 700])
def test_breaks_never_lead_past_400_ms(late_ms):
    delay = PlayoutDelay()
    for _ in range(10):
        delay.arrived(0, 100)
        delay.arrived(late_ms, 100, dry_at_lead_ms=delay.target_ms)
    assert delay.target_ms == 400


def test_who_thinks_for_seconds_in_every_reply_is_not_waited_for_ever_longer():
    delay = PlayoutDelay()
    for _ in range(10):
        delay.arrived(0, 100)
        delay.arrived(3_000, 100, dry_at_lead_ms=delay.target_ms)
    assert delay.target_ms == 180


def test_calm_shrinks_the_target_to_40_ms():
    delay = PlayoutDelay()
    calm(delay, 30)
    assert delay.target_ms == 40


def test_trouble_is_remembered_for_20_s_of_sound_and_forgotten_slowly():
    delay = PlayoutDelay()
    delay.arrived(0, 100)
    delay.arrived(270, 100)
    calm(delay, 19)
    assert delay.target_ms == 300
    calm(delay, 11)
    assert 180 <= delay.target_ms <= 220
    calm(delay, 30)
    assert delay.target_ms == 40


def test_smaller_trouble_within_that_time_is_not_forgotten_with_the_greater():
    delay = PlayoutDelay()
    delay.arrived(0, 100)
    delay.arrived(270, 100)
    calm(delay, 15)
    delay.arrived(150, 100)
    calm(delay, 19)
    assert delay.target_ms == 180


def test_a_server_that_was_far_ahead_and_is_so_no_more_teaches_nothing():
    delay = PlayoutDelay()
    delay.arrived(-3_000, 100)
    delay.arrived(-400, 100)
    assert delay.target_ms == 120


@given(st.lists(st.tuples(st.floats(-5_000, 5_000), st.integers(1, 3_000), st.none() | st.floats(0, 5_000))))
def test_the_target_is_always_from_40_to_400_ms(chunks):
    delay = PlayoutDelay()
    for late_ms, length_ms, dry_at_lead_ms in chunks:
        delay.arrived(late_ms, length_ms, dry_at_lead_ms=dry_at_lead_ms)
        assert 40 <= delay.target_ms <= 400


@pytest.mark.parametrize("name", KINDS)
def test_the_traces_are_what_their_generator_makes(name):
    assert (FOLDER / f"{name}.txt").read_text() == made(name)


@pytest.mark.parametrize("sound", [speech, tone])
@pytest.mark.parametrize("name", ["calm", "uniform_60"])
def test_jitter_of_up_to_60_ms_makes_no_break(name, sound):
    assert not any(breaks_of(adaptive(name, sound)))


@pytest.mark.parametrize("sound", [speech, tone])
@pytest.mark.parametrize("name", ["uniform_150", "bursts"])
def test_greater_jitter_makes_no_break_after_two_replies(name, sound):
    assert not any(breaks_of(adaptive(name, sound))[2:])


@pytest.mark.parametrize("sound", [speech, tone])
def test_of_stalls_that_come_again_and_again_only_the_first_is_heard(sound):
    played = adaptive("stalls", sound)
    assert breaks_of(played) == [1, 0, 0, 0, 0]
    assert np.all(played[0].heard[np.flatnonzero(played[0].heard)[0] :] > 0) == (played[0].breaks == 0)


def test_a_slow_drift_of_clocks_makes_no_break_in_speech():
    played = adaptive("drift")
    assert not any(breaks_of(played))
    assert played[-1].target_ms <= 60, "the lead is held, not the target raised for the sum of the drift"
    assert any(breaks_of(fixed("drift", 120))), "a trace that shows nothing otherwise"


def test_breaks_are_what_is_heard():
    """A tone without a zero: each gap in it is a run of zeros."""
    for reply in play(trace("uniform_150")[:5], FixedDelay(60), tone):
        silent = np.concatenate(([0], (reply.heard == 0).astype(int), [0]))
        gaps = np.count_nonzero(np.diff(silent) == 1) - silent[1] - silent[-2]  # but the silence before and after
        assert gaps == reply.breaks


@pytest.mark.parametrize("name", KINDS)
def test_no_fixed_buffer_of_60_to_400_ms_has_as_few_breaks_for_as_little_waiting(name):
    learned = compared(adaptive(name))
    for fixed_ms in (60, 120, 200, 400):
        stiff = fixed(name, fixed_ms)
        assert (sum(breaks_of(learned)), waited_ms(learned)) < (sum(breaks_of(stiff)), waited_ms(stiff))


def waited_ms(played):
    return float(np.mean([reply.waited_ms for reply in played]))


def test_the_first_sound_is_heard_when_the_target_is_over_and_not_later():
    for reply in adaptive("calm"):
        assert -3 <= reply.start_ms - reply.target_ms <= BLOCK_MS + 2


def test_a_long_chunk_is_waited_for_as_a_short_one():
    for chunk_ms in (20, 50, 200, 1_000):
        arrivals = [[n * chunk_ms + n * 37 % 60 for n in range(8_000 // chunk_ms)]] * 8
        assert not any(breaks_of(play(arrivals, PlayoutDelay(), tone, chunk_ms=chunk_ms)))


def test_a_server_that_is_ahead_is_heard_at_once():
    ahead = [[max(0, n * 100 - 400) + n * 37 % 60 for n in range(60)]] * 8
    ahead = [list(np.maximum.accumulate(reply)) for reply in ahead]
    played = play(ahead, PlayoutDelay(), tone)
    assert not any(breaks_of(played))
    assert all(reply.start_ms <= 60 + BLOCK_MS for reply in played)


def test_after_a_break_longer_than_any_buffer_the_next_ones_of_its_kind_are_covered():
    replies = [[n * 100 + max(0, 600 - (n * 100 - 1_000) % 5_000) * (n >= 10) for n in range(200)]]
    assert breaks_of(play(replies, PlayoutDelay(), tone)) == [1]


def test_after_a_pause_of_the_server_what_follows_has_its_whole_lead_again():
    thinking = [[n * 100 + n * 37 % 60 + 3_000 * (n >= 30) for n in range(80)]]
    assert breaks_of(play(thinking, PlayoutDelay(), tone)) == [1]


@pytest.mark.parametrize("block_ms", [20, 50, 100])
def test_a_device_that_takes_long_blocks_has_no_break_in_calm(block_ms):
    assert not any(breaks_of(play(trace("calm"), PlayoutDelay(), tone, block_ms=block_ms)))
