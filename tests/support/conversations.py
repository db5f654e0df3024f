"""Conversations on a virtual sound card, whose both ends are the test's: the server's, and the card's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import numpy as np

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioEnd, ReplyChunk
from tests.support.lines import Lines, talk_json
from tests.support.voice_server import VoiceServer, voice_server
from tests.support.vsound import VirtualSoundCard

HALF_A_SECOND = 16_000
"""Of what the server gets, in bytes."""


@asynccontextmanager
async def conversation(
    card: VirtualSoundCard, library: Mapping[str, str], *options: str, settings: str = "", module: str = "selam_cli"
) -> AsyncIterator[tuple[Lines, VoiceServer]]:
    """Begin one, and end it as a user does; what a `library` is, `sound_libraries.py` says."""
    config = card.folder / "config.toml"
    config.write_text(settings)
    environment = {**card.environment, **library, "SELAM_CONFIG": str(config)}
    async with (
        voice_server() as server,
        talk_json("--server", server.url, *options, environment=environment, module=module) as engine,
    ):
        await engine.until("session_started")
        await engine.until("state", lambda line: line["speaker"])
        yield engine, server
        if engine.process.returncode is None:
            engine.send("quit")
            assert await engine.ended() == 0


async def hears(engine: Lines) -> None:
    """Wait until the microphone has delivered something."""
    await engine.until("state", lambda line: line["microphone"]["open"] and not line["microphone"].get("opening"))


async def notice(engine: Lines, code: str, count: int = 1) -> dict:
    """Wait for a notice."""
    return await engine.until("notice", lambda line: line["code"] == code, count)


async def talk(card: VirtualSoundCard, said: np.ndarray, into: str = "mic") -> None:
    """Speak into one of the card's microphones, to the end."""
    await asyncio.to_thread(card.speak, said, into=into)


async def arrived(server: VoiceServer) -> None:
    """Wait until what the microphone has just heard is at the server, and half a second of silence after it."""
    wanted = len(server.audio) + HALF_A_SECOND
    await server.until(lambda: len(server.audio) >= wanted)


async def let_go(engine: Lines, server: VoiceServer, count: int = 1) -> np.ndarray:
    """Release the key; return all that the server has got once it has got all that was said."""
    engine.send("release")
    await engine.until("talk_ended", count=count)
    said_s = sum(line["seconds"] for line in engine.events("talk_ended"))
    await server.until(lambda: len(server.audio) >= said_s * 32_000 - 1_000)  # the last chunk may be part of one
    return np.frombuffer(server.audio, "<i2")


async def uses(engine: Lines, card: VirtualSoundCard, *streams: str) -> None:
    """Wait until the engine has these streams open and no other: what is let go of takes a moment to be gone."""
    async with asyncio.timeout(60):
        while card.streams(engine.process.pid) != sorted(streams):
            await asyncio.sleep(0.05)  # the sound server tells nobody


async def reply(server: VoiceServer, said: np.ndarray, text: str = "Listen.") -> None:
    """Send a reply as fast as the connection takes it."""
    await server.send(protocol.Response(text))
    for start in range(0, len(said), 1_600):
        await server.send(ReplyChunk(said[start : start + 1_600].tobytes()))
    await server.send(AudioEnd(-(-len(said) // 1_600)))


async def heard_by(engine: Lines, seconds: float, since: int = 0) -> None:
    """Wait until so much of a reply was heard."""
    await engine.until("playout", lambda line: line["heard_seconds"] >= seconds, since=since)
