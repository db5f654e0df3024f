"""From the key to silence in a recording of the speaker, on a virtual sound card, and the click that this makes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.talking import PlayedTerminal, talking, until
from selam_cli.core.protocol import ReplyChunk, Response
from tests.support.ear import Ear, click_dbfs, tone
from tests.support.voice_server import VoiceServer, voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

INTERRUPTIONS = 25
BUSY_S = 0.6
LOUDEST_CLICK_DBFS = -40.0


async def measure() -> list[Figure]:
    """Cut off a loud reply with each key, again and again, with a quiet screen and with a busy one."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        return [Figure("the key to a silent speaker", "not measured", "PulseAudio is not installed")]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        card = VirtualSoundCard(Path(folder))
        card.start()
        try:
            for busy_s in (0.0, BUSY_S):
                for key in (" ", "escape"):
                    took, clicks = await _measured(card, key, busy_s)
                    figures += _figures(key, busy_s, took, clicks)
        finally:
            card.stop()
    return figures


def _figures(key: str, busy_s: float, took: list[float], clicks: list[float]) -> list[Figure]:
    what = f"{'space' if key == ' ' else 'Escape'}, {'a busy screen' if busy_s else 'a quiet screen'}"
    return [
        Figure(
            f"{what}: to a silent speaker", milliseconds(took), f"{INTERRUPTIONS} times, recorder's delay included",
            "p95 ≤ 45 ms", percentile(took, 95) <= 0.045,
        ),
        Figure(
            f"{what}: the click", f"{max(clicks):.0f} dBFS", "the loudest of them, the tone taken out",
            f"≤ {LOUDEST_CLICK_DBFS:.0f} dBFS", max(clicks) <= LOUDEST_CLICK_DBFS,
        ),
    ]  # fmt: skip


async def _measured(card: VirtualSoundCard, key: str, busy_s: float) -> tuple[list[float], list[float]]:
    ear, took, clicks = Ear(card.environment), [], []
    async with voice_server() as server:
        context = talking("--server", server.url, environment=card.environment, busy_s=busy_s)
        terminal = await asyncio.to_thread(context.__enter__)
        try:
            for number in range(INTERRUPTIONS):
                await _begin_a_loud_story(server, ear)
                await asyncio.sleep(0.2 + 0.017 * number)  # at any moment of the screen's work, and of the sound's
                pressed_at = time.perf_counter()
                terminal.press(key)
                await asyncio.sleep(0.5)
                took.append((ear.last_loud_at or 0.0) - pressed_at)
                clicks.append(_click(ear.heard(), ear.rate_hz))
                await _back_to_rest(terminal, key)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
            ear.close()
    return took, clicks


async def _begin_a_loud_story(server: VoiceServer, ear: Ear) -> None:
    loud = tone(3.0).tobytes()
    ear.forget()
    await server.send(Response("A long and loud story"))
    for start in range(0, len(loud), 3_200):
        await server.send(ReplyChunk(loud[start : start + 3_200]))
    await until(lambda: ear.first_loud_at is not None)


def _click(heard: np.ndarray, rate_hz: int) -> float:
    """Return the click of the end alone, in the 60 ms in which it was cut off."""
    last = int(np.flatnonzero(heard)[-1])
    return click_dbfs(heard[max(0, last - rate_hz * 60 // 1_000) :], rate_hz)


async def _back_to_rest(terminal: PlayedTerminal, key: str) -> None:
    terminal.release(key)
    await until(lambda: "READY" in terminal.text, terminal)  # after space: the silence that was said is too quiet
    await asyncio.sleep(0.3)
