"""What the sound libraries' wrappers have in common: the callbacks they are given, and a watch over their silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

Pull = Callable[[int], Samples]
"""Frames → exactly that many mono int16 samples at the speaker's rate; called from the device's thread."""

OnSamples = Callable[[Samples, int, float], None]
"""Takes mono samples, their rate in Hz, and the monotonic time in seconds at which they came."""

LOOK_EVERY_S: Final = 0.15
LOOKS_BEFORE_LOST: Final = 4
"""A loss is noticed 0.6 to 0.75 s after the last callback."""

LOOKS_BEFORE_FIRST: Final = 33
"""A Bluetooth device takes its time until it calls back for the first time."""


class InputStream(Protocol):
    """An open microphone."""

    rate_hz: int

    def close(self) -> None:
        """Close it; harmless when it is closed."""


class OutputStream(Protocol):
    """An open speaker; `delay_s` is the time from the callback to the ear."""

    rate_hz: int
    delay_s: float

    def close(self) -> None:
        """Close it; harmless when it is closed."""


class Watch:
    """Notices a device that calls back no more: not every library tells when its server or its device is gone.

    It counts its own looks, not the clock: a program that was stopped for a minute has not lost its devices. It may be
    made and stopped in any thread; its timer and `on_lost` stay on the loop's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[str], None]) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._called_back = False
        self._looks_left = LOOKS_BEFORE_FIRST
        self._over = False
        loop.call_soon_threadsafe(self._look_later)

    def alive(self) -> None:
        """The device called back. Safe from its thread."""
        self._called_back = True

    def lost(self, reason: str) -> None:
        """The device said itself that it is gone; on the loop's thread."""
        if not self._over:
            self._over = True
            self._on_lost(reason)

    def stop(self) -> None:
        """Watch no more. Safe from any thread."""
        self._over = True

    def _look_later(self) -> None:
        if not self._over:
            self._loop.call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self._looks_left = LOOKS_BEFORE_LOST if self._called_back else self._looks_left - 1
        self._called_back = False
        if self._looks_left <= 0:
            self.lost("it stopped working.")
            return
        self._look_later()


def silence(frames: int) -> Samples:
    """Pull nothing: what a speaker plays until it is known to play."""
    return np.zeros(frames, np.int16)


def mixed_down(samples: Samples, channels: int) -> Samples:
    """Return interleaved samples as mono."""
    if channels == 1:
        return samples
    mono: Samples = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    return mono
