"""Plays traces of jitter through the playout buffer, with no clock but the samples'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selam_cli.core.jitter_buffer import PlayoutBuffer, Samples
from selam_cli.core.jitter_delay import PlayoutDelay
from tests.support.traces import CHUNK_MS

RATE_HZ = 16_000
BLOCK_MS = 10


class FixedDelay(PlayoutDelay):
    """A buffer of one size: it learns nothing."""

    stretches_pauses = False
    resume_ms = 0

    def _learn(self, needed_ms: float, length_ms: float) -> None:
        pass


@dataclass(frozen=True)
class Played:
    """What became of one reply."""

    breaks: int
    start_ms: float
    """From the arrival of its first chunk to its first sample."""
    waited_ms: float
    """From a chunk's arrival to its playing, the mean."""
    target_ms: float
    """What was aimed at when it began."""
    heard: Samples


def tone(ms: float) -> Samples:
    """Sound without a pause and without a zero, so that a gap can be seen."""
    t = np.arange(round(ms * RATE_HZ / 1_000)) / RATE_HZ
    return (10_001 + 2_000 * np.sin(2 * np.pi * 50 * t)).astype(np.int16)


def speech(ms: float) -> Samples:
    """Sound with a pause of 150 ms every one and a half seconds, as between phrases."""
    sound = tone(ms)
    at_ms = np.arange(len(sound)) * 1_000 / RATE_HZ
    sound[at_ms % 1_500 >= 1_350] = 1
    return sound


def play(
    replies: Sequence[Sequence[float]], delay: PlayoutDelay, sound=speech, *, chunk_ms=CHUNK_MS, block_ms=BLOCK_MS
) -> list[Played]:
    """Play replies one after another through one buffer."""
    buffer = PlayoutBuffer(RATE_HZ, delay)
    return [_played(buffer, arrivals, sound, chunk_ms, block_ms, n * 0.37 % 1) for n, arrivals in enumerate(replies)]


def _played(buffer: PlayoutBuffer, arrivals: Sequence[float], sound, chunk_ms, block_ms, phase) -> Played:
    length = RATE_HZ * chunk_ms // 1_000
    chunks = np.split(sound(len(arrivals) * chunk_ms), len(arrivals))
    frames = RATE_HZ * block_ms // 1_000
    buffer.begin()
    target_ms = buffer.target_ms
    at_ms, written, played_at, heard = arrivals[0] + phase * block_ms, 0, [], []
    while not buffer.drained:
        while written < len(chunks) and arrivals[written] <= at_ms:
            buffer.write(chunks[written])
            written += 1
        if written == len(chunks):
            buffer.finish()
        heard.append(buffer.pull(frames))
        at_ms += block_ms
        while len(played_at) * length < buffer.rendered_samples:
            since_ms = (buffer.rendered_samples - len(played_at) * length) * 1_000 / RATE_HZ
            played_at.append(at_ms - since_ms)
    waited = np.array(played_at) - arrivals
    return Played(buffer.breaks, waited[0], waited.mean(), target_ms, np.concatenate(heard))
