"""Hundreds of turns through the whole program: does any process grow?"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.figures import Figure
from benchmarks.talking import PlayedTerminal, talking, until
from selam_cli.sound.files import write_wav

WARM_UP_TURNS = 60
MOST_GROWTH_MB = 10.0


def write_tone(path: Path, seconds: float) -> None:
    """Write something that a voice detector takes for a voice: a buzz with the formants of an a."""
    t = np.arange(round(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 130 * k * t) / k * (2.0 if 5 <= k <= 9 else 1.0) for k in range(1, 25))
    swell = 0.7 + 0.3 * np.sin(2 * np.pi * 4 * t)
    write_wav(str(path), (6_000 * swell * buzz / np.abs(buzz).max() * 2).astype(np.int16), 16_000)


def _unlatched(terminal: PlayedTerminal) -> bool:
    """Tap where a busy machine made a tap of a hold, which leaves the microphone open; True where it was so."""
    if "MICROPHONE OPEN" not in terminal.text:
        return False
    terminal.tap(" ")
    return True


class Family:
    """The program's three processes."""

    def __init__(self, screen_pid: int) -> None:
        screen = psutil.Process(screen_pid)
        self.members = {"screen": screen}
        for child in screen.children(recursive=True):
            self.members["agent" if "serve" in child.cmdline() else "engine"] = child

    def megabytes(self) -> dict[str, float]:
        """Return what each holds in memory."""
        return {name: process.memory_info().rss / 1e6 for name, process in self.members.items()}


async def measure(turns: int) -> list[Figure]:
    """Hold so many short turns with the embedded agent."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        write_tone(spoken, 0.3)
        context = talking("--local", "--input", str(spoken), "--output", "null")
        terminal = await asyncio.to_thread(context.__enter__)
        try:
            family = Family(terminal.process.pid)
            warm: dict[str, float] = {}
            began = time.monotonic()
            for turn in range(1, turns + 1):
                terminal.press(" ")
                await asyncio.sleep(0.4)
                terminal.release(" ")
                await until(lambda turn=turn: f" {turn} You spoke" in terminal.text, terminal)
                await until(lambda: "READY" in terminal.text or _unlatched(terminal), terminal)
                await until(lambda: "READY" in terminal.text, terminal)
                if turn == min(WARM_UP_TURNS, turns):
                    warm = family.megabytes()
                if turn % 50 == 0:
                    print(f"  {turn} turns, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            grown = {name: now - warm[name] for name, now in family.megabytes().items()}
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
    growth = ", ".join(f"{name} {megabytes:+.1f} MB" for name, megabytes in grown.items())
    return [
        Figure(
            f"memory after {turns} turns, beside that after {min(WARM_UP_TURNS, turns)}", growth, "",
            f"≤ {MOST_GROWTH_MB:.0f} MB each", max(grown.values()) <= MOST_GROWTH_MB,
        )
    ]  # fmt: skip
