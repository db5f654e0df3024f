"""English by pocketsphinx, the real one: what it hears, and what it does not take for words."""

import asyncio
import os
import platform
import sys

import numpy as np
import pytest

from benchmarks.hearing import MOST_ERRORS_PERCENT, as_recorded
from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import SpokenAudio
from selam_cli.agent.stt import in_workers, sphinx
from selam_cli.agent.stt.voicing import has_voice
from tests.support.needs import need
from tests.support.noises import sounds_without_words
from tests.support.questions import questions, word_errors, words
from tests.support.speech import spoken

pytestmark = [
    pytest.mark.xdist_group("pocketsphinx"),  # what is heard once is asked about several times
    pytest.mark.timeout(600),  # the first test hears four questions, on a machine that may have much else to do
]
SOAK = os.environ.get("SELAM_SOAK") == "1"
ASKED = {
    "slt": "What time is it in London right now?",
    "awb": "When does the library close on Friday?",
    "rms": "How do plants make food from sunlight?",
    "kal16": "Where is the station?",
}


@pytest.fixture(scope="module")
def recogniser():
    """The recogniser itself, in this process."""
    need("pocketsphinx", sphinx.available() is None)
    from selam_cli.agent.stt.sphinx_recogniser import SphinxRecogniser  # it may not be installed

    return SphinxRecogniser()


def hear(recogniser, sound, memory=None, piece=1_600):
    """Return what is heard of a sound that comes in pieces, what was told before its end, and the memory."""
    recogniser.begin("en", memory)
    so_far = [recogniser.feed(sound[at : at + piece].tobytes()) for at in range(0, len(sound), piece)]
    heard, memory = recogniser.finish()
    return heard.text, [text for text in so_far if text], memory


@pytest.fixture(scope="module")
def asked(recogniser):
    """What is heard of a question in each voice, each a speaker who was not heard before."""
    return {voice: hear(recogniser, as_recorded(spoken(text, voice))) for voice, text in ASKED.items()}


@pytest.fixture(scope="module")
def short(asked):
    """The shortest of them as a sound, and what is heard of it."""
    return as_recorded(spoken(ASKED["kal16"], "kal16")), asked["kal16"]


def test_a_question_in_each_of_four_voices_is_heard(asked):
    wrong = sum(word_errors(text, asked[voice][0]) for voice, text in ASKED.items())
    assert 100 * wrong / sum(len(words(text)) for text in ASKED.values()) <= MOST_ERRORS_PERCENT


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_twenty_questions_of_each_of_four_speakers_are_heard(recogniser):
    listed, wrong = questions(), 0
    for voice in listed.voices:
        memory = None
        for text in listed.texts:
            heard, _, memory = hear(recogniser, as_recorded(spoken(text, voice)), memory)
            wrong += word_errors(text, heard)
    assert 100 * wrong / sum(len(listed.voices) * len(words(text)) for text in listed.texts) <= MOST_ERRORS_PERCENT


def test_what_is_understood_is_told_while_somebody_speaks(asked):
    text, so_far, _ = asked["rms"]
    assert word_errors(ASKED["rms"], text) <= 1
    assert word_errors(ASKED["rms"], so_far[-1]) <= 4
    assert len(words(so_far[0])) < len(words(ASKED["rms"]))


def test_an_utterance_is_heard_the_same_whoever_spoke_before(recogniser, short):
    sound, first = short
    hear(recogniser, as_recorded(spoken("Hello there.", "slt")))
    recogniser.begin("en", None)
    recogniser.feed(as_recorded(spoken("This was dropped.", "kal16")).tobytes())
    recogniser.drop()
    assert hear(recogniser, sound) == first


def test_a_speaker_is_remembered_and_their_next_words_come_sooner(recogniser, short):
    sound, (_, first, memory) = short
    assert len(memory) == 13
    _, again, later = hear(recogniser, sound, memory)
    assert len(again) > len(first)
    assert later == pytest.approx(memory, abs=8)


def test_zeros_before_after_and_within_change_nothing(recogniser, short):
    sound, (plain, _, _) = short
    zeros = np.zeros(16_000, np.int16)
    assert hear(recogniser, np.concatenate((zeros, sound, zeros)), piece=100_000)[0] == plain
    twice = hear(recogniser, np.concatenate((zeros, sound, zeros, zeros, sound, zeros)))[0]
    assert word_errors(2 * f"{ASKED['kal16']} ", twice) <= 2


@pytest.mark.parametrize("count", [0, 1, 160, 1_599])
def test_what_is_shorter_than_a_word_is_none(recogniser, count):
    assert hear(recogniser, spoken("Hello.")[4_000 : 4_000 + count])[0] == ""


def test_silence_is_no_word(recogniser):
    for silence in (np.zeros(48_000, np.int16), as_recorded(np.zeros(48_000, np.int16))):
        assert hear(recogniser, silence)[:2] == ("", [])


@pytest.mark.parametrize("seed", range(20 if SOAK else 2))
def test_breaths_clicks_and_noise_have_no_voice_at_any_time(seed):
    for name, sound in sounds_without_words(seed):
        if "cough" in name or "door" in name:  # these have a pitch, now and then; the decoder finds no words there
            continue
        for end in range(1_600, len(sound) + 1_600, 1_600):
            assert not has_voice(sound[:end].tobytes()), name


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20 if SOAK else 1))
def test_coughs_breaths_and_noise_are_no_words_at_no_time(recogniser, seed):
    """By default what the decoder takes for words, and what has a voice; every sound with SELAM_SOAK=1."""
    for name, sound in sounds_without_words(seed):
        if SOAK or name in {"2 coughs", "a breath, 0.6 s"}:
            assert hear(recogniser, sound)[:2] == ("", []), name


@pytest.mark.parametrize("voice", ["slt", "awb", "rms", "kal16"])
@pytest.mark.parametrize("word", ["Yes.", "No.", "Stop.", "Hello.", "Okay.", "Wait.", "Why?", "Thank you.", "Go on."])
def test_the_shortest_words_have_a_voice(word, voice):
    assert has_voice(as_recorded(spoken(word, voice)).tobytes())
    assert has_voice(as_recorded(spoken(word, voice) // 8).tobytes())


async def test_a_worker_hears_as_the_recogniser_does(short):
    sound, (text, _, _) = short
    hearer, partials = sphinx.hearer(workers=1), []
    try:
        listening = hearer.begin("en", partials.append)
        for at in range(0, len(sound), 320):
            listening.feed(sound[at : at + 320].tobytes())
        async with asyncio.timeout(60):
            while not partials:
                await asyncio.sleep(0.01)
        heard = await asyncio.wait_for(listening.heard(SpokenAudio(sound.tobytes())), 60)
    finally:
        await hearer.close()
    assert word_errors(text, heard.text) <= 1
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
