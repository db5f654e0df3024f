"""Devices through PortAudio (package `sounddevice`). Importing this raises ImportError where PortAudio is of no use.

In the callbacks: a copy, and a hand-over to the loop. No logging, no growth, no lock held across work.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

try:
    import sounddevice
except Exception as failure:
    # The boundary to a library that starts a system's sound when it is imported: OSError where PortAudio is missing,
    # its own PortAudioError, which cannot be named before the import has succeeded, where PortAudio does not start.
    raise ImportError(f"PortAudio cannot be used: {failure}") from failure

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import DeviceError
from selam_cli.sound.devices import Device
from selam_cli.sound.streams import InputStream, OutputStream, Pull, Samples, Watch, mixed_down, silence

INPUT_BLOCK_MS: Final = 20
OUTPUT_BLOCK_MS: Final = 10
OUTPUT_BLOCK_SAFE_MS: Final = 20
UNDERFLOWS_TOLERATED: Final = 3
FALLBACK_RATES_HZ: Final = (48_000, 44_100)


def list_devices() -> list[Device]:
    """Return what PortAudio found when it started; it never looks again within a process."""
    try:
        found = sounddevice.query_devices()
        apis = sounddevice.query_hostapis()
    except sounddevice.PortAudioError:
        return []
    default_input, default_output = sounddevice.default.device
    devices: list[Device] = []
    for number, entry in enumerate(found):
        host_api = str(apis[entry["hostapi"]]["name"])
        rate_hz = round(entry["default_samplerate"])
        name = " ".join(str(entry["name"]).split())
        if entry["max_input_channels"] > 0:
            channels = entry["max_input_channels"]
            devices.append(Device(number, name, "input", channels, rate_hz, host_api, number == default_input))
        if entry["max_output_channels"] > 0:
            channels = entry["max_output_channels"]
            devices.append(Device(number, name, "output", channels, rate_hz, host_api, number == default_output))
    return devices


def open_input(
    device: Device,
    on_samples: Callable[[Samples, float], None],
    on_lost: Callable[[str], None],
    loop: asyncio.AbstractEventLoop,
) -> InputStream:
    """Open a microphone: `on_samples` gets mono int16 at the stream's `rate_hz`, on the loop's thread."""
    return _Input(device, on_samples, on_lost, loop)


def open_output(
    device: Device,
    make_pull: Callable[[int], Pull],
    on_lost: Callable[[str], None],
    loop: asyncio.AbstractEventLoop,
) -> OutputStream:
    """Open a speaker that calls the pull function made for its rate."""
    return _Output(device, make_pull, on_lost, loop)


def _attempts(device: Device, first_hz: int, channels_in_order: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the rates and channels to try, in the order that audio practice favours: the system resamples well."""
    rates = dict.fromkeys((first_hz, device.default_rate_hz, *FALLBACK_RATES_HZ))
    return [(rate_hz, channels) for channels in channels_in_order if channels <= device.channels for rate_hz in rates]


class _Input:
    def __init__(
        self,
        device: Device,
        on_samples: Callable[[Samples, float], None],
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._on_samples = on_samples
        self._loop = loop
        self._closed = False
        self._watch = Watch(loop, on_lost)
        for rate_hz, channels in _attempts(device, WIRE_RATE_HZ, (1, 2)):
            self.rate_hz, self._channels = rate_hz, channels
            try:
                self._stream = sounddevice.RawInputStream(
                    samplerate=rate_hz,
                    channels=channels,
                    device=device.number,
                    dtype="int16",
                    latency="low",
                    blocksize=rate_hz * INPUT_BLOCK_MS // 1_000,
                    callback=self._callback,
                    finished_callback=self._finished,
                )
                self._stream.start()
            except sounddevice.PortAudioError:
                continue
            return
        self._watch.stop()
        raise DeviceError(f"The microphone {device.name} cannot be opened.", "Choose another with --input.")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            _close(self._stream)

    def _callback(self, block: Any, _frames: int, _time: object, _status: object) -> None:
        now = time.monotonic()
        self._watch.alive()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
            self._loop.call_soon_threadsafe(self._deliver, bytes(block), now)

    def _deliver(self, block: bytes, ended_at: float) -> None:
        if not self._closed:
            self._on_samples(mixed_down(np.frombuffer(block, np.int16), self._channels), ended_at)

    def _finished(self) -> None:
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._watch.lost, "the device or its sound server is gone.")


class _Output:
    def __init__(
        self,
        device: Device,
        make_pull: Callable[[int], Pull],
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._device = device
        self._loop = loop
        self._closed = False
        self._finished_is_ours = False
        self._underflows = 0
        self._pull: Pull = silence
        self._watch = Watch(loop, on_lost)
        try:
            self._start(OUTPUT_BLOCK_MS)
        except DeviceError:
            self._watch.stop()
            raise
        # Only now: whoever makes it lets go of the speaker before.
        self._pull = make_pull(self.rate_hz)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            _close(self._stream)

    def _start(self, block_ms: int, only_hz: int | None = None) -> None:
        self._stream, self._channels = self._opened(block_ms, only_hz)
        self.rate_hz = round(self._stream.samplerate)
        self.delay_s = float(self._stream.latency)
        try:
            self._stream.start()
        except sounddevice.PortAudioError:
            _close(self._stream)
            raise self._not_opened() from None

    def _opened(self, block_ms: int, only_hz: int | None = None) -> tuple[Any, int]:
        # Stereo first: not every system plays a mono stream on both sides.
        for rate_hz, channels in _attempts(self._device, self._device.default_rate_hz, (2, 1)):
            if only_hz not in {None, rate_hz}:
                continue
            try:
                stream = sounddevice.RawOutputStream(
                    samplerate=rate_hz,
                    channels=channels,
                    device=self._device.number,
                    dtype="int16",
                    latency="low",
                    blocksize=rate_hz * block_ms // 1_000,
                    callback=self._callback,
                    finished_callback=self._finished,
                )
            except sounddevice.PortAudioError:
                continue
            return stream, channels
        raise self._not_opened()

    def _not_opened(self) -> DeviceError:
        return DeviceError(
            f"The speaker {self._device.name} cannot be opened.", "Choose another with --output, or --output null."
        )

    def _callback(self, block: Any, frames: int, _time: object, status: Any) -> None:
        self._watch.alive()
        samples = self._pull(frames)
        block[:] = (samples if self._channels == 1 else np.repeat(samples, self._channels)).tobytes()
        if status.output_underflow:
            self._underflows += 1
            if self._underflows == UNDERFLOWS_TOLERATED:
                with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                    self._loop.call_soon_threadsafe(self._use_longer_blocks)

    def _use_longer_blocks(self) -> None:
        """This machine is too slow for short blocks: a little more delay, and no breaks."""
        if self._closed:
            return
        self._finished_is_ours = True
        _close(self._stream)
        self._finished_is_ours = False
        try:
            self._start(OUTPUT_BLOCK_SAFE_MS, self.rate_hz)
        except DeviceError:
            self._watch.lost("it could not be opened again.")

    def _finished(self) -> None:
        if not self._closed and not self._finished_is_ours:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._watch.lost, "the device or its sound server is gone.")


def _close(stream: Any) -> None:
    # A stream whose server is gone raises from its own close.
    with contextlib.suppress(sounddevice.PortAudioError):
        stream.abort()
    with contextlib.suppress(sounddevice.PortAudioError):
        stream.close()
