"""PCM on its way to the wire: levels, the pre-roll ring, and the chunks.

Samples are mono int16 at 16 kHz (`protocol.WIRE_RATE_HZ`); times are seconds of one monotonic clock, handed in.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.core.protocol import WIRE_RATE_HZ

Samples = NDArray[np.int16]

SILENCE_DBFS: Final = -96.0
"""What an int16 sample cannot fall below; exact silence is shown as this."""

CHUNK_MS: Final = 100
CHUNK_MAX_MS: Final = 200
"""The guide advises chunks of 100 to 200 ms."""

CLOSING_SILENCE_MS: Final = 1_000
"""Exact zeros sent after an utterance, for the server's detector to close on."""

FRAMES_AT_ONCE: Final = 500


def samples_in(duration_ms: float) -> int:
    """Return how many samples at the wire's rate a duration holds."""
    return round(duration_ms * WIRE_RATE_HZ / 1_000)


def seconds_of(samples: int) -> float:
    """Return how long samples at the wire's rate last."""
    return samples / WIRE_RATE_HZ


def dbfs(value: float) -> float:
    """Return an int16 amplitude (RMS or peak) in dB relative to full scale."""
    return max(SILENCE_DBFS, 20.0 * float(np.log10(value / 32_768.0))) if value > 0 else SILENCE_DBFS


def rms(samples: Samples) -> float:
    """Return the root mean square of int16 samples, in int16 units; 0.0 for none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def loudest_rms(pcm16_audio: bytes | bytearray) -> float:
    """Return the RMS of the loudest 20 ms frame of PCM16, in int16 units; 0.0 for none."""
    frame = samples_in(20)
    loudest = 0.0
    # Some seconds at a time: on the way they are many times as big, and an utterance may last an hour.
    for start in range(0, len(pcm16_audio), 2 * frame * FRAMES_AT_ONCE):
        samples = np.frombuffer(bytes(pcm16_audio[start : start + 2 * frame * FRAMES_AT_ONCE]), "<i2")
        padded = np.pad(samples.astype(np.float64), (0, -len(samples) % frame)).reshape(-1, frame)
        loudest = max(loudest, float(np.mean(np.square(padded), axis=1).max()))
    return float(np.sqrt(loudest))


class LevelMeter:
    """Loudness over the last moments, with a peak that holds a while and a clipping mark."""

    def __init__(self, *, window_ms: int = 50, hold_s: float = 1.5) -> None:
        self._window = samples_in(window_ms)
        self._hold_s = hold_s
        self._recent = np.zeros(0, np.int16)
        self._peak = 0.0
        self._peak_at = float("-inf")
        self.clipped = False

    def feed(self, samples: Samples, now: float) -> None:
        """Take the samples that ended at `now`."""
        self._recent = np.concatenate((self._recent, samples))[-self._window :]
        highest = float(np.max(np.abs(samples.astype(np.int32)))) if len(samples) else 0.0
        if highest >= self._peak or now - self._peak_at > self._hold_s:
            self._peak, self._peak_at = highest, now
            self.clipped = highest >= 32_700

    @property
    def dbfs(self) -> float:
        """RMS of the window in dBFS."""
        return dbfs(rms(self._recent))

    @property
    def peak_dbfs(self) -> float:
        """The held peak in dBFS."""
        return dbfs(self._peak)


class FlatLine:
    """For how long a microphone has delivered nothing but one value, give or take the last bit: no room is so quiet.

    That is a microphone muted by its own switch, by the system, or one that is not what it says it is.
    """

    def __init__(self) -> None:
        self._value: int | None = None
        self._samples = 0

    def feed(self, samples: Samples) -> None:
        """Take what the microphone delivered next."""
        if not len(samples):
            return
        low, high = int(samples.min()), int(samples.max())
        if self._value is None or low < self._value - 1 or high > self._value + 1:
            self._value, self._samples = int(samples[-1]), 0
        if high - low <= 2:
            self._samples += len(samples)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return seconds_of(self._samples)


class PreRoll:
    """What the microphone heard just before the key, so that no first syllable is lost.

    The ring holds a little more than the setting, because a key's event arrives after its moment: `since` cuts it at
    the key's own time, never more than the setting back.
    """

    SLACK_MS: Final = 3_500
    """What a hold that a stalled link cut in two may reach back to."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._blocks: deque[tuple[Samples, float]] = deque()
        self._held = 0

    def feed(self, samples: Samples, ended_at: float) -> None:
        """Keep a block whose last sample was captured at `ended_at`."""
        self._blocks.append((samples, ended_at))
        self._held += len(samples)
        while self._blocks and self._held - len(self._blocks[0][0]) >= samples_in(self._length_ms + self.SLACK_MS):
            self._held -= len(self._blocks.popleft()[0])

    def since(self, pressed_at: float, *, not_before: float = float("-inf")) -> Samples:
        """Return what was captured from the setting's length before `pressed_at` until now, and forget it all."""
        first = max(not_before, pressed_at - self._length_ms / 1_000)
        kept = [self._after(samples, ended_at, first) for samples, ended_at in self._blocks]
        self.clear()
        return np.concatenate(kept) if kept else np.zeros(0, np.int16)

    def clear(self) -> None:
        """Forget everything: what belongs to one utterance never opens the next."""
        self._blocks.clear()
        self._held = 0

    @staticmethod
    def _after(samples: Samples, ended_at: float, first: float) -> Samples:
        wanted = round((ended_at - first) * WIRE_RATE_HZ)
        return samples[max(0, len(samples) - wanted) :] if wanted > 0 else samples[:0]


class CaptureClock:
    """Tells when a block's last sample was captured, which is not when it came: one may be held up on its way.

    A busy machine hands on in one go what a microphone heard in a quarter of a second, and all of it
    would seem to be of that moment. But blocks follow each other without a gap, so the one that was held up the least,
    of late, tells the time of all.
    """

    LATELY_S: Final = 1.0
    """The most punctual block is sought in this much: longer than a block is held up, and no clock drifts in it."""

    def __init__(self) -> None:
        self._heard_s = 0.0
        self._begun: deque[tuple[float, float]] = deque()
        """Where in the sound, and when it had begun had that block been punctual: each later than the one before it."""

    def ended_at(self, samples: Samples, came_at: float) -> float:
        """Return when the next block ended, which came at a monotonic time."""
        self._heard_s += seconds_of(len(samples))
        begun_at = came_at - self._heard_s
        while self._begun and self._begun[-1][1] >= begun_at:
            self._begun.pop()
        self._begun.append((self._heard_s, begun_at))
        # One that comes later than that was not held up: there was no sound, as while a program is stopped.
        while self._begun[0][0] < self._heard_s - self.LATELY_S or self._begun[0][1] < begun_at - self.LATELY_S:
            self._begun.popleft()
        return self._begun[0][1] + self._heard_s


class Chunker:
    """Cuts a stream of samples into chunks; the length may change from chunk to chunk."""

    def __init__(self) -> None:
        self._waiting = np.zeros(0, np.int16)

    def feed(self, samples: Samples, chunk_ms: int = CHUNK_MS) -> list[bytes]:
        """Return the chunks that are complete, as PCM16 little-endian."""
        self._waiting = np.concatenate((self._waiting, samples))
        size = samples_in(chunk_ms)
        whole = len(self._waiting) // size * size
        ready, self._waiting = self._waiting[:whole], self._waiting[whole:]
        return [pcm16(ready[start : start + size]) for start in range(0, whole, size)]

    def flush(self) -> list[bytes]:
        """Return what is left as one last, shorter chunk."""
        rest, self._waiting = self._waiting, np.zeros(0, np.int16)
        return [pcm16(rest)] if len(rest) else []


class Blocks:
    """Cuts a stream of samples, in pieces of any length, into blocks of `size` samples."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting = np.zeros(0, np.int16)

    def feed(self, samples: Samples) -> list[Samples]:
        """Return the blocks that are complete."""
        waiting = np.concatenate((self._waiting, samples))
        whole = len(waiting) // self._size * self._size
        self._waiting = waiting[whole:].copy()  # a view would hold all of it
        return [waiting[start : start + self._size] for start in range(0, whole, self._size)]

    def rest(self) -> list[Samples]:
        """Return what is left as one last, shorter block; nothing where nothing is."""
        rest, self._waiting = self._waiting, np.zeros(0, np.int16)
        return [rest] if len(rest) else []


def pcm16(samples: Samples) -> bytes:
    """Return samples as the wire wants them: 16-bit little-endian."""
    return samples.astype("<i2", copy=False).tobytes()
