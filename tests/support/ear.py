"""An ear at the virtual speaker, and what can be told of a recorded tone: its breaks, its clicks, its begin and end."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping

import numpy as np

LOUD = 300


class Ear:
    """Listens at the speaker and keeps what it heard, with the time at which each block came.

    A block's time is when it came out of the recorder, which is later than when it sounded: what is measured with it
    is an upper bound, by the recorder's own delay.
    """

    def __init__(self, environment: Mapping[str, str], rate_hz: int = 48_000) -> None:
        self.rate_hz = rate_hz
        self._recorder = subprocess.Popen(
            ["parec", "-d", "spk.monitor", "--format=s16le", f"--rate={rate_hz}", "--channels=1", "--latency-msec=5"],
            env={**os.environ, **environment}, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self._blocks: list[tuple[float, np.ndarray]] = []
        self._odd = b""
        self._begun = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._begun.wait(20), "the recorder did not begin"

    def _listen(self) -> None:
        assert self._recorder.stdout is not None
        while block := self._recorder.stdout.read(4_096):
            came_at = time.perf_counter()
            raw = self._odd + block
            whole = len(raw) // 2 * 2
            self._odd = raw[whole:]
            self._blocks.append((came_at, np.frombuffer(raw[:whole], "<i2").astype(np.int32)))
            self._begun.set()

    def heard(self) -> np.ndarray:
        """Return everything from the beginning, mono int16."""
        return np.concatenate([samples for _, samples in list(self._blocks)]).astype(np.int16)

    def forget(self) -> None:
        """Begin anew."""
        self._blocks = []

    @property
    def first_loud_at(self) -> float | None:
        """When (perf_counter) the first loud sample came; None where all was quiet."""
        return next((at for at, samples in list(self._blocks) if _peak(samples) > LOUD), None)

    @property
    def last_loud_at(self) -> float | None:
        """When the last loud one came."""
        return next((at for at, samples in reversed(list(self._blocks)) if _peak(samples) > LOUD), None)

    def close(self) -> None:
        """Listen no more."""
        self._recorder.kill()
        self._recorder.wait()


def _peak(samples: np.ndarray) -> int:
    return int(np.abs(samples).max(initial=0))


def tone(seconds: float, rate_hz: int = 16_000, tone_hz: float = 330.0, peak: int = 12_000) -> np.ndarray:
    """Return a sine, int16."""
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return (peak * np.sin(2 * np.pi * tone_hz * t)).astype(np.int16)


def breaks_in(recorded: np.ndarray, rate_hz: int) -> list[float]:
    """Return the breaks in a recorded tone, each by its length in ms: where it is half as loud, for 4 ms or longer.

    Between the first loud moment and the last, so that silence before and after is none.
    """
    size = rate_hz * 4 // 1_000
    blocks = recorded[: len(recorded) // size * size].reshape(-1, size).astype(np.float64)
    loudness = np.sqrt(np.mean(np.square(blocks), axis=1))
    if not (loudness > LOUD).any():
        return []
    loud = loudness > 0.5 * np.median(loudness[loudness > LOUD])
    within = loud[np.argmax(loud) : len(loud) - np.argmax(loud[::-1])]
    edges = np.flatnonzero(np.diff(np.concatenate(([1], within.astype(int), [1]))))
    return [float((end - start) * 4) for start, end in edges.reshape(-1, 2)]


def click_dbfs(recorded: np.ndarray, rate_hz: int, tone_hz: float = 330.0) -> float:
    """Return the loudest click in a recorded tone in dBFS: the peak of what a notch at the tone's frequency leaves.

    The notch is x[n] - 2 cos(w) x[n-1] + x[n-2], divided by two: a tone, faded or not, is all but gone in it; a step of
    a full scale is as loud as itself or louder.
    """
    samples = recorded.astype(np.float64)
    turn = 2.0 * np.cos(2 * np.pi * tone_hz / rate_hz)
    left = (samples[2:] - turn * samples[1:-1] + samples[:-2]) / 2.0
    return float(20 * np.log10(max(np.abs(left).max(initial=0.0), 1e-3) / 32_768.0))
