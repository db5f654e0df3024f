import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.jitter_buffer import PlayoutBuffer
from selam_cli.core.jitter_delay import PlayoutDelay

RATE = 16_000
BLOCK = 160
FADE = 80


def buffer_of(start_ms):
    """A buffer that begins by aiming at so much."""
    return PlayoutBuffer(RATE, PlayoutDelay(start_ms))


def sine(count, amplitude=10_000):
    return (amplitude * np.sin(2 * np.pi * 400 * np.arange(count) / RATE)).astype(np.int16)


def pulled(buffer, blocks):
    return np.concatenate([buffer.pull(BLOCK) for _ in range(blocks)])


def test_nothing_written_is_silence():
    assert not pulled(PlayoutBuffer(RATE), 10).any()


def test_a_reply_of_chunks_in_real_time_starts_to_the_sample_when_it_has_waited_for_the_target():
    buffer, sound = buffer_of(123), sine(RATE) + 10_001
    buffer.begin()
    heard = []
    for block in range(100):
        if block % 10 == 0:
            buffer.write(sound[block * BLOCK : block * BLOCK + 1_600])
        heard.append(buffer.pull(BLOCK))
    heard = np.concatenate(heard)
    assert np.flatnonzero(heard)[0] == 123 * 16
    assert np.array_equal(heard[123 * 16 :], sound[: RATE - 123 * 16])


def test_a_reply_that_comes_faster_than_it_sounds_has_its_lead_at_once():
    buffer = buffer_of(150)
    buffer.begin()
    buffer.write(sine(1_600) + 10_001)
    assert not buffer.pull(BLOCK).any()
    buffer.write(sine(1_600) + 10_001)
    assert not buffer.pull(BLOCK).any()
    buffer.write(sine(1_600) + 10_001)
    assert buffer.pull(BLOCK).all(), "200 ms are there before a chunk could be late"


def test_a_short_reply_that_is_complete_sounds_at_once():
    buffer = PlayoutBuffer(RATE)
    buffer.begin()
    buffer.write(sine(50))
    buffer.finish()
    assert np.array_equal(buffer.pull(BLOCK)[:50], sine(50))


def test_what_the_decoder_kept_back_belongs_to_the_reply():
    buffer = PlayoutBuffer(RATE)
    buffer.begin()
    buffer.write(sine(70)[:50])
    buffer.finish(sine(70)[50:])
    assert np.array_equal(buffer.pull(BLOCK)[:70], sine(70))


def test_running_dry_fades_out_and_in_and_the_target_grows():
    buffer = buffer_of(40)
    loud = np.full(RATE, 10_000, np.int16)
    buffer.begin()
    buffer.write(loud[:800])
    heard = [pulled(buffer, 10)]
    assert not heard[0][-BLOCK:].any()
    assert buffer.breaks == 0, "whether it is one, only what follows can tell"
    buffer.write(loud)
    heard.append(pulled(buffer, 20))
    assert buffer.breaks == 1
    assert buffer.target_ms == 100
    sounding = np.concatenate(heard)[640:]
    assert np.abs(np.diff(sounding.astype(np.int32))).max() <= 10_000 / FADE + 1, "a larger step is a click"


def test_after_a_gap_a_reply_goes_on_to_the_sample_when_its_lead_is_there_again():
    buffer, loud, heard = buffer_of(40), np.full(1_500, 9_000, np.int16), []
    buffer.begin()
    for block in range(40):
        if block in {0, 20, 30}:
            buffer.write(loud)
        heard.append(buffer.pull(BLOCK))
    # The second chunk is due 1,500 samples after the first and comes after 3,200: 106.25 ms late, so 137 are aimed at.
    resumed = 20 * BLOCK + 137 * 16
    heard = np.concatenate(heard)
    assert not heard[640 + 1_500 : resumed].any()
    assert heard[resumed + 1 : resumed + 200].all()


def test_what_sounds_after_a_break_is_all_that_was_written():
    buffer, sound = buffer_of(40), sine(RATE // 2)
    buffer.begin()
    buffer.write(sound[:1_600])
    pulled(buffer, 20)
    buffer.write(sound[1_600:])
    buffer.finish()
    assert np.array_equal(pulled(buffer, 50)[FADE : RATE // 2 - 1_600], sound[1_600 + FADE :])


def test_an_end_that_was_not_yet_announced_is_no_break_and_teaches_nothing():
    buffer = buffer_of(40)
    buffer.begin()
    buffer.write(sine(1_600))
    pulled(buffer, 50)
    buffer.finish(sine(30))
    pulled(buffer, 2)
    assert buffer.drained
    assert buffer.breaks == 0
    buffer.begin()
    buffer.write(sine(1_600))
    assert buffer.target_ms == 40, "the least that is ever aimed at"


def test_what_was_kept_back_while_the_user_talked_sounds_at_once_and_teaches_nothing():
    delay = PlayoutDelay()
    buffer, sound = PlayoutBuffer(RATE, delay), sine(6_400) + 10_001
    buffer.begin()
    buffer.write_kept([sound[:1_600], sound[1_600:3_200]])
    heard = [pulled(buffer, 8)]
    buffer.write(sound[3_200:])
    heard.append(pulled(buffer, 8))
    assert np.array_equal(np.concatenate(heard), sound[: 16 * BLOCK])
    assert delay.target_ms == 120


def test_a_lead_that_is_too_small_is_made_good_in_a_pause_and_not_in_speech():
    buffer, heard = buffer_of(40), []
    loud, quiet = np.full(1_600, 9_000, np.int16), np.ones(1_600, np.int16)
    arrivals = {0: loud, 12: loud, 22: quiet, 32: loud, 42: loud}  # all but the first 20 ms late, so 50 are wanted
    buffer.begin()
    for block in range(50):
        if block in arrivals:
            buffer.write(arrivals[block])
        heard.append(buffer.pull(BLOCK))
    heard = np.concatenate(heard)
    assert not heard[:640].any()
    assert (heard[640:3_840] == 9_000).all()
    pause = heard[3_840 : 3_840 + 1_600 + 160]
    assert np.count_nonzero(pause == 0) == 160
    assert (pause[:320] == 1).all(), "a pause is one when it has lasted 20 ms"
    assert (heard[3_840 + 1_760 :] == 9_000).all()


def test_stop_fades_within_its_time_and_is_silent_after():
    buffer = buffer_of(40)
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
    buffer = buffer_of(40)
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
    buffer = buffer_of(40)
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
    buffer = buffer_of(100)
    buffer.begin()
    buffer.write(np.full(BLOCK, 10_000, np.int16))
    buffer.stop()
    assert not pulled(buffer, 5).any()


def test_a_device_that_takes_more_at_a_time_than_the_target_has_no_break():
    buffer = buffer_of(40)
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
    buffer = buffer_of(40)
    buffer.begin()
    buffer.write(sine(1_000))
    buffer.finish()
    buffer.pull(333)
    assert buffer.rendered_samples == 333
    assert buffer.buffered_ms == pytest.approx(667 / 16)


def test_a_fade_out_that_spans_several_pulls_is_one_fade():
    buffer = buffer_of(40)
    buffer.begin()
    buffer.write(np.full(RATE, 10_000, np.int16))
    pulled(buffer, 5)
    buffer.stop()
    after = np.concatenate([buffer.pull(16) for _ in range(10)])
    assert np.abs(np.diff(after.astype(np.int32))).max() <= 10_000 / FADE + 1
    assert not after[FADE:].any()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 3_000)),
        st.tuples(st.just("pull"), st.integers(1, 900)),
        st.tuples(st.just("pull"), st.just(BLOCK)),
        st.tuples(st.just("pull"), st.just(BLOCK)),
    ),
    max_size=120,
)


def shaped(length):
    """Loud, with pauses; each sample differs from its neighbours."""
    t = np.arange(length)
    return np.where(t // 4_000 % 2, t % 90 + 1, t % 30_000 + 1_000).astype(np.int16)


@given(actions=ACTIONS, start_ms=st.sampled_from([40, 120]))
def test_every_sample_is_played_once_and_in_order_whatever_the_breaks(actions, start_ms):
    """Apart from the fades round a break, what is heard is what was written, with silence between."""
    buffer, sound, written, heard = buffer_of(start_ms), shaped(400_000), 0, []
    buffer.begin()
    for action, count in actions:
        if action == "write":
            buffer.write(sound[written : written + count])
            written += count
        else:
            before = buffer.rendered_samples
            block = buffer.pull(count)
            assert len(block) == count
            heard.append(sounding_part(block, sound[before : buffer.rendered_samples]))
    buffer.finish()
    while not buffer.drained:
        before = buffer.rendered_samples
        heard.append(sounding_part(buffer.pull(BLOCK), sound[before : buffer.rendered_samples]))
    assert buffer.rendered_samples == written
    faded = np.concatenate([np.zeros(0), *heard]) != sound[:written]
    assert np.count_nonzero(faded) <= 2 * FADE * (buffer.breaks + 1)


def sounding_part(block, expected):
    """Take from a block what is sound, which stands at its end, or at its beginning before a gap; the rest is zero."""
    count = len(expected)
    for part, rest in ((block[len(block) - count :], block[: len(block) - count]), (block[:count], block[count:])):
        if not rest.any() and (part <= expected).all() and (part >= 0).all():
            return part
    raise AssertionError("a block holds something else than the reply and silence")


@given(actions=ACTIONS, stops=st.sets(st.integers(0, 119)))
def test_no_step_is_larger_than_a_fades_whatever_happens(actions, stops):
    buffer, heard = buffer_of(40), [np.zeros(1, np.int16)]
    buffer.begin()
    begun = False
    for at, (action, count) in enumerate(actions):
        if at in stops:
            buffer.begin()
            begun = False
        if action == "write":
            loud = np.full(count, 10_000, np.int16)
            onset = np.linspace(0, 10_000, FADE, dtype=np.int16)[:count]
            if not begun:
                loud[: len(onset)] = onset
                begun = count >= FADE
            buffer.write(loud if begun else loud[:0])
        else:
            heard.append(buffer.pull(count))
    steps = np.abs(np.diff(np.concatenate(heard).astype(np.int32)))
    assert steps.max(initial=0) <= 2 * 10_000 / FADE + 2


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
