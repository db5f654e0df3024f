"""A microphone, whichever library or file is behind it: mono int16 at 16 kHz, in blocks, on the loop's thread."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Protocol

from selam_cli.core.pcm import CaptureClock
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.sound.devices import find_device
from selam_cli.sound.files import FileMicrophone, names_file
from selam_cli.sound.resample import Resampler
from selam_cli.sound.streams import InputStream, Samples

OnBlock = Callable[[Samples, float], None]
"""Takes a block and the monotonic time, in seconds, of its last sample."""


class Microphone(Protocol):
    """An open microphone; `rate_hz` is the device's own."""

    name: str
    rate_hz: int
    follows_default: bool
    """Whether the system moves it along when its default device changes, where it is the default one."""

    def speak(self) -> None:
        """A file begins to speak; a device does nothing."""

    def close(self) -> None:
        """Close it; harmless when it is closed."""


def is_device(spec: str | None) -> bool:
    """Say whether `spec` means a device, which takes its time to open, and not a file in its place."""
    return spec is None or not (names_file(spec) or os.path.isfile(spec))  # noqa: PTH113  # Path's raises for some names


def open_microphone(
    spec: str | None,
    on_block: OnBlock,
    on_lost: Callable[[str], None],
    *,
    loop: asyncio.AbstractEventLoop,
    no_monitor: bool = False,
) -> Microphone:
    """Open the microphone that `spec` means: None, a number, a part of a name, or a file.

    `on_lost` is called with a reason when it ends by itself. A device may be opened and closed in another thread than
    the loop's, a file may not. `no_monitor` is `find_device`'s. Raises DeviceError, or UsageFault for a file.
    """
    if spec is not None and not is_device(spec):
        return FileMicrophone(spec, on_block, loop)
    return _DeviceMicrophone(spec, on_block, on_lost, loop, no_monitor=no_monitor)


class _DeviceMicrophone:
    def __init__(
        self,
        spec: str | None,
        on_block: OnBlock,
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
        *,
        no_monitor: bool,
    ) -> None:
        backend, device = find_device(spec, "input", no_monitor=no_monitor)
        self.name = device.name
        stands_in = spec is None and not device.is_default  # for a default one that is no microphone
        self.follows_default = backend.follows_default() and not stands_in
        self._on_block = on_block
        self._resampler: Resampler | None = None
        self._clock = CaptureClock()
        self._stream: InputStream = backend.open_input(device, self._on_samples, on_lost, loop)
        self.rate_hz = self._stream.rate_hz

    def speak(self) -> None:
        """A device speaks when a user speaks into it."""

    def close(self) -> None:
        self._stream.close()

    def _on_samples(self, samples: Samples, rate_hz: int, came_at: float) -> None:
        if rate_hz != WIRE_RATE_HZ:
            if self._resampler is None:
                self._resampler = Resampler(rate_hz, WIRE_RATE_HZ)
            samples = self._resampler.process(samples)
        self._on_block(samples, self._clock.ended_at(samples, min(came_at, time.monotonic())))
