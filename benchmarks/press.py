"""From the talk key's bytes in the terminal to the first audio at a server on loopback."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.soak import write_tone
from benchmarks.talking import talking, until
from selam_cli.core.protocol import AudioChunk
from tests.support.voice_server import voice_server

PRESSES = 60


async def measure() -> list[Figure]:
    """Press and let go, again and again; each press waits for its own first chunk."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        write_tone(spoken, 1.0)
        async with voice_server() as server:
            came_at: list[float] = []
            arrived = asyncio.Event()

            def on_message(_: str, message: object) -> None:
                if isinstance(message, AudioChunk) and not arrived.is_set():
                    came_at.append(time.perf_counter())
                    arrived.set()

            server.on_message = on_message
            took: list[float] = []
            context = talking("--server", server.url, "--input", str(spoken), "--output", "null")
            terminal = await asyncio.to_thread(context.__enter__)
            try:
                await asyncio.sleep(0.5)  # for the pre-roll to fill
                for _ in range(PRESSES):
                    arrived.clear()
                    pressed_at = time.perf_counter()
                    terminal.press(" ")
                    await asyncio.wait_for(arrived.wait(), 10)
                    took.append(came_at[-1] - pressed_at)
                    await asyncio.sleep(0.3)
                    terminal.release(" ")
                    await until(lambda: "THINKING" in terminal.text, terminal)
                    await asyncio.sleep(0.5)
                    terminal.tap("escape")
                    await until(lambda: "READY" in terminal.text, terminal)
            finally:
                await asyncio.to_thread(context.__exit__, None, None, None)
    return [
        Figure(
            "talk key to first audio at the server", milliseconds(took), f"{PRESSES} presses, loopback", "p95 ≤ 20 ms",
            percentile(took, 95) <= 0.020,
        )
    ]  # fmt: skip
