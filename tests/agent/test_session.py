"""One session's pipeline without a wire, on a clock that jumps to the next thing to do."""

import asyncio

import numpy as np
import pytest

from selam_cli.agent.reply import CHUNK_BYTES
from selam_cli.agent.responder import EngineFault, Sentence, Speech, Understood
from selam_cli.agent.session import AgentSession
from selam_cli.core.protocol import (
    Action,
    AudioChunk,
    AudioEnd,
    ControlAck,
    ErrorReport,
    ReplyChunk,
    Response,
    StartSession,
    Transcription,
)
from tests.support.jumping_clock import on_a_jumping_clock
from tests.support.speech import spoken

CLOSING = AudioChunk(bytes(2 * 16_000))


class Scripted:
    """Answers every utterance with the same parts; an exception among them is raised, a number is a wait in seconds.

    So are exceptions among the words that it understands, one text an utterance, and those with a number take so long.
    """

    def __init__(self, *parts, words=("hello",)):
        self.parts = parts
        self.words = iter(words)
        self.asked = []
        self.remembered = []
        self.closed = 0
        self.cancelled = 0
        self.on_partial = None
        self.hears_words = True

    def begin(self, on_partial):
        self.on_partial = on_partial
        return ScriptedTurn(self)

    def heard(self, text):
        self.remembered.append(text)


class ScriptedTurn:
    def __init__(self, dialogue):
        self.dialogue = dialogue
        self.fed = b""

    def feed(self, audio):
        self.fed += audio

    def cancel(self):
        self.dialogue.cancelled += 1

    async def understood(self, utterance):
        self.dialogue.asked.append(utterance)
        assert self.fed.startswith(utterance.audio), "what was fed as it came is the utterance and the silence after it"
        words = next(self.dialogue.words, "hello")
        if isinstance(words, tuple):
            seconds, words = words
            await asyncio.sleep(seconds)
        if isinstance(words, Exception):
            raise words
        return Understood(words, has_words=bool(words))

    async def answer(self):
        try:
            for part in self.dialogue.parts:
                if isinstance(part, Exception):
                    raise part
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    yield part
        finally:
            self.dialogue.closed += 1


class Session:
    def __init__(self, *parts, words=("hello",), metrics=None):
        self.responder = Scripted(*parts, words=words)
        self.said = []
        self.conversation = AgentSession(StartSession("mekdes"), self.responder, self.on_message, metrics)
        self._news = asyncio.Event()

    def on_message(self, message):
        self.said.append((round(asyncio.get_running_loop().time(), 3), message))
        self._news.set()

    def speak(self):
        self.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
        self.conversation.hear(CLOSING)

    async def until(self, kind, count=1):
        while len(self.messages(kind)) < count:
            self._news.clear()
            await self._news.wait()

    def messages(self, kind):
        return [message for _, message in self.said if isinstance(message, kind)]

    def times(self, kind):
        return [at for at, message in self.said if isinstance(message, kind)]


def seconds_of_sound(seconds):
    return np.arange(int(16_000 * seconds), dtype="<i2").tobytes()


@on_a_jumping_clock
async def test_a_reply_runs_half_a_second_ahead_of_its_playing_and_no_more():
    session = Session(Response("hello"), Speech(seconds_of_sound(3)))
    session.speak()
    await session.until(AudioEnd)
    began, *_ = times = session.times(ReplyChunk)
    assert len(times) == 30
    for number, at in enumerate(times):
        played = at - began
        ahead = 0.1 * (number + 1) - played
        assert ahead <= 0.5 + 1e-6
        assert number < 5 or ahead >= 0.3


@on_a_jumping_clock
async def test_speech_in_pieces_of_any_length_becomes_chunks_of_100_ms_and_the_rest():
    sound = seconds_of_sound(1.03)
    pieces = [Speech(sound[at : at + 777]) for at in range(0, len(sound), 777)]
    session = Session(*pieces)
    session.speak()
    await session.until(AudioEnd)
    chunks = session.messages(ReplyChunk)
    assert b"".join(chunk.audio for chunk in chunks) == sound
    assert {len(chunk.audio) for chunk in chunks[:-1]} == {CHUNK_BYTES}
    assert {(chunk.format, chunk.sample_rate) for chunk in chunks} == {("pcm16", 16_000)}
    assert session.messages(AudioEnd) == [AudioEnd(len(chunks))]


@on_a_jumping_clock
async def test_an_engine_that_is_slow_is_waited_for_and_not_hurried_after():
    session = Session(Speech(seconds_of_sound(0.1)), 5.0, Speech(seconds_of_sound(2)))
    session.speak()
    await session.until(AudioEnd)
    _, *late = session.times(ReplyChunk)
    assert late[6] - late[0] >= 0.1, "what was silence while the engine thought is no room to run ahead"


@pytest.mark.parametrize("parts", [(60.0, Response("late")), (Response("now"), Speech(seconds_of_sound(60)))])
@on_a_jumping_clock
async def test_an_interrupt_stops_thinking_and_speaking_and_closes_the_engine(parts):
    session = Session(*parts)
    session.speak()
    await asyncio.sleep(1)
    session.conversation.control(Action.INTERRUPT)
    sent = len(session.messages(ReplyChunk))
    assert [message for _, message in session.said[-2:]] == [AudioEnd(sent), ControlAck("interrupt")]
    after = len(session.said)
    await asyncio.sleep(120)
    assert len(session.said) == after
    assert session.responder.closed == 1


@on_a_jumping_clock
async def test_an_interrupt_with_nothing_to_interrupt_is_acknowledged_only():
    session = Session()
    session.conversation.control(Action.INTERRUPT)
    assert [message for _, message in session.said] == [ControlAck("interrupt")]


@on_a_jumping_clock
async def test_pause_holds_the_reply_to_its_very_end():
    session = Session(Response("now"), Speech(seconds_of_sound(1)))
    session.speak()
    await asyncio.sleep(0.2)
    session.conversation.control(Action.PAUSE)
    held = len(session.said)
    await asyncio.sleep(60)
    assert len(session.said) == held
    session.conversation.control(Action.RESUME)
    await session.until(AudioEnd)
    assert b"".join(chunk.audio for chunk in session.messages(ReplyChunk)) == seconds_of_sound(1)


@on_a_jumping_clock
async def test_while_paused_nothing_is_heard_and_what_was_being_said_is_dropped():
    session = Session(Response("now"))
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    session.conversation.control(Action.PAUSE)
    session.speak()
    session.conversation.control(Action.RESUME)
    session.conversation.hear(CLOSING)
    await asyncio.sleep(60)
    assert not session.responder.asked
    session.speak()
    await session.until(AudioEnd)
    assert len(session.responder.asked) == 1


@on_a_jumping_clock
async def test_an_engine_that_fails_costs_its_turn_and_nothing_else():
    session = Session(Response("now"), RuntimeError("no model"))
    session.speak()
    await session.until(AudioEnd)
    (error,) = session.messages(ErrorReport)
    assert error.type == "audio_error"
    assert "no model" not in error.message
    session.speak()
    await session.until(AudioEnd, 2)


@on_a_jumping_clock
async def test_nothing_is_said_after_the_end():
    session = Session(Response("now"), Speech(seconds_of_sound(60)))
    session.speak()
    await asyncio.sleep(1)
    session.conversation.end()
    ended = len(session.said)
    await asyncio.sleep(60)
    assert len(session.said) == ended
    assert session.responder.closed == 1


REPLY = (Response("One two three four. Five."), Sentence("One two three four."), Speech(seconds_of_sound(4)),
         Sentence("Five."), Speech(seconds_of_sound(1)))  # fmt: skip


@on_a_jumping_clock
async def test_a_cough_into_a_reply_holds_it_and_lets_it_go_on_where_it_stopped():
    session = Session(*REPLY, words=("hello", ""))
    session.speak()
    await session.until(ReplyChunk, 10)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    await asyncio.sleep(60)
    held = len(session.messages(ReplyChunk))
    assert held <= 11
    session.conversation.hear(CLOSING)
    await session.until(AudioEnd)
    assert b"".join(chunk.audio for chunk in session.messages(ReplyChunk)) == REPLY[2].audio + REPLY[4].audio
    assert session.messages(Transcription) == [Transcription("hello")]
    assert session.responder.remembered == ["One two three four. Five."]


@on_a_jumping_clock
async def test_words_into_a_reply_cut_it_off_and_what_was_heard_of_it_is_remembered():
    session = Session(*REPLY, words=("hello", "stop"))
    session.speak()
    await session.until(ReplyChunk, 10)
    await asyncio.sleep(2)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    session.conversation.hear(CLOSING)
    await session.until(Transcription, 2)
    assert session.responder.remembered == ["One two"]
    end, text = (next(index for index, (_, message) in enumerate(session.said) if message == wanted)
                 for wanted in (session.messages(AudioEnd)[0], Transcription("stop")))  # fmt: skip
    assert end < text
    await session.until(AudioEnd, 2)


@on_a_jumping_clock
async def test_what_was_dropped_before_it_was_understood_has_no_end_to_be_told():
    session = Session(*REPLY, words=((1.0, ""), (60.0, "hello"), "there", "again"))
    session.speak()
    session.speak()
    await session.until(AudioEnd)  # the first was no words
    session.speak()  # the second is not waited for
    await session.until(ReplyChunk, 10)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    session.responder.on_partial("again")
    session.conversation.hear(CLOSING)
    await session.until(Transcription, 3)
    assert [message.text for message in session.messages(Transcription)] == ["there", "again", "again"]
    assert len(session.messages(AudioEnd)) == 2


@on_a_jumping_clock
async def test_the_first_words_understood_cut_the_reply_off_before_the_speech_has_ended():
    session = Session(*REPLY)
    session.speak()
    await session.until(ReplyChunk, 10)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    session.responder.on_partial("")
    assert not session.messages(AudioEnd)
    session.responder.on_partial("hello")
    assert len(session.messages(AudioEnd)) == 1
    assert session.said[-1][1] == Transcription("hello", is_final=False)


@on_a_jumping_clock
async def test_partial_transcriptions_come_every_300_ms_at_most_and_only_when_they_changed():
    session = Session(*REPLY)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    for text in ("he", "hello", "hello", "hello", "hello", "hello there"):
        session.responder.on_partial(text)
        await asyncio.sleep(0.1)
    assert [(at, message.text) for at, message in session.said] == [(0.0, "he"), (0.3, "hello")]


@on_a_jumping_clock
async def test_a_turn_without_words_is_ended_so_that_nobody_waits_for_its_answer():
    session = Session(*REPLY, words=("",))
    session.speak()
    await session.until(AudioEnd)
    assert [type(message) for _, message in session.said] == [Response, AudioEnd]


@pytest.mark.parametrize(
    ("fault", "told"),
    [(EngineFault("session_error", "The model is gone."), ("session_error", "The model is gone.")),
     (RuntimeError("secret"), ("audio_error", "The agent could not answer. Say it again."))],
)  # fmt: skip
@on_a_jumping_clock
async def test_hearing_that_fails_is_told_and_the_next_turn_goes_well(fault, told):
    session = Session(Response("now"), words=(fault, "hello"))
    session.speak()
    await session.until(AudioEnd)
    [error] = session.messages(ErrorReport)
    assert (error.type, error.message) == told
    session.speak()
    await session.until(Transcription)


@on_a_jumping_clock
async def test_stop_listening_in_mid_speech_drops_it_and_lets_a_held_reply_go_on():
    session = Session(*REPLY)
    session.speak()
    await session.until(ReplyChunk, 10)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    session.conversation.control(Action.STOP_LISTENING)
    await session.until(AudioEnd)
    assert session.responder.cancelled == 1
    assert len(session.messages(ReplyChunk)) == 50


@on_a_jumping_clock
async def test_who_cannot_tell_words_from_a_cough_is_cut_off_by_either_at_once():
    session = Session(*REPLY)
    session.responder.hears_words = False
    session.speak()
    await session.until(ReplyChunk, 10)
    session.conversation.hear(AudioChunk(spoken("Hello there.").tobytes()))
    assert len(session.messages(AudioEnd)) == 1
