"""From the talk key to silence in a recording of the speaker, on a virtual sound card."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.talking import talking, until
from selam_cli.core.protocol import ReplyChunk, Response
from tests.support.voice_server import voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

INTERRUPTIONS = 25
LOUD = 300


class Ear:
    """Listens at the speaker, and knows when it last heard something.

    A block's time is when it came out of the recorder, which is later than when it sounded: the figure is an upper
    bound, by the recorder's own delay.
    """

    def __init__(self, card: VirtualSoundCard) -> None:
        self._recorder = subprocess.Popen(
            ["parec", "-d", "spk.monitor", "--format=s16le", "--rate=16000", "--channels=1", "--latency-msec=5"],
            env={**os.environ, **card.environment}, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self.loud_at = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._recorder.stdout is not None
        while block := self._recorder.stdout.read(160):
            if np.abs(np.frombuffer(block[: len(block) // 2 * 2], "<i2").astype(int)).max(initial=0) > LOUD:
                self.loud_at = time.perf_counter()

    def close(self) -> None:
        """Listen no more."""
        self._recorder.kill()
        self._recorder.wait()


async def measure() -> list[Figure]:
    """Cut off a loud reply, again and again."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        return [Figure("talk key to a silent speaker", "not measured", "PulseAudio is not installed")]
    with tempfile.TemporaryDirectory() as folder:
        card = VirtualSoundCard(Path(folder))
        card.start()
        try:
            took = await _measured(card)
        finally:
            card.stop()
    return [
        Figure(
            "talk key to a silent speaker", milliseconds(took), f"{INTERRUPTIONS} times, recorder's delay included",
            "p95 ≤ 90 ms", percentile(took, 95) <= 0.090,
        )
    ]  # fmt: skip


async def _measured(card: VirtualSoundCard) -> list[float]:
    t = np.arange(16_000 * 3) / 16_000
    loud = (12_000 * np.sin(2 * np.pi * 330 * t)).astype("<i2").tobytes()
    ear, took = Ear(card), []
    async with voice_server() as server:
        context = talking("--server", server.url, environment=card.environment)
        terminal = await asyncio.to_thread(context.__enter__)
        try:
            for _ in range(INTERRUPTIONS):
                await server.send(Response("A long and loud story"))
                for start in range(0, len(loud), 3_200):
                    await server.send(ReplyChunk(loud[start : start + 3_200]))
                await until(lambda: time.perf_counter() - ear.loud_at < 0.05)
                await asyncio.sleep(0.4)
                pressed_at = time.perf_counter()
                terminal.press(" ")
                await asyncio.sleep(0.5)
                took.append(ear.loud_at - pressed_at)
                terminal.release(" ")  # the next reply answers this
                await until(lambda: "THINKING" in terminal.text, terminal)
                await asyncio.sleep(0.5)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
            ear.close()
    return took
