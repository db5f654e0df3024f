import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.heard_text import SpeakingRate, SpokenText, VoicedTime, heard_characters
from tests.support.speech import spoken_words

RATE = 16_000


def loud(seconds, rate_hz=RATE):
    return (8_000 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.int16)


def silent(seconds, rate_hz=RATE):
    return np.zeros(round(seconds * rate_hz), np.int16)


def voiced(*pieces, rate_hz=RATE):
    time = VoicedTime()
    for piece in pieces:
        time.feed(piece, rate_hz)
    return time


@pytest.mark.parametrize(
    ("text", "heard_s", "heard"),
    [
        ("one two three four", 0.0, ""),
        ("one two three four", 0.1, ""),
        ("one two three four", 1.0, "one two"),
        ("one two three four", 2.0, "one two three four"),
        ("one two three four ", 9.0, "one two three four "),
        ("One, two! Three? Four.", 1.0, "One, two!"),
        ("ሰላም፡ለዓለም፡ሁሉ፡ሰላም።", 1.0, "ሰላም፡ለዓለም፡"),
        ("ሰላም ለዓለም፣ ሁሉ ሰላም።", 1.0, "ሰላም ለዓለም፣"),
        ("a - b", 2.0, "a - b"),
        ("", 1.0, ""),
        ("...", 1.0, "..."),
    ],
)
def test_the_cut_is_at_a_word_with_its_marks(text, heard_s, heard):
    assert text[: heard_characters(text, heard_s, 2.0)] == heard


def test_a_number_takes_the_time_of_its_words():
    text = "In 1991 it was"
    assert text[: heard_characters(text, 0.5, 1.0)] == "In 1991"


def test_without_sound_nothing_was_heard():
    assert heard_characters("one two", 0.0, 0.0) == 0


@given(st.text("ab ፡ሰላ.,7\n", max_size=60), st.floats(0, 5), st.floats(0, 5))
def test_who_hears_longer_hears_no_less_and_never_half_a_word(text, some_s, more_s):
    some_s, more_s = sorted((some_s, more_s))
    first, second = heard_characters(text, some_s, 4.0), heard_characters(text, more_s, 4.0)
    assert 0 <= first <= second <= len(text)
    assert first in {0, len(text)} or not text[first - 1].isspace()
    assert first in {0, len(text)} or text[first - 1] == "፡" or not re.match(r"[^\s፡]", text[first:])


def test_pauses_are_no_voice():
    time = voiced(silent(0.5), loud(1.0), silent(2.0), loud(0.5), silent(0.4))
    assert time.seconds() == pytest.approx(1.5, abs=0.02)
    assert time.seconds(0.5) == 0.0
    assert time.seconds(1.0) == pytest.approx(0.5, abs=0.02)
    assert time.seconds(3.0) == pytest.approx(1.0, abs=0.02)


def test_the_pieces_in_which_a_reply_comes_and_their_rates_make_no_difference():
    sound = np.concatenate((silent(0.3), loud(0.5), silent(0.2), loud(0.3)))
    pieces = voiced(*np.array_split(sound, 37))
    assert pieces.seconds(0.6) == voiced(sound).seconds(0.6)
    time = voiced(sound)
    time.feed(loud(1.0, 24_000), 24_000)
    assert time.seconds() == pytest.approx(1.8, abs=0.04)


def test_a_reply_that_was_heard_whole_teaches_the_voices_pace():
    text = "one two three four " * 10
    usual = SpeakingRate().seconds_for(text)
    slow = SpeakingRate().learned(text, 3 * usual)
    assert slow.seconds_for(text) > 2 * usual
    for _ in range(20):
        slow = slow.learned(text, 3 * usual)
    assert slow.seconds_for(text) == pytest.approx(3 * usual, rel=0.05)
    assert SpeakingRate().learned("", 3.0) == SpeakingRate().learned("one", 0.0) == SpeakingRate()


TALE = (
    "A rainbow is a division of white light into many beautiful colors. These take the shape of a long round arch, "
    "with its path high above, and its two ends apparently beyond the horizon. There is, according to legend, a "
    "boiling pot of gold at one end. People look, but no one ever finds it."
)


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
def test_in_real_speech_the_word_found_is_near_the_one_that_sounds(voice):
    sound, middles_s = spoken_words(TALE, voice)
    time, text = voiced(sound), SpokenText()
    off_by = []
    for at_s in np.arange(0.2, len(sound) / RATE, 0.1):
        said = text.heard(TALE, voice, time, at_s, complete=True)
        off_by.append(abs(len(said.split()) - sum(middle_s <= at_s for middle_s in middles_s)))
    assert np.mean(off_by) < 1.5
    assert max(off_by) <= 3


def test_while_sound_is_still_to_come_the_voices_pace_tells_the_place():
    """The whole text is there, and of its sound the first four seconds, three of them heard."""
    sound, middles_s = spoken_words(TALE, "slt")
    begun, text = voiced(sound[: 4 * RATE]), SpokenText()
    text.sound_begins(1)
    text.was_heard_whole(TALE, "slt", voiced(sound))
    said = text.heard(TALE, "slt", begun, 3.0, complete=False)
    assert abs(len(said.split()) - sum(middle_s <= 3.0 for middle_s in middles_s)) <= 2


def test_a_voice_slower_than_believed_has_said_no_more_than_its_sound():
    text = SpokenText()
    text.sound_begins(1)
    said = text.heard("one two three four", "slow", voiced(loud(10.0)), 5.0, complete=False)
    assert said == "one two"


def test_each_sound_of_a_turn_says_what_came_since_the_one_before():
    text = SpokenText()
    text.sound_begins(1)
    text.sound_is_complete("One two.")
    text.sound_begins(1)
    said = text.heard("One two. Three four.", "v", voiced(loud(1.0)), 0.5, complete=True)
    assert said == "One two. Three"
    text.sound_begins(2)
    assert text.heard("Five six.", "v", voiced(loud(1.0)), 0.5, complete=True) == "Five"
