"""What a benchmark gives, and the statistics that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the table. `held` says whether the project's own limit is kept; None where there is none."""

    what: str
    value: str
    reference: str = ""
    limit: str = ""
    held: bool | None = None

    @property
    def verdict(self) -> str:
        """A word for it."""
        return {None: "", True: "ok", False: "MISSED"}[self.held]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile of some values."""
    return float(np.percentile(values, percent))


def milliseconds(values: Sequence[float]) -> str:
    """Describe durations in seconds by their median and 95th percentile."""
    return f"p50 {percentile(values, 50) * 1_000:.1f} ms, p95 {percentile(values, 95) * 1_000:.1f} ms"


def interleaved(count: int, *measures) -> list[list[float]]:
    """Measure several things in turn, so that a busy moment of the machine hits all of them alike."""
    results: list[list[float]] = [[] for _ in measures]
    for _ in range(count):
        for result, measure in zip(results, measures, strict=True):
            result.append(measure())
    return results
