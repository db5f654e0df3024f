"""Short cues that talking begins, ends, or was thrown away, for a user who does not look at the screen.

They are told apart by ear alone: one rises, one falls, one stays and stutters. And they are kept out of what is sent.
Nothing digital leads from here to the microphone's side, but a loudspeaker and a microphone share a room. The cue for
the end sounds when the utterance is complete, so it cannot be in it. The cue for the beginning has to sound while the
microphone listens: shutting that meanwhile would cost the first syllable. So a cue is made of two pitches alone, and
those are filtered out of the microphone's sound while it can be heard there: −32 dB, where speech keeps a correlation
of 0.997 with itself (measured). With cues off not a sample is touched.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.sound.streams import Samples

LOW_HZ: Final = 2_093.0
HIGH_HZ: Final = 2_794.0
"""C and F: small loudspeakers carry them, and little of speech lies there."""

NOTE_MS: Final = 26
AMPLITUDE: Final = 2_000
"""−24 dBFS: quieter than speech."""

NOTCH_WIDTH_HZ: Final = 300.0
LINGERS_S: Final = 0.25
"""How long a room, and the way through both devices' blocks, may hold a cue that is over."""

_STEP: Final = 320
"""Samples that are filtered at a time: the filter's closed form loses precision over long stretches."""


class Cue(StrEnum):
    """What a cue says."""

    ON = "on"
    OFF = "off"
    THROWN_AWAY = "thrown away"


_NOTES_HZ: Final = {Cue.ON: (LOW_HZ, HIGH_HZ), Cue.OFF: (HIGH_HZ, LOW_HZ), Cue.THROWN_AWAY: (LOW_HZ, 0.0, LOW_HZ)}
LONGEST_S: Final = max(len(notes) for notes in _NOTES_HZ.values()) * NOTE_MS / 1_000


def sound_of(cue: Cue, rate_hz: int) -> Samples:
    """Return a cue as mono int16: notes that swell and fade within their own time, so that nothing clicks."""
    count = rate_hz * NOTE_MS // 1_000
    swell, t = np.hanning(count), np.arange(count) / rate_hz
    notes = [AMPLITUDE * swell * np.sin(2 * np.pi * hertz * t) for hertz in _NOTES_HZ[cue]]
    return np.concatenate(notes).astype(np.int16)


class Cues:
    """Plays cues beside the reply, which neither waits for them nor counts them, and filters them out again.

    `play` and `kept_out` are the loop's, `mixed_into` is the speaker's callback's; a deque lies between them.
    """

    def __init__(self) -> None:
        self._sounds: dict[Cue, Samples] = {}
        self._waiting: deque[Samples] = deque(maxlen=2)
        self._rest: Samples = np.zeros(0, np.int16)
        self._filter = _Filter()

    def make_for(self, rate_hz: int) -> None:
        """Make the cues for a speaker of this rate; one that still waits for the speaker before comes too late."""
        self._waiting.clear()
        self._sounds = {cue: sound_of(cue, rate_hz) for cue in Cue}

    def play(self, cue: Cue, now: float, delay_s: float) -> None:
        """Let a cue sound; it takes `delay_s` to the ear. `now` is the microphone's clock."""
        if self._sounds:
            self._waiting.append(self._sounds[cue])
            self._filter.until = now + delay_s + LONGEST_S + LINGERS_S

    def mixed_into(self, block: Samples) -> Samples:
        """Return what the speaker plays: a block of the reply, and the cue that sounds."""
        if not len(self._rest):
            if not self._waiting:
                return block
            self._rest = self._waiting.popleft()
        part, self._rest = self._rest[: len(block)], self._rest[len(block) :]
        mixed = block.astype(np.int32)
        mixed[: len(part)] += part
        return np.clip(mixed, -32_768, 32_767).astype(np.int16)

    def kept_out(self, samples: Samples, ended_at: float) -> Samples:
        """Return the microphone's sound, 16 kHz, without the cues that it may have heard."""
        return self._filter.process(samples, ended_at)


class _Filter:
    """Two notches, each twice, without delay; in force until a moment, then faded out over a block."""

    def __init__(self) -> None:
        self.until = float("-inf")
        self._notches: list[_Notch] = []

    def process(self, samples: Samples, ended_at: float) -> Samples:
        in_force = ended_at < self.until
        if in_force and not self._notches:
            # From rest a notch changes nothing at first: its coming needs no fade.
            self._notches = [_Notch(hertz) for hertz in (LOW_HZ, LOW_HZ, HIGH_HZ, HIGH_HZ)]
        if not self._notches or not len(samples):
            return samples
        heard = samples.astype(np.float64)
        filtered = heard
        for notch in self._notches:
            filtered = notch.process(filtered)
        if not in_force:
            self._notches = []
            filtered += (heard - filtered) * np.linspace(0.0, 1.0, len(heard))
        return np.clip(np.rint(filtered), -32_768, 32_767).astype(np.int16)


class _Notch:
    """Takes one pitch out of sound of 16 kHz: what a resonator on that pitch makes of the sound, subtracted."""

    def __init__(self, hertz: float) -> None:
        angle, radius = 2 * np.pi * hertz / WIRE_RATE_HZ, np.exp(-np.pi * NOTCH_WIDTH_HZ / WIRE_RATE_HZ)
        self._pole = radius * np.exp(1j * angle)
        mirrored = (1 - radius) / (1 - radius * np.exp(-2j * angle))
        # So scaled that the pitch itself vanishes, the resonator's answer to its mirror image included.
        self._gain = 2 * (1 - radius) * (1 - mirrored) / (1 - abs(mirrored) ** 2)
        self._state = 0j

    def process(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = [self._step(samples[start : start + _STEP]) for start in range(0, len(samples), _STEP)]
        return np.concatenate(steps)

    def _step(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """y[n] = pole · y[n−1] + x[n], for all n at once: the powers of the pole are divided out and put back."""
        powers = self._pole ** np.arange(1, len(samples) + 1)
        resonance = powers * (self._state + np.cumsum(samples / powers))
        self._state = complex(resonance[-1])
        without: NDArray[np.float64] = samples - np.real(self._gain * resonance)
        return without
