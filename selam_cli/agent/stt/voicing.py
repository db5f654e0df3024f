"""Is there a voice in a sound? A recogniser finds words in any noise; a voice has a pitch, and noise has none.

A frame is voiced when its sound repeats itself 70 to 400 times a second. Words have vowels, and vowels are voiced:
made-up coughs, breaths, key clicks, slamming doors, white and pink noise had at most 2 such frames of 20 ms, spoken
words (also "yes" and "stop") 6 and more. A steady hum or a whistle is voiced as well and passes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.core.protocol import WIRE_RATE_HZ

LEAST_FRAMES: Final = 3
LEAST_SHARE: Final = 0.2
"""Of the loud frames: noise is voiced here and there, by chance."""

_STRETCH_BYTES: Final = 4 * 2 * WIRE_RATE_HZ
"""Looked at in stretches of four seconds: a long utterance would take much memory, and its first words decide."""
_HOP: Final = WIRE_RATE_HZ // 50
_WINDOW: Final = 2 * _HOP
_FFT: Final = 2_048
_HIGHEST_BIN: Final = round(2_200 * _FFT / WIRE_RATE_HZ)
"""Above 2.2 kHz voices are noisy themselves."""
_PERIODS: Final = slice(WIRE_RATE_HZ // 400, WIRE_RATE_HZ // 70)
_REPEATS: Final = 0.7
_QUIET: Final = 50.0
_BELOW_LOUDEST: Final = 0.1


def has_voice(audio: bytes) -> bool:
    """Say whether there is a voice in PCM16 at 16 kHz, mono."""
    return any(_is_voiced(audio[start : start + _STRETCH_BYTES]) for start in range(0, len(audio), _STRETCH_BYTES))


def _is_voiced(audio: bytes) -> bool:
    loud = _loud_frames(np.frombuffer(audio, "<i2").astype(np.float64))
    if not len(loud):
        return False
    voiced = int(np.count_nonzero(_repetition(loud) > _REPEATS))
    return voiced >= LEAST_FRAMES and voiced >= LEAST_SHARE * len(loud)


def _loud_frames(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(samples) < _WINDOW:
        return np.zeros((0, _WINDOW))
    frames: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    rms = np.sqrt(np.mean(np.square(frames), axis=1))
    loud: NDArray[np.float64] = frames[rms >= max(_QUIET, _BELOW_LOUDEST * float(np.percentile(rms, 95)))]
    return loud


def _repetition(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each frame's likeness to itself a period later, 1.0 for a pure voice."""
    window = np.hanning(_WINDOW)
    spectrum = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * window, _FFT)
    spectrum[:, _HIGHEST_BIN:] = 0.0
    likeness = np.fft.irfft(np.square(np.abs(spectrum)))
    of_window = np.fft.irfft(np.square(np.abs(np.fft.rfft(window, _FFT))))
    # The window makes later repetitions look weaker than they are.
    scale = np.maximum(likeness[:, :1], 1e-9) * of_window[_PERIODS] / of_window[0]
    best: NDArray[np.float64] = np.max(likeness[:, _PERIODS] / scale, axis=1)
    return best
