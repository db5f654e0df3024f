"""A turn through the whole agent, on the wire: how soon it answers offline, and how soon each stage stops when told to.

The client sends in real time, as a microphone does. Seconds count from its closing silence, so that they are what the
agent adds to the endpoint. What stops is seen where it happens: at the server whose connection is closed, and in the
acknowledgement after which nothing of the reply comes.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.hearing import as_recorded
from selam_cli.agent.stt import sphinx
from selam_cli.agent.tts.espeak import Espeak
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.core.protocol import Action, AudioChunk, Control, StartSession
from tests.agent.test_server import CLOSING, Caller, caller, chunks
from tests.support.embedded_agent import embedded_agent
from tests.support.openai_server import OpenAIServer, event, hangs, openai_server, replies, streams, tone, wav_of
from tests.support.questions import questions
from tests.support.speech import spoken

FIRST_SOUND_S = 0.3
STOPPED_S = 0.05
STOPS = 60
SESSION = StartSession("aria")
OFFLINE = AgentSettings(stt="pocketsphinx", llm="none", tts="espeak")


async def measure() -> list[Figure]:
    """Ask every question once, each voice a share of them; then stop each stage again and again."""
    why_not = sphinx.available() or ("" if shutil.which("flite") else "flite is not installed")
    why_not = why_not or ("" if Espeak.installed().languages else "espeak-ng is not installed")
    if why_not:
        return [Figure("turns", "not measured", why_not)]
    return [*await _answers(), *await _stops_at_servers(), await _stops_offline()]


# --- how soon it answers ----------------------------------------------------------------------------------------------


async def _answers() -> list[Figure]:
    took: dict[str, list[float]] = {"transcription": [], "response": [], "audio_chunk": []}
    async with embedded_agent(OFFLINE) as agent:
        for number, voice in enumerate(questions().voices):
            async with caller(agent.url, SESSION) as user:  # one speaker's, to whom the hearing gets used
                await _asked(user, "Hello.", voice)  # and the first of all waits for the model
                for text in questions().texts[number :: len(questions().voices)]:
                    for kind, seconds in (await _asked(user, text, voice)).items():
                        took[kind].append(seconds)
    late_s = percentile(took["audio_chunk"], 95)
    rows = (("its text", "transcription"), ("the answer's first text", "response"))
    return [
        *(Figure(f"offline English: end of speech to {what}", milliseconds(took[kind])) for what, kind in rows),
        Figure(
            "offline English: end of speech to first sound", milliseconds(took["audio_chunk"]),
            f"{len(questions().texts)} questions in real time", f"p95 ≤ {1_000 * FIRST_SOUND_S:.0f} ms",
            late_s <= FIRST_SOUND_S,
        ),
    ]  # fmt: skip


async def _asked(user: Caller, text: str, voice: str) -> dict[str, float]:
    """Ask in real time, and cut the answer off; return when each kind of message first came after the end."""
    await _say_in_real_time(user, text, voice)
    seen = len(user.heard)
    ended = time.perf_counter()
    await user.say(AudioChunk(CLOSING))
    took: dict[str, float] = {}
    while "audio_chunk" not in took:
        await user.more()
        now = time.perf_counter() - ended
        for kind, payload in user.heard[seen:]:
            if kind != "transcription" or payload["is_final"]:
                took.setdefault(kind, now)
        seen = len(user.heard)
    await _interrupted(user)
    return {kind: took[kind] for kind in ("transcription", "response", "audio_chunk")}


async def _say_in_real_time(user: Caller, text: str, voice: str) -> None:
    began = time.perf_counter()
    for number, chunk in enumerate(chunks(as_recorded(spoken(text, voice))), 1):
        await asyncio.sleep(began + number / 10 - time.perf_counter())
        await user.say(chunk)


async def _interrupted(user: Caller) -> None:
    acknowledged = len(user.payloads("control_ack"))
    await user.say(Control(Action.INTERRUPT))
    await user.until("control_ack", acknowledged + 1)


# --- how soon it stops ------------------------------------------------------------------------------------------------


async def _stops_at_servers() -> list[Figure]:
    """Interrupt while a server hears, thinks or speaks; its connection's end is the end of its work."""
    figures = []
    sound = wav_of(tone(0.5))
    heard, thought = replies({"text": "Hello."}), streams(event("Hello. "), then_hangs=True)
    spoke = streams(sound[: len(sound) // 2], content_type="audio/wav", then_hangs=True)
    stages = (
        ("hearing", "audio/transcriptions", {"audio/transcriptions": hangs}),
        ("thinking", "chat/completions", {"audio/transcriptions": heard, "chat/completions": thought}),
        ("speaking", "audio/speech",
         {"audio/transcriptions": heard, "chat/completions": thought, "audio/speech": spoke}),
    )  # fmt: skip
    for stage, path, answers in stages:
        async with openai_server() as server:
            server.answers = answers
            settings = AgentSettings(
                stt_url=server.base_url, stt="openai", llm_url=server.base_url, llm_model="m",
                tts_url=server.base_url, tts="openai" if stage == "speaking" else "none",
            )  # fmt: skip
            async with embedded_agent(settings) as agent, caller(agent.url, SESSION) as user:
                took = [await _stop_at(user, server, path) for _ in range(STOPS)]
        figures.append(_stopped(f"interrupt to the end of {stage}, a server's", took))
    return figures


async def _stop_at(user: Caller, server: OpenAIServer, path: str) -> float:
    at, said = len(server.received), len(user.payloads("response"))
    await user.say(*chunks(spoken("Hello.")), AudioChunk(CLOSING))
    while (number := _first(server, path, at)) is None:
        await server.request(len(server.received) + 1)
    if path == "chat/completions":
        await user.until("response", said + 1)
    started = time.perf_counter()
    await user.say(Control(Action.INTERRUPT))
    await asyncio.wait_for(server.received[number].gone.wait(), 20)
    return time.perf_counter() - started


def _first(server: OpenAIServer, path: str, since: int) -> int | None:
    return next((i for i in range(since, len(server.received)) if server.received[i].path.endswith(path)), None)


async def _stops_offline() -> Figure:
    """Interrupt while espeak-ng's sound is on its way; nothing of it may follow the acknowledgement."""
    took: list[float] = []
    async with embedded_agent(OFFLINE) as agent, caller(agent.url, SESSION) as user:
        for _ in range(STOPS // 3):
            sounded = len(user.payloads("audio_chunk"))
            await user.say(*chunks(spoken("Hello there.")), AudioChunk(CLOSING))
            await user.until("audio_chunk", sounded + 2)
            took.append(await _timed(lambda: _interrupted(user)))
    return _stopped("interrupt to silence, offline", took)


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def _stopped(what: str, took: list[float]) -> Figure:
    held = percentile(took, 95) <= STOPPED_S
    return Figure(what, milliseconds(took), f"{len(took)} times", f"p95 ≤ {1_000 * STOPPED_S:.0f} ms", held)
