"""Replies on a virtual sound card, through the whole program while its screen is busy: breaks, first sound, CPU."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import soundfile

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.soak import Family
from benchmarks.talking import PlayedTerminal, talking, until
from selam_cli.core.jitter_delay import START_MS
from selam_cli.core.protocol import AudioEnd, ReplyChunk
from tests.support.ear import Ear, breaks_in, tone
from tests.support.voice_server import VoiceServer, voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

BUSY_S = 0.6
CHUNK_S = 0.1
WARM_UP_S = 10.0
REPLIES = 20

Arrivals = Callable[[int, np.random.Generator], np.ndarray]
"""How many chunks → when each arrives, in seconds from the first one's due time."""


def uniform(jitter_s: float) -> Arrivals:
    """Each chunk is late by up to so much, independently; none overtakes another."""

    def arrivals(count: int, dice: np.random.Generator) -> np.ndarray:
        return np.maximum.accumulate(np.arange(count) * CHUNK_S + dice.uniform(0.0, jitter_s, count))

    return arrivals


def stalling(stall_s: float, every_s: float) -> Arrivals:
    """The link stands still for so long, again and again."""

    def arrivals(count: int, _: np.random.Generator) -> np.ndarray:
        due = np.arange(count) * CHUNK_S
        begun = np.floor(due / every_s) * every_s
        stalled = (begun > 0) & (due - begun < stall_s)
        return np.where(stalled, begun + stall_s, due)

    return arrivals


@dataclass(frozen=True)
class Link:
    """A kind of arrival, how many short replies come before the long one, and how many breaks that one may have."""

    name: str
    arrivals: Arrivals
    warm_ups: int
    most_breaks: int


LINKS = (
    Link("no jitter", uniform(0.0), 0, 0),
    Link("jitter 0–60 ms", uniform(0.060), 0, 0),
    Link("jitter 0–150 ms, after two replies", uniform(0.150), 2, 0),
    Link("a stall of 300 ms every 5 s", stalling(0.300, 5.0), 0, 1),
)


async def measure(seconds: float) -> list[Figure]:
    """Play long tones over each kind of link, then short ones for the first sound, then count the CPU."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        return [Figure("sound", "not measured", "PulseAudio is not installed")]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        card = VirtualSoundCard(Path(folder))
        card.start()
        try:
            async with _program(card) as (_, _, ear):
                reference = await _reference(card, seconds, ear)
            for link in LINKS:
                async with _program(card) as (server, terminal, ear):
                    figures.append(await _breaks(link, seconds, server, terminal, ear, reference))
            async with _program(card) as (server, terminal, ear):
                figures.append(await _first_sound(server, terminal, ear))
                figures.append(await _cpu(server, terminal))
        finally:
            card.stop()
    return figures


@asynccontextmanager
async def _program(card: VirtualSoundCard) -> AsyncIterator[tuple[VoiceServer, PlayedTerminal, Ear]]:
    ear = Ear(card.environment)
    async with voice_server() as server:
        context = talking("--server", server.url, environment=card.environment, busy_s=BUSY_S)
        terminal = await asyncio.to_thread(context.__enter__)
        try:
            yield server, terminal, ear
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
            ear.close()


async def _reference(card: VirtualSoundCard, seconds: float, ear: Ear) -> str:
    """Play the same tone from a file with the sound server's own player, which buffers two seconds of it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        soundfile.write(file.name, tone(seconds), 16_000)
        ear.forget()
        player = await asyncio.create_subprocess_exec("paplay", file.name, env={**os.environ, **card.environment})
        await player.wait()
    return f"the server's own player, from a file: {len(breaks_in(ear.heard(), ear.rate_hz))} breaks"


async def _breaks(
    link: Link, seconds: float, server: VoiceServer, terminal: PlayedTerminal, ear: Ear, reference: str
) -> Figure:
    dice = np.random.default_rng(7)
    for _ in range(link.warm_ups):
        await _reply(server, terminal, WARM_UP_S, link.arrivals, dice)
    ear.forget()
    await _reply(server, terminal, seconds, link.arrivals, dice)
    found = breaks_in(ear.heard(), ear.rate_hz)
    lengths = ", ".join(f"{length_ms:.0f} ms" for length_ms in found[:4])
    return Figure(
        f"{seconds:.0f} s of a tone, {link.name}", f"{len(found)} breaks" + (f" ({lengths})" if found else ""),
        reference, f"≤ {link.most_breaks}", len(found) <= link.most_breaks,
    )  # fmt: skip


async def _reply(
    server: VoiceServer, terminal: PlayedTerminal, seconds: float, arrivals: Arrivals, dice: np.random.Generator
) -> None:
    sound = tone(seconds)
    size = round(CHUNK_S * 16_000)
    chunks = [sound[start : start + size] for start in range(0, len(sound), size)]
    begun = perf_counter()
    for chunk, due_s in zip(chunks, arrivals(len(chunks), dice), strict=True):
        await asyncio.sleep(max(0.0, begun + due_s - perf_counter()))
        await server.send(ReplyChunk(chunk.tobytes()))
    await server.send(AudioEnd(len(chunks)))
    await until(lambda: "READY" in terminal.text, terminal)


async def _first_sound(server: VoiceServer, terminal: PlayedTerminal, ear: Ear) -> Figure:
    """From a reply's first chunk at the socket to its sound, less what the buffer is said to aim at."""
    terminal.tap("y")
    over: list[float] = []
    for _ in range(REPLIES):
        await asyncio.sleep(0.3)
        ear.forget()
        begun, aim_s = perf_counter(), _aim_s(terminal)
        await _reply(server, terminal, 0.8, uniform(0.0), np.random.default_rng(0))
        assert ear.first_loud_at is not None
        over.append(ear.first_loud_at - begun - aim_s)
    return Figure(
        "a reply's first chunk to its sound, no jitter, beyond the buffer's aim", milliseconds(over),
        f"aim {1_000 * _aim_s(terminal):.0f} ms at last; recorder's delay included", "p95 ≤ 40 ms",
        percentile(over, 95) <= 0.040,
    )  # fmt: skip


def _aim_s(terminal: PlayedTerminal) -> float:
    """Read the buffer's aim off the screen, which knows it from the first reply on."""
    found = re.search(r"buffer's aim +(\d+) ms", terminal.text)
    return (int(found[1]) if found else START_MS) / 1_000


async def _cpu(server: VoiceServer, terminal: PlayedTerminal) -> Figure:
    engine = Family(terminal.process.pid).members["engine"]
    out_s = await _busy_during(engine, _reply(server, terminal, WARM_UP_S, uniform(0.0), np.random.default_rng(1)))
    terminal.press(" ")
    in_s = await _busy_during(engine, asyncio.sleep(WARM_UP_S))
    terminal.release(" ")
    idle_s = await _busy_during(engine, asyncio.sleep(WARM_UP_S))
    per_minute = 60.0 / WARM_UP_S
    return Figure(
        "the engine's CPU for a minute of speech",
        f"out {out_s * per_minute:.1f} s, in {in_s * per_minute:.1f} s", f"idle {idle_s * per_minute:.1f} s",
    )  # fmt: skip


async def _busy_during(process: psutil.Process, work: object) -> float:
    before = process.cpu_times()
    await work  # type: ignore[misc]  # a coroutine
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system
