"""How soon a device that is gone is noticed, and how soon there is sound again, through each sound library."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, percentile
from tests.support.lines import Lines, talk_json
from tests.support.sound_libraries import library_environment
from tests.support.voice_server import voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

TIMES = 8
NOTICED_WITHIN_S = 1.0
BACK_WITHIN_S = 1.5
KINDS = ("microphone", "speaker")


def _hears(state: dict) -> bool:
    return state["microphone"]["open"] and not state["microphone"].get("opening")


async def _told(engine: Lines, code: str, count: int) -> float:
    await engine.until("notice", lambda line: line["code"] == code, count)
    return time.perf_counter()


async def _restarts(card: VirtualSoundCard, engine: Lines) -> tuple[list[float], list[float]]:
    """Kill the sound server, and start it again: times to each notice."""
    noticed, back = [], []
    for count in range(1, TIMES + 1):
        killed_at = time.perf_counter()
        await asyncio.to_thread(card.stop)
        noticed += [await _told(engine, f"{kind}_lost", count) - killed_at for kind in KINDS]
        await asyncio.to_thread(card.start)
        started_at = time.perf_counter()
        back += [await _told(engine, f"{kind}_back", count) - started_at for kind in KINDS]
    return noticed, back


async def _unplugging(card: VirtualSoundCard, engine: Lines) -> tuple[list[float], list[float]]:
    """Unplug the headset in use: times to the notice, and from there to sound on the default devices."""
    noticed, stood_in = [], []
    for count in range(1, TIMES + 1):
        unplugged_at = time.perf_counter()
        await asyncio.to_thread(card.unplug, "Headset")
        lost = [await _told(engine, f"{kind}_lost", TIMES + count) for kind in KINDS]
        noticed += [at - unplugged_at for at in lost]
        stood_in += [await _told(engine, f"{kind}_changed", count) - unplugged_at for kind in KINDS]
        await asyncio.to_thread(card.plug, "Headset")
        for kind in KINDS:
            await _told(engine, f"{kind}_back", TIMES + count)
    return noticed, stood_in


def _figure(what: str, times: list[float], limit_s: float) -> Figure:
    worst = max(times)
    value = f"p50 {percentile(times, 50) * 1_000:.0f} ms, worst {worst * 1_000:.0f} ms"
    return Figure(what, value, limit=f"≤ {limit_s * 1_000:.0f} ms", held=worst <= limit_s)


async def measure() -> list[Figure]:
    """Take the sound server away, and a headset."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        return [Figure("a device that is gone", "not measured", "PulseAudio is not installed")]
    figures = []
    for library in ("portaudio", "miniaudio"):
        with tempfile.TemporaryDirectory() as folder:
            card = VirtualSoundCard(Path(folder))
            card.start()
            try:
                figures += await _measured(card, library)
            finally:
                card.stop()
    return figures


async def _measured(card: VirtualSoundCard, library: str) -> list[Figure]:
    environment = {**card.environment, **library_environment(library)}
    async with voice_server() as server, talk_json("--server", server.url, environment=environment) as engine:
        await engine.until("session_started")
        await engine.until("state", lambda line: line["speaker"] and _hears(line))
        noticed, back = await _restarts(card, engine)
        figures = [
            _figure(f"{library}: sound server killed, to the notice", noticed, NOTICED_WITHIN_S),
            _figure(f"{library}: sound server up again, to sound", back, BACK_WITHIN_S),
        ]
        if library == "miniaudio":  # PortAudio knows the sound server's devices by no name
            await asyncio.to_thread(card.plug, "Headset")
            for kind, name in (("microphone", "HeadsetMic"), ("speaker", "Headset")):
                engine.send(f'{{"id": "{kind}", "command": "{kind}", "argument": "{name}"}}')
                await engine.until("ack", lambda line, kind=kind: line["id"] == kind)
            await engine.until("state", lambda line: line["microphone"]["name"] == "HeadsetMic" and _hears(line))
            noticed, stood_in = await _unplugging(card, engine)
            figures += [
                _figure(f"{library}: headset unplugged, to the notice", noticed, NOTICED_WITHIN_S),
                _figure(f"{library}: headset unplugged, to sound on the default devices", stood_in, BACK_WITHIN_S),
            ]
        engine.send("quit")
        await engine.ended()
    return figures
