import numpy as np
import pytest

from selam_cli.sound.cues import HIGH_HZ, LOW_HZ, Cue, Cues, sound_of
from tests.support.speech import correlation, spoken, trimmed

RATE = 16_000
SENTENCE = "She had your dark suit in greasy wash water all year."


def pitches(sound, rate_hz):
    """Return the strongest pitch of each 13 ms that are not silent, without repetitions."""
    size = rate_hz * 13 // 1_000
    heard = []
    for block in sound[: len(sound) // size * size].reshape(-1, size):
        pitch = np.argmax(np.abs(np.fft.rfft(block, 8 * size))) * rate_hz / (8 * size) if block.any() else 0.0
        name = "low" if abs(pitch - LOW_HZ) < 100 else "high" if abs(pitch - HIGH_HZ) < 100 else "silence"
        if heard[-1:] != [name]:
            heard.append(name)
    return heard


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000])
def test_the_ear_tells_them_apart_and_none_is_long_loud_or_clicks(rate_hz):
    on, off, thrown_away = (sound_of(cue, rate_hz) for cue in (Cue.ON, Cue.OFF, Cue.THROWN_AWAY))
    assert pitches(on, rate_hz) == ["low", "high"]
    assert pitches(off, rate_hz) == ["high", "low"]
    assert pitches(thrown_away, rate_hz) == ["low", "silence", "low"]
    assert len(on) == len(off) <= 0.06 * rate_hz
    for sound in (on, off, thrown_away):
        assert 1_000 < np.abs(sound).max() <= 2_000
        assert np.abs(sound[[0, -1]]).max() == 0


def pulled(cues, reply, block=160):
    return np.concatenate([cues.mixed_into(reply[start : start + block]) for start in range(0, len(reply), block)])


def test_they_sound_beside_the_reply_one_after_the_other():
    cues, reply = Cues(), np.full(3_200, 100, np.int16)
    cues.make_for(RATE)
    cues.play(Cue.ON, 0.0, 0.0)
    cues.play(Cue.OFF, 0.0, 0.0)
    mixed = pulled(cues, reply) - reply
    on, off = sound_of(Cue.ON, RATE), sound_of(Cue.OFF, RATE)
    begin = -(-len(on) // 160) * 160
    assert np.array_equal(mixed[: len(on)], on)
    assert np.array_equal(mixed[begin : begin + len(off)], off)
    assert not mixed[begin + len(off) :].any()


def test_a_loud_reply_and_a_cue_together_do_not_wrap_round():
    cues, reply = Cues(), np.full(1_600, 32_767, np.int16)
    cues.make_for(RATE)
    cues.play(Cue.ON, 0.0, 0.0)
    assert pulled(cues, reply).min() > 0


def through(cues, heard, block=320):
    pieces = [heard[start : start + block] for start in range(0, len(heard), block)]
    ends = np.cumsum([len(piece) for piece in pieces]) / RATE
    return np.concatenate([cues.kept_out(piece, end) for piece, end in zip(pieces, ends, strict=True)])


@pytest.mark.parametrize("block", [160, 320, 1_600])
@pytest.mark.parametrize("cue", list(Cue))
def test_what_the_microphone_hears_of_a_cue_is_not_sent(cue, block):
    """At its place in a room's echo: some 60 ms late, and once more softly."""
    cues = Cues()
    cues.make_for(48_000)
    cues.play(cue, 0.0, 0.05)
    sound = sound_of(cue, RATE)
    heard = np.zeros(RATE, np.int16)
    for late, part in ((960, 1.0), (1_500, 0.5)):
        heard[late : late + len(sound)] += (part * sound).astype(np.int16)
    left = through(cues, heard, block).astype(float)
    assert np.linalg.norm(left) < np.linalg.norm(heard.astype(float)) / 30
    assert np.abs(left).max() < 80


def test_speech_that_begins_with_the_cue_stays_what_it_is():
    cues, said = Cues(), trimmed(spoken(SENTENCE))
    cues.make_for(48_000)
    cues.play(Cue.ON, 0.0, 0.05)
    sent = through(cues, said)
    assert len(sent) == len(said)
    assert correlation(said[:8_000], sent[:8_000])[0] > 0.99
    assert np.array_equal(sent[16_000:], said[16_000:]), "after it, not a sample is touched"


def test_the_filter_comes_and_goes_without_a_click():
    cues, hum = Cues(), (8_000 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.int16)
    cues.make_for(48_000)
    cues.play(Cue.ON, 0.0, 0.05)
    steps = np.abs(np.diff(through(cues, hum).astype(int)))
    assert steps.max() < 1.1 * np.abs(np.diff(hum.astype(int))).max()


def test_without_cues_not_a_sample_is_touched():
    cues, said = Cues(), spoken(SENTENCE)
    assert cues.kept_out(said, 1.0) is said
    block = np.zeros(160, np.int16)
    assert cues.mixed_into(block) is block
