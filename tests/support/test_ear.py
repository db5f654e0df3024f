"""The ear itself: what it calls a break and a click is one, and nothing else is."""

import numpy as np

from tests.support.ear import breaks_in, click_dbfs, tone

RATE = 48_000


def sounding(seconds=1.0):
    return tone(seconds, RATE)


def test_a_whole_tone_has_no_break_and_no_click_but_its_own_steps_of_one_bit():
    silence = np.zeros(RATE // 10, np.int16)
    assert breaks_in(np.concatenate((silence, sounding(), silence)), RATE) == []
    assert click_dbfs(sounding(), RATE) < -80


def test_a_gap_is_one_break_of_its_length():
    broken = sounding()
    broken[20_000:24_800] = 0
    [length_ms] = breaks_in(broken, RATE)
    assert abs(length_ms - 100) <= 8


def test_silence_alone_has_no_break():
    assert breaks_in(np.zeros(RATE, np.int16), RATE) == []


def test_a_tone_that_is_cut_clicks_and_one_that_is_faded_over_5_ms_does_not():
    cut, faded = sounding(), sounding()
    crest = int(np.argmax(cut[30_000:30_145])) + 30_000
    cut[crest:] = 0
    faded[crest : crest + 240] = (faded[crest : crest + 240] * np.linspace(1, 0, 240)).astype(np.int16)
    faded[crest + 240 :] = 0
    assert click_dbfs(cut, RATE) > -20
    assert click_dbfs(faded, RATE) < -60


def test_a_skip_in_the_tone_clicks_though_it_is_no_break():
    skipped = np.delete(sounding(), np.arange(30_000, 30_070))
    assert breaks_in(skipped, RATE) == []
    assert click_dbfs(skipped, RATE) > -40
