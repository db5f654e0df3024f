"""Streaming conversion of sample rates, by libsamplerate (package `samplerate`).

`sinc_fastest` holds back 1.2 ms and keeps 92 dB of signal; the libraries that sound better hold back 19 to 75 ms.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import samplerate
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_PIECE: Final = 65_536
_FLUSH_MS: Final = 20
"""Silence fed at the end to push out what the filter holds back."""


class Resampler:
    """Mono int16 from one rate to another, in pieces of any length; loses nothing and adds nothing at the end."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._taken = 0
        self._given = 0
        self._converter = None if from_hz == to_hz else samplerate.Resampler("sinc_fastest", channels=1)

    def process(self, samples: Samples) -> Samples:
        """Return what of the converted sound is ready; the filter keeps back a little."""
        if self._converter is None or not len(samples):
            return samples
        self._taken += len(samples)
        # In pieces, because on the way the sound is twice to three times as big, and a reply may come as one chunk.
        pieces = (samples[start : start + _PIECE] for start in range(0, len(samples), _PIECE))
        converted = np.concatenate([self._convert(piece.astype(np.float32) / 32_768.0) for piece in pieces])
        self._given += len(converted)
        return converted

    def flush(self) -> Samples:
        """Return what the filter kept back; the stream is over."""
        missing = round(self._taken * self._to_hz / self._from_hz) - self._given
        if self._converter is None or missing <= 0:
            return np.zeros(0, np.int16)
        silence = np.zeros(self._from_hz * _FLUSH_MS // 1_000, np.float32)
        return self._convert(silence)[:missing]

    def _convert(self, samples: NDArray[np.float32]) -> Samples:
        assert self._converter is not None  # noqa: S101  # the callers have checked
        converted = self._converter.process(samples, self._to_hz / self._from_hz)
        # Saturate: a loud passage may overshoot, and wrapping round is a bang.
        saturated: Samples = np.clip(np.rint(converted * 32_768.0), -32_768, 32_767).astype(np.int16)
        return saturated
