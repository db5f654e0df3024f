"""Who says "stop" over a reply stops it; the reply's own echo in their microphone does not."""

import asyncio
import itertools
import os

import numpy as np
import pytest

from selam_cli.agent.stt import sphinx
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.core.protocol import AudioChunk, StartSession, decode_server
from tests.agent.conftest import server  # noqa: F401  # a fixture
from tests.agent.test_server import CLOSING, caller, chunks
from tests.support.embedded_agent import embedded_agent
from tests.support.needs import need
from tests.support.openai_server import OpenAIServer, in_turn, replies, says, wav_of
from tests.support.questions import questions
from tests.support.speech import spoken

ANSWER = (
    "The weather today will be sunny in the morning. In the afternoon some clouds come in from the west, and there "
    "may be a little rain. Tomorrow it will be much colder, so take a coat with you."
)
SOAK = os.environ.get("SELAM_SOAK") == "1"
SHORT_ANSWER = ANSWER if SOAK else ANSWER.partition(", and there")[0]
QUESTION = "Hello there."
WAYS = ("Stop.", "Stop, please.", "Please stop.")
VOICES = ("kal16", "slt", "awb")
ECHO = 0.1
"""−20 dB."""

BEFORE_MS, AFTER_MS = 500, 1_000

AT_ONCE = 6
"""Sessions: with more of them each would wait for its turn to be heard for long, on a machine that is slow."""


def with_a_voice(server: OpenAIServer, sound: np.ndarray | None):  # noqa: F811  # the fixture
    """Offline English that answers at length, in a voice of its own or in a server's, which speaks all at once."""
    need("pocketsphinx", sphinx.available() is None)
    server.answers.setdefault("chat/completions", says(ANSWER))
    thinking = {"stt": "pocketsphinx", "llm_url": server.base_url, "llm_model": "m"}
    if sound is None:
        return AgentSettings(**thinking, tts="espeak")
    wav = {"Content-Type": "audio/wav"}
    server.answers["audio/speech"] = in_turn(
        replies(wav_of(sound, 16_000), headers=wav), replies(wav_of(sound[:160], 16_000), headers=wav)
    )
    return AgentSettings(**thinking, tts="openai", tts_url=server.base_url)


def echo_of(payload) -> np.ndarray:
    return np.frombuffer(decode_server("audio_chunk", payload).audio, "<i2") * ECHO


async def speak_into_a_reply(user, word: np.ndarray) -> None:
    """Say a word over the reply's echo, and wait until the reply has ended, cut off or whole."""
    await user.say(*chunks(spoken(QUESTION)), AudioChunk(CLOSING))
    await user.until("audio_chunk", 15)
    heard = np.concatenate([echo_of(payload) for payload in user.payloads("audio_chunk")])
    before, after = 16 * BEFORE_MS, 16 * AFTER_MS
    microphone = np.resize(heard, before + len(word) + after) + np.pad(word, (before, after))
    await user.say(*chunks(np.clip(microphone, -32_768, 32_767).astype("<i2")))
    await user.until("audio_end")


@pytest.mark.timeout(300)
async def test_stop_over_a_reply_stops_it(server):  # noqa: F811
    """Each way once, in three voices; every way in every voice with SELAM_SOAK=1."""
    recordings = list(itertools.product(WAYS, questions().voices) if SOAK else zip(WAYS, VOICES, strict=True))
    free = asyncio.Semaphore(AT_ONCE)
    async with embedded_agent(with_a_voice(server, None)) as agent:

        async def stop(text: str, voice: str) -> None:
            async with free, caller(agent.url, StartSession("aria", interrupt_threshold=8)) as user:
                await speak_into_a_reply(user, spoken(text, voice))

        await asyncio.gather(*(stop(*recording) for recording in recordings))
        stopped = (await agent.turns())["interrupted"]
    assert stopped >= len(recordings) - len(recordings) // 6


async def reply_with_its_echo(url: str, voice: str) -> list[str]:
    """Have a reply while the microphone hears it; return all that was understood meanwhile and just after."""
    async with caller(url, StartSession(voice, interrupt_threshold=8)) as user:
        await user.say(*chunks(spoken(QUESTION)), AudioChunk(CLOSING))
        rest = np.zeros(112)  # 7 ms: no frame of the echo is one of the reply
        for number in itertools.count(1):
            chunk = asyncio.create_task(user.until("audio_chunk", number))
            end = asyncio.create_task(user.until("audio_end"))
            await asyncio.wait({chunk, end}, return_when=asyncio.FIRST_COMPLETED)
            end.cancel()
            if not chunk.done():
                chunk.cancel()
                break
            heard = np.concatenate((rest, echo_of(chunk.result())))
            rest = heard[len(heard) // 320 * 320 :]
            await user.say(AudioChunk(heard[: len(heard) - len(rest)].astype("<i2").tobytes()))
        noise = np.random.default_rng(number).normal(0, 5, 16_000).astype(np.int16)
        await user.say(*chunks(noise), AudioChunk(CLOSING))
        return [payload["text"] for payload in user.payloads("transcription") if payload["is_final"]]


async def test_a_replys_own_echo_never_stops_it_nor_begins_a_turn(server):  # noqa: F811
    loud = np.clip(2.0 * spoken(SHORT_ANSWER), -32_768, 32_767).astype(np.int16)
    server.answers["chat/completions"] = says(SHORT_ANSWER)
    async with (
        embedded_agent(with_a_voice(server, None)) as offline,
        embedded_agent(with_a_voice(server, loud)) as with_a_loud_server,
    ):
        voices = ["andrew", "aria", "alloy"] if SOAK else ["andrew"]
        replies_heard = [*((offline, voice) for voice in voices), (with_a_loud_server, "aria")]
        understood = await asyncio.gather(*(reply_with_its_echo(agent.url, voice) for agent, voice in replies_heard))
        assert [len(texts) for texts in understood] == [1] * len(replies_heard), "the question, and no echo"
        assert await offline.turns() == {"answered": len(voices)}
        assert await with_a_loud_server.turns() == {"answered": 1}
