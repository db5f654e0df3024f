"""The adaptive playout buffer against fixed ones: the same code, the same committed traces of jitter, no clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.figures import Figure
from selam_cli.core.jitter_delay import MAX_MS, MIN_MS, PlayoutDelay
from tests.support.playout_run import FixedDelay, Played, play
from tests.support.traces import KINDS, trace

FIXED_MS = (60, 120, 200, 400)
LEARNING = 2
"""Replies in which the adaptive buffer may break."""

MOST_AT_FIRST = {"calm": 0, "uniform_60": 0, "uniform_150": None, "stalls": 1, "bursts": None, "drift": 0}
"""The most breaks of the replies in which it learns; None where only those after them are limited."""


async def measure() -> list[Figure]:
    """Play every trace through every buffer."""
    return [_figure(name) for name in KINDS]


def _figure(name: str) -> Figure:
    replies = trace(name)
    adaptive = play(replies, PlayoutDelay())
    fixed = [f"{size_ms}: {_told(play(replies, FixedDelay(size_ms)))}" for size_ms in FIXED_MS]
    learning, after = _breaks(adaptive[:LEARNING]), _breaks(adaptive[LEARNING:])
    most = MOST_AT_FIRST[name]
    return Figure(
        f"playout, {name}", f"{_told(adaptive)}, starts after {np.mean([reply.start_ms for reply in adaptive]):.0f} ms",
        f"fixed {'; '.join(fixed)}; least without more breaks: {_least(replies, learning + after)}",
        "0 breaks" if most == 0 else f"{'any' if most is None else most} in {LEARNING} replies, then 0",
        after == 0 and (most is None or learning <= most),
    )  # fmt: skip


def _least(replies: Sequence[Sequence[float]], breaks: int) -> str:
    """Describe the smallest fixed buffer that has no more breaks: what somebody who knew the trace would set."""
    for size_ms in range(MIN_MS, MAX_MS + 1, 10):
        played = play(replies, FixedDelay(size_ms))
        if _breaks(played) <= breaks:
            return f"{size_ms}: {_told(played)}"
    return "none"


def _breaks(played: Sequence[Played]) -> int:
    return sum(reply.breaks for reply in played)


def _told(played: Sequence[Played]) -> str:
    return f"{_breaks(played)} breaks, waits {np.mean([reply.waited_ms for reply in played]):.0f} ms"
