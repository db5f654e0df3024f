"""CPU and memory of each process: idle, talking, playing."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.soak import Family, write_tone
from benchmarks.talking import talking, until

SECONDS = 5.0


async def measure() -> list[Figure]:
    """Watch the screen, the engine and the agent for five seconds of each."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        write_tone(spoken, 9.0)
        context = talking("--local", "--input", str(spoken), "--output", "null")
        terminal = await asyncio.to_thread(context.__enter__)
        try:
            family = Family(terminal.process.pid)
            figures = [await _watched("idle", family)]
            terminal.press(" ")
            figures.append(await _watched("talking", family))
            await asyncio.sleep(3.0)
            terminal.release(" ")
            await until(lambda: "SPEAKING" in terminal.text, terminal)
            figures.append(await _watched("playing", family))
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
    return figures


async def _watched(what: str, family: Family) -> Figure:
    before = {name: _busy_s(process) for name, process in family.members.items()}
    await asyncio.sleep(SECONDS)
    shares = [
        f"{name} {100 * (_busy_s(process) - before[name]) / SECONDS:.1f} % {process.memory_info().rss / 1e6:.0f} MB"
        for name, process in family.members.items()
    ]
    return Figure(f"CPU and memory, {what}", "", ", ".join(shares))


def _busy_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
