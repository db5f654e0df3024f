"""Hear, think, speak: how the engines at hand are composed, with engines that do what a test says."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from selam_cli.agent.echo_responder import EchoDialogue
from selam_cli.agent.pipeline import NO_MODEL, Engines, Pipeline
from selam_cli.agent.providers import Heard, Message
from selam_cli.agent.responder import EngineFault, Sentence, Speech, SpokenAudio, Understood
from selam_cli.core.protocol import ErrorReport, Response, StartSession
from tests.support.jumping_clock import on_a_jumping_clock

SAID = SpokenAudio(bytes(32_000))


class Ears:
    """Hears what it is told to, utterance by utterance."""

    def __init__(self, *heard, languages=("en",)):
        self.name = "test ears"
        self.languages = frozenset(languages)
        self.asked = []
        self.cancelled = 0
        self.closed = self.warm = False
        self._next = iter(heard)

    def warm_up(self):
        self.warm = True

    def for_speaker(self):
        return self

    def begin(self, language, on_partial):
        assert self.warm
        self.asked.append(language)
        return self

    def feed(self, audio):
        pass

    async def heard(self, utterance):
        heard = next(self._next)
        return heard if isinstance(heard, Heard) else Heard(heard)

    def cancel(self):
        self.cancelled += 1

    async def close(self):
        self.closed = True


class Mind:
    """Thinks the pieces it is given; a number is a wait, an exception is raised."""

    name = "test mind"

    def __init__(self, *pieces):
        self.pieces = pieces
        self.prompts = []
        self.closed = 0

    async def think(self, prompt):
        self.prompts.append(prompt)
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    yield piece
        finally:
            self.closed += 1

    async def close(self):
        pass


class Mouth:
    """Speaks each sentence as a second of sound a word."""

    name = "test mouth"

    def __init__(self, *languages, fails_at=None):
        self.languages = frozenset(languages or ("en",))
        self.said = []
        self.fails_at = fails_at

    async def speak(self, text, language, voice):
        self.said.append((text, language, voice))
        if text == self.fails_at:
            raise EngineFault("audio_error", "The voice broke.")
        for word in text.split():
            yield word.encode() * 100

    async def close(self):
        pass


def dialogue(engines, voice="aria", language=None, instructions=None):
    return Pipeline(engines).open(StartSession(voice, language, instructions))


async def turn(talk):
    one = talk.begin(lambda _text: None)
    understood = await one.understood(SAID)
    return understood, ([part async for part in one.answer()] if understood.has_words else [])


def shown(parts):
    return [part.text for part in parts if isinstance(part, Response)]


@on_a_jumping_clock
async def test_a_sentence_is_spoken_while_the_next_is_thought_of():
    mind = Mind("One two. ", 5.0, "Three.")
    talk = dialogue(Engines((Ears("hi"),), mind, (Mouth(),)))
    one = talk.begin(lambda _text: None)
    await one.understood(SAID)
    loop, spoken_at = asyncio.get_running_loop(), {}
    async for part in one.answer():
        if isinstance(part, Sentence):
            spoken_at[part.text.strip()] = loop.time()
    assert spoken_at == {"One two.": 0.0, "Three.": 5.0}


@on_a_jumping_clock
async def test_the_text_is_told_whole_each_time_and_not_for_every_piece():
    mind = Mind(*(f"word{number} " if number % 2 == 0 else 0.01 for number in range(100)))
    _, parts = await turn(dialogue(Engines((Ears("hi"),), mind)))
    texts = shown(parts)
    assert len(texts) <= 6
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert texts[-1].partition("\n")[0].endswith("word98 ")


@on_a_jumping_clock
async def test_the_prompt_holds_what_was_said_and_what_was_heard():
    mind = Mind("It is noon.")
    talk = dialogue(Engines((Ears("what time is it", "thanks"),), mind, (Mouth(),)), instructions="Be brief.")
    await turn(talk)
    talk.heard("It is")
    await turn(talk)
    assert mind.prompts[-1].messages == (
        Message("user", "what time is it"), Message("assistant", "It is"), Message("user", "thanks"),
    )  # fmt: skip
    assert mind.prompts[-1].instructions == "Be brief."
    assert mind.prompts[-1].language == "en"


@on_a_jumping_clock
async def test_an_answer_without_a_voice_was_read_and_is_remembered_whole():
    mind = Mind("It is noon.")
    talk = dialogue(Engines((Ears("what time is it", "thanks"),), mind))
    _, parts = await turn(talk)
    talk.heard("")
    await turn(talk)
    assert mind.prompts[-1].messages[1] == Message("assistant", "It is noon.")
    assert "text only" in shown(parts)[-1]


@on_a_jumping_clock
async def test_closing_the_answer_stops_thinking_and_speaking():
    mind = Mind("One two. ", 60.0, "Three.")
    one = dialogue(Engines((Ears("hi"),), mind, (Mouth(),))).begin(lambda _text: None)
    await one.understood(SAID)
    answer = one.answer()
    await anext(answer)
    await answer.aclose()
    assert mind.closed == 1
    assert asyncio.get_running_loop().time() == 0.0
    assert len(asyncio.all_tasks()) == 1


@on_a_jumping_clock
async def test_without_a_model_it_repeats_what_it_understood_and_says_so_once():
    mouth = Mouth()
    talk = dialogue(Engines((Ears("good morning", "good night"),), None, (mouth,)))
    _, first = await turn(talk)
    _, second = await turn(talk)
    assert shown(first) == ["You said: good morning", f"You said: good morning\n{NO_MODEL}"]
    assert shown(second) == ["You said: good night"]
    assert [text for text, _, _ in mouth.said] == ["You said: good morning", "You said: good night"]


@pytest.mark.parametrize(
    ("heard", "session_language", "answered_in"),
    [(Heard("ሰላም", "am"), None, "am"), (Heard("ሰላም"), None, "am"), (Heard("hello"), None, "en"),
     (Heard("12"), None, "so"), (Heard("hello", "en"), "om", "om")],
)  # fmt: skip
@on_a_jumping_clock
async def test_it_answers_in_the_language_heard_unless_one_is_asked_for(heard, session_language, answered_in):
    everything = ("am", "so", "ti", "om", "en")
    mind, mouth, ears = Mind("fine"), Mouth(*everything), Ears(heard, languages=everything)
    engines = Engines((ears,), mind, (mouth,), detect={"ሰላም": "am", "hello": "en"}.get)
    await turn(dialogue(engines, "ubax", session_language))
    assert mind.prompts[0].language == answered_in
    assert mouth.said == [("fine", answered_in, "ubax")]
    assert ears.asked == [None]


@on_a_jumping_clock
async def test_a_sound_without_words_gets_no_answer():
    understood, _ = await turn(dialogue(Engines((Ears(""),))))
    assert understood == Understood("", has_words=False)


@on_a_jumping_clock
async def test_a_mind_that_fails_in_mid_answer_leaves_what_it_said_and_one_error():
    mind = Mind("One two. Thr", EngineFault("session_error", "The model is gone."))
    _, parts = await turn(dialogue(Engines((Ears("hi"),), mind, (Mouth(),))))
    assert [part for part in parts if isinstance(part, ErrorReport)] == [
        ErrorReport("session_error", "The model is gone.")
    ]
    assert shown(parts)[-1] == "One two. Thr"
    assert (
        b"".join(part.audio for part in parts if isinstance(part, Speech))
        == b"One" * 100 + b"two." * 100 + b"Thr" * 100
    )


@on_a_jumping_clock
async def test_a_voice_that_fails_leaves_the_text():
    mind, mouth = Mind("One. ", "Two."), Mouth(fails_at="One.")
    _, parts = await turn(dialogue(Engines((Ears("hi"),), mind, (mouth,))))
    assert shown(parts)[-1] == "One. Two."
    assert [part.message for part in parts if isinstance(part, ErrorReport)] == ["The voice broke."]


@on_a_jumping_clock
async def test_an_answer_without_end_is_ended():
    mind = Mind(*["all work and no play "] * 2_000)
    _, parts = await turn(dialogue(Engines((Ears("hi"),), mind)))
    assert 8_000 <= len(shown(parts)[-1]) < 8_300
    assert mind.closed == 1


@on_a_jumping_clock
async def test_hearing_that_is_cut_off_is_told_to_forget():
    class Slow(Ears):
        async def heard(self, utterance):
            await asyncio.sleep(60)

    ears = Slow()
    one = dialogue(Engines((ears,))).begin(lambda _text: None)
    work = asyncio.create_task(one.understood(SAID))
    await asyncio.sleep(1)
    work.cancel()
    await asyncio.wait([work])
    assert ears.cancelled == 1


# --- what it can't do, it says ----------------------------------------------------------------------------------------

ENGLISH_ONLY = Engines(
    (Ears(languages=("en",)),), None, (Mouth("en"),),
    advice=lambda language: f"Install ears for {language}.", no_model_advice="Start Ollama.",
    no_voice_advice=lambda language: f"Install a voice for {language}.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("engines", "language", "reason"),
    [
        (ENGLISH_ONLY, "am", "Nothing here can hear Amharic. Install ears for am."),
        (replace(ENGLISH_ONLY, hearers=(Ears(languages=("en", "am", "so")),)), "so",
         "Answering in Somali takes a language model. Start Ollama."),
        (ENGLISH_ONLY, "en", None), (ENGLISH_ONLY, None, None),
    ],
)  # fmt: skip
def test_a_language_that_cannot_be_heard_and_a_translation_that_cannot_be_made_are_refused(engines, language, reason):
    refusal = Pipeline(engines).refusal(StartSession("aria", language))
    assert (refusal and (refusal.type, refusal.message)) == (reason and ("session_error", reason))


def test_where_only_the_voice_implies_a_language_that_is_not_heard_it_plays_back_and_says_why():
    pipeline = Pipeline(ENGLISH_ONLY)
    assert isinstance(pipeline.open(StartSession("mekdes")), EchoDialogue)
    greeting = pipeline.greeting("mekdes")
    assert "cannot hear Amharic yet. Install ears for am." in greeting
    assert "plays back what you said" in greeting


def test_the_greeting_says_what_hears_thinks_and_speaks_and_what_is_missing():
    assert Pipeline(ENGLISH_ONLY).greeting("aria") == (
        "This is the embedded agent. It hears English (test ears). It has no language model, so it repeats what it "
        "understood. Start Ollama."
    )
    silent = Pipeline(replace(ENGLISH_ONLY, thinker=Mind(), synthesizers=())).greeting("aria")
    assert "It answers with test mind. It has no voice for English, so its answers are text only." in silent
    assert silent.endswith("Install a voice for en.")


@on_a_jumping_clock
async def test_closing_closes_every_engine():
    ears = Ears()
    await Engines((ears,), Mind(), (Mouth(),)).close()
    assert ears.closed
