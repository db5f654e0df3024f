import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.endpointing import FRAME_BYTES, BargedIn, Framer, SpeechEnded, SpeechStarted, TurnDetector

LOUD = np.full(320, 2_000, np.int16).tobytes()
QUIET = np.full(320, 10, np.int16).tobytes()
ZEROS = bytes(FRAME_BYTES)


def told(detector, frames, voiced=None):
    events = []
    for frame in frames:
        samples = np.frombuffer(frame, np.int16).astype(float)
        rms = float(np.sqrt(np.mean(samples**2)))
        events += detector.frame(frame, rms, voiced=rms > 600 if voiced is None else voiced)
    return events


def kinds(events):
    return [type(event) for event in events]


def test_a_turn_begins_with_speech_and_ends_after_700_ms_without():
    detector = TurnDetector(600, 8)
    events = told(detector, [QUIET] * 20 + [LOUD] * 50)
    assert kinds(events) == [SpeechStarted]
    assert told(detector, [QUIET] * 34) == []
    (ended,) = told(detector, [QUIET])
    assert ended.reason == "silence"
    assert ended.audio.count(LOUD) == 50


def test_the_utterance_has_300_ms_of_pre_roll_and_a_natural_end():
    detector = TurnDetector(600, 8)
    *_, ended = told(detector, [QUIET] * 50 + [LOUD] * 50 + [QUIET] * 40)
    before, after = ended.audio.split(LOUD * 50)
    assert len(before) == 15 * FRAME_BYTES
    assert len(after) == 10 * FRAME_BYTES


def test_a_clients_closing_silence_ends_the_turn_at_once():
    detector = TurnDetector(600, 8)
    told(detector, [LOUD] * 50)
    assert told(detector, [ZEROS] * 24) == []
    (ended,) = told(detector, [ZEROS])
    assert ended == SpeechEnded(LOUD * 50, "closed")


@pytest.mark.parametrize(("frames", "starts"), [(2, False), (3, True)])
def test_a_click_is_no_speech(frames, starts):
    detector = TurnDetector(600, 8)
    assert kinds(told(detector, [LOUD] * frames + [QUIET] * 10)) == ([SpeechStarted] if starts else [])


def test_loud_and_unvoiced_is_no_speech_nor_is_voiced_and_soft():
    detector = TurnDetector(600, 8)
    assert told(detector, [LOUD] * 50, voiced=False) == []
    assert told(detector, [QUIET] * 50, voiced=True) == []


@pytest.mark.parametrize("threshold", [1, 5, 8, 15])
def test_barge_in_takes_as_many_frames_as_the_threshold_says(threshold):
    detector = TurnDetector(600, threshold)
    detector.agent_speaking = True
    assert told(detector, [LOUD] * (threshold - 1) + [QUIET] + [LOUD] * (threshold - 1)) == []
    assert kinds(told(detector, [LOUD])) == [BargedIn, SpeechStarted]


@pytest.mark.parametrize("threshold", [8, 30, 50])
def test_what_barges_in_is_kept_whole_with_its_pre_roll(threshold):
    detector = TurnDetector(600, threshold)
    detector.agent_speaking = True
    told(detector, [QUIET] * 50 + [LOUD] * threshold)
    detector.agent_speaking = False
    (ended,) = told(detector, [LOUD] * 20 + [ZEROS] * 25)
    assert ended.audio == QUIET * 15 + LOUD * (threshold + 20)


def test_speech_that_begins_under_the_agents_last_words_is_kept_whole():
    detector = TurnDetector(600, 50)
    detector.agent_speaking = True
    told(detector, [QUIET] * 50 + [LOUD] * 40)
    detector.agent_speaking = False
    *_, ended = told(detector, [LOUD] * 10 + [ZEROS] * 25)
    assert ended.audio == QUIET * 15 + LOUD * 50


def test_the_rest_of_a_closing_silence_is_no_pre_roll():
    detector = TurnDetector(600, 8)
    *_, ended = told(detector, [LOUD] * 50 + [ZEROS] * 50 + [LOUD] * 30 + [ZEROS] * 25)
    assert ended == SpeechEnded(LOUD * 30, "closed")


def test_dropping_forgets_what_was_said():
    detector = TurnDetector(600, 8)
    told(detector, [LOUD] * 50)
    detector.drop()
    assert not detector.speaking
    assert told(detector, [ZEROS] * 100) == []


def test_an_utterance_is_bounded():
    detector = TurnDetector(600, 8)
    events = told(detector, [LOUD] * 6_010)
    ended = next(event for event in events if isinstance(event, SpeechEnded))
    assert ended.reason == "length"
    assert len(ended.audio) <= 6_000 * FRAME_BYTES


@given(st.lists(st.integers(0, 5_000), max_size=30))
def test_frames_do_not_depend_on_how_the_bytes_came(lengths):
    stream = (np.arange(sum(lengths) // 2 + 1) % 30_000).astype("<i2").tobytes()[: sum(lengths)]
    framer, at, frames = Framer(), 0, []
    for length in lengths:
        frames += framer.feed(stream[at : at + length])
        at += length
    assert b"".join(frames) == stream[: len(stream) // FRAME_BYTES * FRAME_BYTES]
    assert {len(frame) for frame in frames} <= {FRAME_BYTES}


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=30))
def test_turns_do_not_depend_on_how_the_bytes_came(lengths):
    stream = b"".join([QUIET * 20, LOUD * 30, QUIET * 40, LOUD * 2, QUIET * 5, LOUD * 30, ZEROS * 30])
    framer, at, frames = Framer(), 0, []
    for length in [*lengths, len(stream)]:
        frames += framer.feed(stream[at : at + length])
        at += length
    assert told(TurnDetector(600, 8), frames) == told(TurnDetector(600, 8), Framer().feed(stream))
