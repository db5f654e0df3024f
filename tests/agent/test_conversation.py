"""One session's pipeline without a wire, on a clock that jumps to the next thing to do."""

import asyncio
import functools
import selectors

import numpy as np
import pytest

from selam_cli.agent.conversation import CHUNK_BYTES, Conversation
from selam_cli.agent.responder import Speech
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
from tests.support.speech import spoken

CLOSING = AudioChunk(bytes(2 * 16_000))


class JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: whatever the loop would have slept through has passed at once."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            return super().select()
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = JumpingSelector()
        super().__init__(self._clock)

    def time(self):
        return self._clock.now


def on_a_jumping_clock(test):
    @functools.wraps(test)
    def run(*arguments, **named):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*arguments, **named))

    return run


class Scripted:
    """Answers every utterance with the same parts; an exception among them is raised."""

    greeting = ""

    def __init__(self, *parts):
        self.parts = parts
        self.asked = []
        self.closed = 0

    async def answer(self, utterance, session):
        self.asked.append(utterance)
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    yield part
        finally:
            self.closed += 1


class Session:
    def __init__(self, *parts):
        self.responder = Scripted(*parts)
        self.said = []
        self.conversation = Conversation(StartSession("mekdes"), self.responder, self.on_message)
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
    session = Session(Transcription("hi"), Response("hello"), Speech(seconds_of_sound(3)))
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
