"""Servers that hear, think and speak as they should and as they should not, and what the agent's client gets of it.

Whatever one does, its turn is told of it once, in the protocol's error types and in plain words; what came before
stays, and the next turn goes well.
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from selam_cli.config.agent_settings import AgentSettings
from selam_cli.core.protocol import AudioChunk, StartSession
from tests.agent.test_server import CLOSING, caller, chunks
from tests.support.embedded_agent import embedded_agent
from tests.support.jumping_clock import while_time_flies
from tests.support.openai_server import (
    END,
    OpenAIServer,
    drops,
    event,
    hangs,
    in_turn,
    openai_server,
    refuses,
    replies,
    says,
    streams,
    streams_and_drops,
    tone,
    wav_of,
)
from tests.support.speech import spoken

HEARING, THINKING, SPEAKING = "audio/transcriptions", "chat/completions", "audio/speech"
QUESTION, ANSWER = "What time is it?", "It is noon. Time for lunch."
SOUND = wav_of(tone(0.3))
AS_THEY_SHOULD = {
    HEARING: replies({"text": QUESTION}),
    THINKING: says("It is ", "noon. ", "Time for lunch."),
    SPEAKING: replies(SOUND, headers={"Content-Type": "audio/wav"}),
}
WHOLE = 6
"""Chunks of 100 ms in an answer of two sentences."""

KEY = "sk-selam-test-4711"
NOBODY = object()
NOT_UNDERSTOOD = "gave an answer that is none of the OpenAI protocol's"
TOO_SLOW = "did not answer in time"


class Turn:
    """What the client was told of one."""

    def __init__(self, heard):
        self._heard = heard
        self.understood = " ".join(said["text"] for said in self.all("transcription") if said["is_final"])
        self.answer = (self.all("response") or [{"text": ""}])[-1]["text"]
        self.errors = [(error["type"], error["message"]) for error in self.all("error")]
        (self.sound,) = [end["total_chunks"] for end in self.all("audio_end")]

    def all(self, event):
        return [payload for name, payload in self._heard if name == event]


@asynccontextmanager
async def session(stage):
    """A session whose stage is at a server of its own; the other two are at one that does as it should."""
    async with AsyncExitStack() as stack:
        good, bad = [await stack.enter_async_context(openai_server()) for _ in range(2)]
        good.answers = dict(AS_THEY_SHOULD)
        urls = {path: bad.base_url if path == stage else good.base_url for path in AS_THEY_SHOULD}
        settings = AgentSettings(
            stt="openai", stt_url=urls[HEARING], stt_key=KEY,
            llm="openai", llm_url=urls[THINKING], llm_key=KEY, llm_model="m",
            tts="openai", tts_url=urls[SPEAKING], tts_key=KEY,
        )  # fmt: skip
        agent = await stack.enter_async_context(embedded_agent(settings))
        user = await stack.enter_async_context(caller(agent.url, StartSession("aria")))
        yield user, bad


async def turn(user) -> Turn:
    before = len(user.heard)
    await user.say(*chunks(spoken("What time is it?")), AudioChunk(CLOSING))
    await user.until("audio_end", len(user.payloads("audio_end")) + 1)
    return Turn(user.heard[before:])


async def turn_with(user, bad: OpenAIServer, stage, behaviour) -> Turn:
    """Have a turn with a server that behaves so, and another that goes well."""
    if behaviour is NOBODY:
        async with bad.away():
            told = await turn(user)
    else:
        bad.answers = {stage: behaviour}
        told = await while_time_flies(turn(user), lambda: any(request.hangs for request in bad.received))
    bad.answers = AS_THEY_SHOULD
    after = await turn(user)
    assert (after.understood, after.answer, after.errors, after.sound) == (QUESTION, ANSWER, [], WHOLE)
    assert KEY not in str(user.heard)
    return told


def assert_told(turn: Turn, error_type, words):
    """Hold the turn to one error of that type and with these words, or to none."""
    if error_type is None:
        assert turn.errors == []
        return
    ((told_type, message),) = turn.errors
    assert told_type == error_type
    assert words in message
    assert "127.0.0.1:" in message, "it says who is meant"


def refusals(fault):
    """What each of the three may be refused with, and as what it is told."""
    return {
        "401": (refuses(401, f"Incorrect key {KEY}"), "authentication_error", "does not accept the API key"),
        "403": (refuses(403, "no"), "authorization_error", "refuses this account"),
        "404": (refuses(404, "no"), "validation_error", "Check its address"),
        "429 for long": (refuses(429, "no", {"Retry-After": "30"}), fault, "Try again in 30 s"),
        "500": (refuses(500, "out of memory"), fault, "out of memory"),
        "503 with a web page": (replies("<html>Bad gateway</html>", 503), fault, "HTTP status 503"),
        "nobody": (NOBODY, fault, "Start it, or correct its address"),
        "hangs": (hangs, fault, TOO_SLOW),
        "hangs up": (drops, fault, "closed the connection without an answer"),
    }


def table(*rows):
    cases = {name: row for part in rows for name, row in part.items()}
    return pytest.mark.parametrize(("behaviour", "error_type", "words", "as_far"), [
        pytest.param(*row, *((None,) if len(row) == 3 else ()), id=name) for name, row in cases.items()
    ])  # fmt: skip


BUSY = refuses(429, "no", {"Retry-After": "1"})
WEB_PAGE = replies("<html>Hello</html>", headers={"Content-Type": "text/html"})
GARBAGE = b"\x00\xff{[" * 3_000
BEGUN = b'{"text": "What'


@table(
    refusals("audio_error"),
    {
        "as it should": (AS_THEY_SHOULD[HEARING], None, ""),
        "429 for a moment": (in_turn(BUSY, AS_THEY_SHOULD[HEARING]), None, ""),
        "plain text": (replies(QUESTION), None, ""),
        "garbage": (streams(GARBAGE, content_type="application/json"), "audio_error", NOT_UNDERSTOOD),
        "broken JSON": (replies(BEGUN), "audio_error", NOT_UNDERSTOOD),
        "a web page": (WEB_PAGE, "audio_error", NOT_UNDERSTOOD),
        "hangs in mid-answer": (streams(BEGUN, then_hangs=True), "audio_error", TOO_SLOW),
        "cut in mid-answer": (streams_and_drops(BEGUN), "audio_error", "broke off in the middle of its answer"),
    },
)
async def test_hearing(behaviour, error_type, words, as_far):
    async with session(HEARING) as (user, bad):
        told = await turn_with(user, bad, HEARING, behaviour)
        assert_told(told, error_type, words)
        whole = (QUESTION, ANSWER, WHOLE) if error_type is None else ("", "", 0)
        assert (told.understood, told.answer, told.sound) == whole


HALF_ANSWER = "It is noon."
NOON = event("It is noon. ")
OVERLOADED = b'data: {"error": {"message": "overloaded"}}\n\n'


@table(
    refusals("session_error"),
    {
        "as it should": (AS_THEY_SHOULD[THINKING], None, "", ANSWER),
        "429 for a moment": (in_turn(BUSY, AS_THEY_SHOULD[THINKING]), None, "", ANSWER),
        "all at once": (replies({"choices": [{"message": {"content": ANSWER}}]}), None, "", ANSWER),
        "garbage": (streams(GARBAGE), "session_error", NOT_UNDERSTOOD),
        "a web page": (WEB_PAGE, "session_error", NOT_UNDERSTOOD),
        "nothing": (streams(END), "session_error", "gave an empty answer"),
        "broken events": (streams(NOON, b'data: {"choi\n\n'), "session_error", NOT_UNDERSTOOD, HALF_ANSWER),
        "an error among the events": (streams(NOON, OVERLOADED), "session_error", "overloaded", HALF_ANSWER),
        "hangs in mid-answer": (streams(NOON, then_hangs=True), "session_error", TOO_SLOW, HALF_ANSWER),
        "cut in mid-answer": (streams_and_drops(NOON), "session_error", "broke off in the middle", HALF_ANSWER),
    },
)
async def test_thinking(behaviour, error_type, words, as_far):
    async with session(THINKING) as (user, bad):
        told = await turn_with(user, bad, THINKING, behaviour)
        assert_told(told, error_type, words)
        assert (told.understood, told.answer.strip()) == (QUESTION, as_far or "")
        assert told.sound == {None: 0, HALF_ANSWER: WHOLE // 2, ANSWER: WHOLE}[as_far]
        messages = bad.received[-1].json["messages"]
        remembered = [message["content"].strip() for message in messages if message["role"] == "assistant"]
        assert remembered == ([as_far] if as_far else [])


WAV = "audio/wav"
HALF_SOUND = SOUND[: len(SOUND) // 2]


@table(
    refusals("audio_error"),
    {
        "as it should": (AS_THEY_SHOULD[SPEAKING], None, "", WHOLE),
        "429 for a moment": (in_turn(BUSY, AS_THEY_SHOULD[SPEAKING]), None, "", WHOLE),
        "a format that it lacks": (in_turn(refuses(400, "no wav"), AS_THEY_SHOULD[SPEAKING]), None, "", WHOLE),
        "garbage": (streams(GARBAGE, content_type=WAV), "audio_error", "sent as speech cannot be played"),
        "a web page": (WEB_PAGE, "audio_error", NOT_UNDERSTOOD),
        "nothing": (streams(b"", content_type=WAV), "audio_error", "no sound"),
        "hangs in mid-answer": (streams(HALF_SOUND, content_type=WAV, then_hangs=True), "audio_error", TOO_SLOW, 2),
        "cut in mid-answer": (streams_and_drops(HALF_SOUND, content_type=WAV), "audio_error", "broke off", 2),
    },
)
async def test_speaking(behaviour, error_type, words, as_far):
    async with session(SPEAKING) as (user, bad):
        told = await turn_with(user, bad, SPEAKING, behaviour)
        assert_told(told, error_type, words)
        assert (told.understood, told.answer) == (QUESTION, ANSWER)
        assert told.sound == (as_far or 0)


async def test_slow_tokens_are_shown_and_spoken_as_they_come():
    second, third = asyncio.Event(), asyncio.Event()
    async with session(THINKING) as (user, bad):
        bad.answers = {
            THINKING: streams(event("It "), second, event("is noon. Ti"), third, event("me for lunch."), END)
        }
        await user.say(*chunks(spoken("What time is it?")), AudioChunk(CLOSING))
        assert (await user.until("response"))["text"] == "It "
        second.set()
        await user.until("audio_chunk", 3)
        assert "lunch" not in str(user.payloads("response"))
        third.set()
        await user.until("audio_end")
        assert user.payloads("response")[-1]["text"] == ANSWER
        assert user.payloads("error") == []


async def test_slow_sound_is_heard_as_it_comes():
    rest = asyncio.Event()
    async with session(SPEAKING) as (user, bad):
        slow = streams(HALF_SOUND, rest, SOUND[len(HALF_SOUND) :], content_type=WAV)
        bad.answers = {SPEAKING: in_turn(slow, AS_THEY_SHOULD[SPEAKING])}
        await user.say(*chunks(spoken("What time is it?")), AudioChunk(CLOSING))
        await user.until("audio_chunk")
        rest.set()
        assert await user.until("audio_end") == {"total_chunks": WHOLE}
        assert user.payloads("error") == []
