"""English by pocketsphinx, the real one: what it hears, and what it does not take for words."""

import asyncio
import itertools
import os
import platform
import sys

import numpy as np
import pytest

from benchmarks.hearing import MOST_ERRORS_PERCENT, as_recorded
from selam_cli.agent.engines import Heard
from selam_cli.agent.hearing import in_workers, sphinx
from selam_cli.agent.hearing.voicing import has_voice
from selam_cli.agent.responder import Utterance
from tests.support.needs import need
from tests.support.noises import sounds_without_words
from tests.support.questions import questions, word_errors, words
from tests.support.speech import spoken

SOAK = os.environ.get("SELAM_SOAK") == "1"
QUESTION = "How do plants make food from sunlight?"


@pytest.fixture(scope="module")
def recogniser():
    """The recogniser itself, in this process."""
    need("pocketsphinx", sphinx.available() is None)
    from selam_cli.agent.hearing.sphinx_recogniser import SphinxRecogniser  # noqa: PLC0415  # it may not be installed

    return SphinxRecogniser()


def hear(recogniser, sound, memory=None, piece=1_600):
    """Return what is heard of a sound that comes in pieces, what was told before its end, and the memory."""
    recogniser.begin("en", memory)
    so_far = [recogniser.feed(sound[at : at + piece].tobytes()) for at in range(0, len(sound), piece)]
    heard, memory = recogniser.finish()
    return heard.text, [text for text in so_far if text], memory


@pytest.mark.timeout(300)
async def test_questions_in_four_voices_are_heard():
    """Twelve questions, each in one voice; all twenty in every voice with SELAM_SOAK=1, and in the benchmark."""
    need("pocketsphinx", sphinx.available() is None)
    listed = questions()
    asked = {voice: listed.texts[number :: 2 * len(listed.voices)] for number, voice in enumerate(listed.voices)}
    if SOAK:
        asked = dict.fromkeys(listed.voices, listed.texts)
    hearer = sphinx.hearer(workers=2)

    async def errors_of(voice):
        ears, errors = hearer.for_speaker(), 0
        for text in asked[voice]:
            sound = as_recorded(await asyncio.to_thread(spoken, text, voice)).tobytes()
            listening = ears.begin("en", lambda _: None)
            listening.feed(sound)
            errors += word_errors(text, (await listening.heard(Utterance(sound))).text)
        return errors

    try:
        wrong = sum(await asyncio.gather(*(errors_of(voice) for voice in listed.voices)))
    finally:
        await hearer.close()
    in_all = sum(len(words(text)) for texts in asked.values() for text in texts)
    assert 100 * wrong / in_all <= MOST_ERRORS_PERCENT


def test_what_is_understood_is_told_while_somebody_speaks(recogniser):
    text, so_far, _ = hear(recogniser, as_recorded(spoken(QUESTION, "rms")))
    assert word_errors(QUESTION, text) <= 1
    assert so_far
    assert word_errors(QUESTION, so_far[-1]) <= 4
    assert len(words(so_far[0])) < len(words(QUESTION))


def test_an_utterance_is_heard_the_same_whoever_spoke_before(recogniser):
    sound = as_recorded(spoken(QUESTION, "awb"))
    first = hear(recogniser, sound)
    hear(recogniser, as_recorded(spoken("I would like to know how the heart pumps blood.", "slt")))
    recogniser.begin("en", None)
    recogniser.feed(as_recorded(spoken("This was dropped.", "kal16")).tobytes())
    recogniser.drop()
    assert hear(recogniser, sound) == first


def test_a_speaker_is_remembered_and_their_next_words_come_sooner(recogniser):
    sound = as_recorded(spoken("Is there a pharmacy open at this time of night?", "rms"))
    _, first, memory = hear(recogniser, sound)
    assert len(memory) == 13
    _, again, later = hear(recogniser, sound, memory)
    assert len(again) > len(first)
    assert later == pytest.approx(memory, abs=8)


def test_zeros_before_after_and_within_change_nothing(recogniser):
    sound = as_recorded(spoken(QUESTION, "rms"))
    plain = hear(recogniser, sound)[0]
    zeros = np.zeros(16_000, np.int16)
    assert hear(recogniser, np.concatenate((zeros, sound, zeros)))[0] == plain
    assert hear(recogniser, np.concatenate((zeros, sound, zeros)), piece=100_000)[0] == plain
    twice = hear(recogniser, np.concatenate((sound, zeros, zeros, sound)))[0]
    assert word_errors(f"{QUESTION} {QUESTION}", twice) <= 4


@pytest.mark.parametrize("count", [0, 1, 160, 1_599])
def test_what_is_shorter_than_a_word_is_none(recogniser, count):
    assert hear(recogniser, spoken("Hello.")[4_000 : 4_000 + count])[0] == ""


def test_silence_is_no_word(recogniser):
    for silence in (np.zeros(48_000, np.int16), as_recorded(np.zeros(48_000, np.int16))):
        assert hear(recogniser, silence)[:2] == ("", [])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(20 if SOAK else 1))
def test_coughs_breaths_and_noise_are_no_words_at_no_time(recogniser, seed):
    for name, sound in itertools.islice(sounds_without_words(seed), 0 if SOAK else 1, None, 1 if SOAK else 4):
        assert hear(recogniser, sound)[:2] == ("", []), name


@pytest.mark.parametrize("voice", ["slt", "awb", "rms", "kal16"])
@pytest.mark.parametrize("word", ["Yes.", "No.", "Stop.", "Hello.", "Okay.", "Wait.", "Why?", "Thank you.", "Go on."])
def test_the_shortest_words_have_a_voice(word, voice):
    assert has_voice(as_recorded(spoken(word, voice)).tobytes())
    assert has_voice(as_recorded(spoken(word, voice) // 8).tobytes())


async def test_a_worker_hears_as_the_recogniser_does(recogniser):
    sound = as_recorded(spoken(QUESTION, "kal16"))
    hearer = sphinx.hearer(workers=1)
    try:
        listening = hearer.begin("en", lambda _: None)
        for at in range(0, len(sound), 320):
            listening.feed(sound[at : at + 320].tobytes())
        heard = await asyncio.wait_for(listening.heard(Utterance(sound.tobytes())), 60)
    finally:
        await hearer.close()
    assert word_errors(QUESTION, heard.text) <= 2
    assert heard == Heard(heard.text, "en")


@pytest.mark.parametrize(
    ("system", "machine", "version", "says"),
    [
        ("linux", "x86_64", (3, 12), "pip install 'selam-voice[local]'"),
        ("linux", "x86_64", (3, 14), "no build for Python 3.14"),
        ("linux", "aarch64", (3, 12), "no build for Python 3.12"),
        ("linux", "aarch64", (3, 13), "pip install 'selam-voice[local]'"),
        ("darwin", "arm64", (3, 13), "pip install 'selam-voice[local]'"),
        ("win32", "ARM64", (3, 13), "no build for Python 3.13"),
    ],
)
def test_where_it_is_missing_a_sentence_says_what_to_do(monkeypatch, system, machine, version, says):
    class Version(tuple):
        major, minor = version

    monkeypatch.setattr(sphinx, "installed", lambda _: False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "version_info", Version(version))
    assert says in sphinx.available()


def test_where_it_is_there_nothing_is_loaded_to_know_it():
    need("pocketsphinx", in_workers.installed("pocketsphinx"))
    assert sphinx.available() is None
