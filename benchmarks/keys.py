"""The talk key: from terminal to engine, the screen quiet or busy, and how soon a release is known."""

from __future__ import annotations

import asyncio
import json
import os
import select
import statistics
import subprocess
import sys
import time

from benchmarks.figures import Figure, milliseconds, percentile
from tests.support.terminal import EVENT_TYPES, KITTY, PlayedScreen
from tests.support.typist import Typist

ROUNDS = 100
BUSY_S = 0.6
INTERVALS_S = (0.025, 0.033, 0.040, 0.090)
HELD_S = 3_600.0

ECHO = """
import os, sys, tty
tty.setraw(0)
os.write(1, b"ready")
while key := os.read(0, 64):
    os.write(int(sys.argv[1]), b"press \\n")
"""


class Timed(PlayedScreen):
    """A played screen whose commands are timed as they come out of the engine's pipe."""

    def time_until(self, verb: str) -> float:
        """Return when (perf_counter) the engine was told; the terminal is played meanwhile."""
        assert self._watched is not None
        seen = ""
        while verb not in seen:
            readable = select.select([self._watched, self._master], [], [], 10)[0]
            if self._watched in readable:
                came_at = time.perf_counter()
                seen += os.read(self._watched, 65_536).decode()
            elif self._master in readable:
                self._play(0)
            else:
                raise TimeoutError(verb)
        self.watched_text += seen
        return came_at


async def measure() -> list[Figure]:
    """Time the key's way, then simulate hands, keyboards and links."""
    return [*await asyncio.to_thread(_ways), *_detections()]


def _ways() -> list[Figure]:
    figures = []
    reference = milliseconds(_reference())
    for busy_s, what in (
        (0.0, "a quiet screen"),
        (BUSY_S, f"a screen that is busy for {BUSY_S * 1_000:.0f} ms at a time"),
    ):
        pressed, released = _way(busy_s)
        for name, took in (("press", pressed), ("release", released)):
            figures.append(
                Figure(
                    f"{name} in the terminal to the engine, {what}", milliseconds(took),
                    f"a bare loop that reads and writes: {reference}", "p95 ≤ 5 ms", percentile(took, 95) <= 0.005,
                )
            )  # fmt: skip
    return figures


def _way(busy_s: float) -> tuple[list[float], list[float]]:
    pressed, released = [], []
    with Timed(json.dumps({"busy_s": busy_s}), profile=KITTY) as screen:
        screen.wait_for_text("READY")
        screen.wait_for(lambda: screen.flags & EVENT_TYPES, "event types")
        screen.play_for(1.5)  # for the collector to settle
        for number in range(ROUNDS):
            screen.play_for(0.05 + 0.007 * (number % 13))  # at any moment of the screen's work
            began_at = time.perf_counter()
            screen.press(" ")
            pressed.append(screen.time_until("press") - began_at)
            screen.play_for(0.3)
            began_at = time.perf_counter()
            screen.release(" ")
            released.append(screen.time_until("release") - began_at)
    return pressed, released


def _reference() -> list[float]:
    reading, writing = os.pipe()
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ECHO, str(writing)],
        stdin=slave,
        stdout=slave,
        pass_fds=[writing],
        start_new_session=True,
    )
    took = []
    try:
        while b"ready" not in os.read(master, 64):
            pass
        for _ in range(ROUNDS):
            time.sleep(0.05)
            began_at = time.perf_counter()
            os.write(master, b" ")
            os.read(reading, 64)
            took.append(time.perf_counter() - began_at)
    finally:
        process.kill()
        process.wait()
        for descriptor in (reading, writing, master, slave):
            os.close(descriptor)
    return took


def _detections() -> list[Figure]:
    figures = []
    for jitter, limit_s in ((0.0, 0.2), (0.05, None), (0.15, 0.4)):
        medians, slowest, false = [], [], 0
        for interval in INTERVALS_S:
            typist, holds = Typist(interval, jitter), []
            while sum(hold.up - hold.down for hold in holds) < HELD_S:
                holds.append(typist.hold(typist.dice.uniform(1.0, 20.0)))
            false += sum(len(hold.false_releases) for hold in holds)
            medians.append(statistics.median(hold.detection_s for hold in holds))
            slowest.append(percentile([hold.detection_s for hold in holds], 95))
        shown = " / ".join(f"{interval * 1_000:.0f}" for interval in INTERVALS_S)
        value = " / ".join(f"{median * 1_000:.0f}" for median in medians)
        figures.append(
            Figure(
                f"release inferred after, jitter 0–{jitter * 1_000:.0f} ms"
                if jitter
                else "release inferred after, no jitter",
                f"p50 {value} ms",
                f"repeats every {shown} ms, an hour each, {false} false; p95 ≤ {max(slowest) * 1_000:.0f} ms",
                "" if limit_s is None else f"p50 ≤ {limit_s * 1_000:.0f} ms, none false",
                None if limit_s is None else false == 0 and max(medians) <= limit_s,
            )
        )
    return figures
