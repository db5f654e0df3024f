import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.sound.resample import Resampler


def sine(rate_hz, seconds=0.5, tone_hz=440.0, amplitude=12_000):
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * tone_hz * t)).astype(np.int16)


def converted(sound, from_hz, to_hz, pieces=None):
    resampler = Resampler(from_hz, to_hz)
    cuts = np.cumsum(pieces) if pieces else range(0, len(sound), from_hz // 50)
    out = [resampler.process(piece) for piece in np.split(sound, [cut for cut in cuts if cut < len(sound)])]
    return np.concatenate([*out, resampler.flush()])


@pytest.mark.parametrize("from_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("to_hz", [8_000, 11_025, 16_000, 24_000, 44_100, 48_000, 96_000])
def test_a_tone_stays_the_tone_with_no_sample_lost_or_added(from_hz, to_hz):
    tone = sine(from_hz)
    heard = converted(tone, from_hz, to_hz)
    wanted = sine(to_hz)
    assert abs(len(heard) - len(tone) * to_hz / from_hz) <= 1
    inner = slice(200, min(len(heard), len(wanted)) - 200)
    error = heard[inner].astype(float) - wanted[inner]
    assert np.linalg.norm(error) < np.linalg.norm(wanted[inner].astype(float)) / 300, "less than 50 dB above the error"


def test_equal_rates_change_nothing():
    sound = sine(16_000)
    assert np.array_equal(converted(sound, 16_000, 16_000), sound)


def test_a_loud_square_saturates_and_never_wraps():
    square = np.where(np.arange(4_800) // 24 % 2, 32_767, -32_768).astype(np.int16)
    heard = converted(square, 48_000, 16_000)
    for half in range(20, 80):
        middle = heard[half * 8 + 4]
        assert abs(int(middle)) > 20_000


@settings(max_examples=30)
@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=30))
def test_the_pieces_do_not_matter(pieces):
    sound = sine(48_000, 0.3)
    whole = converted(sound, 48_000, 16_000, [len(sound)])
    split = converted(sound, 48_000, 16_000, pieces)
    count = min(len(whole), len(split))
    assert abs(len(whole) - len(split)) <= 1
    assert np.abs(whole[:count].astype(int) - split[:count]).max() <= 2
