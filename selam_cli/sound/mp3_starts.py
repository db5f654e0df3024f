"""Tells a reply that is one MP3 in slices from one whose every chunk is an MP3 of its own, without its encoder's tag.

An encoder begins with silence and pads its end; its Info tag says by how much, so that a decoder can cut it off. Where
each chunk is an MP3 without that tag, every chunk adds a gap that cannot be removed. It sounds like a bad connection,
so the user should know that it is not.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

STARTS_THAT_PROVE_IT: Final = 3
SILENT_BEGINNING: Final = 500
"""Samples; LAME begins with 576 of silence in its first frame."""

SILENT_PEAK: Final = 64
AUDIBLE_PEAK: Final = 500


class Starts:
    """Looks at the first frame of every chunk: does it begin an MP3?

    One that does leans on no frame before it and, decoded by itself, begins with silence. A frame in the middle of a
    stream may look so by chance, in a pause; not at each chunk's beginning, with sound after it.
    """

    def __init__(self) -> None:
        self._count = 0
        self._is_one_stream = False
        self._is_due = False
        self._is_start = False

    @property
    def many(self) -> bool:
        """Whether every chunk so far began an MP3 of its own, and enough of them to be sure."""
        return not self._is_one_stream and self._count >= STARTS_THAT_PROVE_IT

    def on_chunk(self, *, aligned: bool) -> None:
        """A chunk came; `aligned`: the one before it ended with a whole frame."""
        self._is_one_stream = self._is_one_stream or not aligned
        self._is_due, self._is_start = True, False

    def on_tag(self) -> None:
        """An encoder's tag stands at the chunk's beginning: its padding is known, and cut off."""
        self._is_due = False

    @property
    def is_due(self) -> bool:
        """Whether the next frame is the chunk's first."""
        return self._is_due and not self._is_one_stream

    def on_first_frame(self, leans_on_bytes: int, alone: NDArray[np.int16]) -> None:
        """The chunk's first frame: how far back its bits reach, and what it is when decoded by itself."""
        self._is_due = False
        self._is_start = leans_on_bytes == 0 and _peak(alone[:SILENT_BEGINNING]) <= SILENT_PEAK
        self._is_one_stream = not self._is_start

    def on_decoded(self, samples: NDArray[np.int16]) -> None:
        """What the chunk sounds like; silence proves nothing."""
        if self._is_start and _peak(samples) >= AUDIBLE_PEAK:
            self._is_start = False
            self._count += 1


def _peak(samples: NDArray[np.int16]) -> int:
    return int(np.abs(samples.astype(np.int32)).max(initial=0))
