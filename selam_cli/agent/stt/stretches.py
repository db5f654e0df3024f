"""Cuts a long utterance where it is quietest: models that hear whole utterances take half a minute at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.core.protocol import WIRE_RATE_HZ

LONGEST_S: Final = 30
SHORTEST_S: Final = 15
_FRAME: Final = WIRE_RATE_HZ // 20

Sound = NDArray[np.float32]


def stretches(audio: bytes) -> Iterator[Sound]:
    """Yield the whole of PCM16 at 16 kHz, mono, as numbers from -1 to 1, in stretches of 15 to 30 s."""
    sound = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
    while len(sound) > LONGEST_S * WIRE_RATE_HZ:
        cut = _quietest(sound)
        yield sound[:cut]
        sound = sound[cut:]
    if len(sound):
        yield sound


def _quietest(sound: Sound) -> int:
    first = SHORTEST_S * WIRE_RATE_HZ
    frames = sound[first : LONGEST_S * WIRE_RATE_HZ].reshape(-1, _FRAME)
    return first + _FRAME * int(np.argmin(np.mean(np.square(frames), axis=1))) + _FRAME // 2
