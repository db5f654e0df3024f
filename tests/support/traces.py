"""Traces of jitter: when the chunks of replies arrive, over connections of several kinds.

They are committed in tests/traces, made once by `python -m tests.support.traces`: what is measured on them today can be
compared with what is measured on them in a year. A file has a reply a line: when each chunk arrives, in ms since the
first was sent. Chunks of 100 ms are sent in real time, and none overtakes another, for they come over TCP.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "traces"
CHUNK_MS = 100
REPLIES = 20
CHUNKS = 80

Lateness = Callable[[random.Random, int], list[float]]
"""How late each of so many chunks of a reply is, in ms."""


def uniform(most_ms: float) -> Lateness:
    """Each chunk is late for itself."""
    return lambda chance, chunks: [chance.uniform(0, most_ms) for _ in range(chunks)]


def stalls(stall_ms: float, every_ms: float) -> Lateness:
    """Nothing comes through for a while, then all of it at once; the same again and again."""
    return lambda _, chunks: [max(0.0, stall_ms - (n * CHUNK_MS - every_ms / 2) % every_ms) for n in range(chunks)]


def bursts(chance: random.Random, chunks: int) -> list[float]:
    """Every half a second chunks are held back for up to 250 ms, as by a radio that sleeps."""
    late: list[float] = []
    while len(late) < chunks:
        held_ms = chance.uniform(0, 250)
        late += [max(0.0, held_ms - n * CHUNK_MS) + chance.uniform(0, 15) for n in range(5)]
    return late[:chunks]


def drift(part: float) -> Lateness:
    """The server's clock is slow against the speaker's."""
    return lambda chance, chunks: [n * CHUNK_MS * part + chance.uniform(0, 10) for n in range(chunks)]


KINDS: dict[str, tuple[Lateness, int, int]] = {
    "calm": (uniform(2), REPLIES, CHUNKS),
    "uniform_60": (uniform(60), REPLIES, CHUNKS),
    "uniform_150": (uniform(150), REPLIES, CHUNKS),
    "stalls": (stalls(300, 5_000), 5, 600),
    "bursts": (bursts, REPLIES, CHUNKS),
    "drift": (drift(0.001), 5, 1_200),
}
"""The lateness, how many replies, and how many chunks each."""


def made(name: str) -> str:
    """Return the text of a trace; the same one at every call."""
    lateness, replies, chunks = KINDS[name]
    return "".join(_line(lateness, random.Random(f"{name} {reply}"), chunks) for reply in range(replies))


def _line(lateness: Lateness, chance: random.Random, chunks: int) -> str:
    sent_and_late = [n * CHUNK_MS + late for n, late in enumerate(lateness(chance, chunks))]
    return " ".join(f"{arrival:.1f}" for arrival in accumulate(sent_and_late, max)) + "\n"


def trace(name: str) -> list[list[float]]:
    """Read a committed trace."""
    lines = (FOLDER / f"{name}.txt").read_text().splitlines()
    return [[float(arrival) for arrival in line.split()] for line in lines]


if __name__ == "__main__":
    for kind in KINDS:
        (FOLDER / f"{kind}.txt").write_text(made(kind))
