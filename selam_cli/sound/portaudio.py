"""Devices through PortAudio (package `sounddevice`). Importing this raises ImportError where PortAudio is of no use.

In the callbacks: a copy, and a hand-over to the loop. No logging, no growth, no lock held across work.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

import numpy as np

try:
    import sounddevice
except Exception as failure:
    # The boundary to a library that starts a system's sound when it is imported: OSError where PortAudio is missing,
    # its own PortAudioError, which cannot be named before the import has succeeded, where PortAudio does not start.
    raise ImportError(f"PortAudio cannot be used: {failure}") from failure

from selam_cli.core.monitors import is_monitor
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import DeviceError
from selam_cli.sound.device import AudioDevice
from selam_cli.sound.portaudio_threads import LostThreads, close, started
from selam_cli.sound.streams import InputStream, OnSamples, OutputStream, Pull, Watch, mixed_down, silence

INPUT_BLOCK_MS: Final = 20
OUTPUT_BLOCKS_MS: Final = (10, 20, 40)
"""The shortest delay first; on a machine that is too slow for it, longer blocks have no breaks."""

UNDERFLOWS_TOLERATED: Final = 3
FALLBACK_RATES_HZ: Final = (48_000, 44_100)


def library_version() -> str:
    """Name the library that was loaded, as it names itself."""
    return str(sounddevice.get_portaudio_version()[1]).partition(",")[0]


def look_again() -> None:
    """Have PortAudio list the devices anew, which it does only as it starts; every stream must have been closed."""
    if LostThreads.count:
        return  # ending PortAudio ends its streams, and one of them is still being started or ended, for good
    # The library offers no public way; its own documentation names these two.
    sounddevice._terminate()  # noqa: SLF001
    sounddevice._initialize()  # noqa: SLF001


def follows_default() -> bool:
    """Say whether an open stream moves along when the system's default device changes: PulseAudio and PipeWire do."""
    return sys.platform.startswith("linux")


def list_devices() -> list[AudioDevice]:
    """Return what PortAudio found when it started."""
    try:
        if not sounddevice.query_devices():
            look_again()  # without a device there is no stream that it would end
        found = sounddevice.query_devices()
        apis = sounddevice.query_hostapis()
    except sounddevice.PortAudioError:
        return []
    default_input, default_output = sounddevice.default.device
    devices: list[AudioDevice] = []
    for number, entry in enumerate(found):
        host_api = str(apis[entry["hostapi"]]["name"])
        rate_hz = round(entry["default_samplerate"])
        name = " ".join(str(entry["name"]).split())
        if entry["max_input_channels"] > 0:
            channels = entry["max_input_channels"]
            is_default = number == default_input
            devices.append(
                AudioDevice(number, name, "input", channels, rate_hz, host_api, is_default, is_monitor(name))
            )
        if entry["max_output_channels"] > 0:
            channels = entry["max_output_channels"]
            devices.append(AudioDevice(number, name, "output", channels, rate_hz, host_api, number == default_output))
    return devices


def open_input(
    device: AudioDevice,
    on_samples: OnSamples,
    on_lost: Callable[[str], None],
    loop: asyncio.AbstractEventLoop,
) -> InputStream:
    """Open a microphone: `on_samples` gets mono int16 and its rate, on the loop's thread. Safe from any thread."""
    return _Input(device, on_samples, on_lost, loop)


def open_output(
    device: AudioDevice,
    make_pull: Callable[[int], Pull],
    on_lost: Callable[[str], None],
    loop: asyncio.AbstractEventLoop,
    thread: Executor | None = None,
) -> OutputStream:
    """Open a speaker that calls the pull function made for its rate; `thread` is the one that opens devices.

    PortAudio must not open or close two streams at once: a caller that opens in a thread names it, so all stays there.
    """
    return _Output(device, make_pull, on_lost, loop, thread)


def _attempts(device: AudioDevice, first_hz: int, channels_in_order: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the rates and channels to try, in the order that audio practice favours: the system resamples well.

    Last come all of the device's channels at once, for hardware that gives no less.
    """
    rates = dict.fromkeys((first_hz, device.default_rate_hz, *FALLBACK_RATES_HZ))
    counts = dict.fromkeys((*(count for count in channels_in_order if count <= device.channels), device.channels))
    return [(rate_hz, channels) for channels in counts for rate_hz in rates]


class _Input:
    def __init__(
        self,
        device: AudioDevice,
        on_samples: OnSamples,
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._on_samples = on_samples
        self._loop = loop
        self._closed = False
        self._watch = Watch(loop, on_lost)
        for rate_hz, channels in _attempts(device, WIRE_RATE_HZ, (1, 2)):
            self.rate_hz, self._channels = rate_hz, channels
            stream = started(
                sounddevice.RawInputStream,
                samplerate=rate_hz,
                channels=channels,
                device=device.number,
                blocksize=rate_hz * INPUT_BLOCK_MS // 1_000,
                callback=self._callback,
                finished_callback=self._on_finished,
            )
            if stream is not None:
                self._stream = stream
                return
        self._closed = True
        self._watch.stop()
        raise DeviceError(f"The microphone {device.name} cannot be opened.", "Choose another with --input.")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            close(self._stream)

    def _callback(self, block: Any, _frames: int, _time: object, _status: object) -> None:
        now = time.monotonic()
        self._watch.alive()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
            self._loop.call_soon_threadsafe(self._deliver, bytes(block), now)

    def _deliver(self, block: bytes, came_at: float) -> None:
        if not self._closed:
            self._on_samples(mixed_down(np.frombuffer(block, np.int16), self._channels), self.rate_hz, came_at)

    def _on_finished(self) -> None:
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._watch.lost, "the device or its sound server is gone.")


class _Output:
    def __init__(
        self,
        device: AudioDevice,
        make_pull: Callable[[int], Pull],
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
        thread: Executor | None,
    ) -> None:
        self._device = device
        self._loop = loop
        self._thread = thread
        self._closed = False
        self._finished_is_ours = False
        self._underflows = 0
        self._longer_blocks_ms = list(OUTPUT_BLOCKS_MS[1:])
        self._pull: Pull = silence
        self._watch = Watch(loop, on_lost)
        try:
            self._start(OUTPUT_BLOCKS_MS[0])
        except DeviceError:
            self._closed = True
            self._watch.stop()
            raise
        # Only now: making it takes the reply from the speaker before.
        self._pull = make_pull(self.rate_hz)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            close(self._stream)

    def _start(self, block_ms: int, only_hz: int | None = None) -> None:
        # Stereo first: not every system plays a mono stream on both sides.
        for rate_hz, channels in _attempts(self._device, self._device.default_rate_hz, (2, 1)):
            if only_hz not in {None, rate_hz}:
                continue
            self._channels = channels
            stream = started(
                sounddevice.RawOutputStream,
                samplerate=rate_hz,
                channels=channels,
                device=self._device.number,
                blocksize=rate_hz * block_ms // 1_000,
                callback=self._callback,
                finished_callback=self._on_finished,
            )
            if stream is not None:
                self._stream, self.rate_hz, self.delay_s = stream, round(stream.samplerate), float(stream.latency)
                return
        raise DeviceError(
            f"The speaker {self._device.name} cannot be opened.", "Choose another with --output, or --output null."
        )

    def _callback(self, block: Any, frames: int, _time: object, status: Any) -> None:
        self._watch.alive()
        samples = self._pull(frames)
        block[:] = (samples if self._channels == 1 else np.repeat(samples, self._channels)).tobytes()
        if status.output_underflow:
            self._underflows += 1
            if self._underflows == UNDERFLOWS_TOLERATED and self._longer_blocks_ms:
                with contextlib.suppress(RuntimeError):  # the loop or the thread is closed: the program is leaving
                    if self._thread is None:
                        self._loop.call_soon_threadsafe(self._use_longer_blocks)
                    else:
                        self._thread.submit(self._use_longer_blocks)

    def _use_longer_blocks(self) -> None:
        """This machine is too slow for blocks this short: a little more delay, and no breaks."""
        if self._closed:
            return
        block_ms, *self._longer_blocks_ms = self._longer_blocks_ms
        self._underflows = 0
        self._finished_is_ours = True
        close(self._stream)
        self._finished_is_ours = False
        try:
            self._start(block_ms, self.rate_hz)
        except DeviceError:
            self._loop.call_soon_threadsafe(self._watch.lost, "it could not be opened again.")

    def _on_finished(self) -> None:
        if not self._closed and not self._finished_is_ours:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._watch.lost, "the device or its sound server is gone.")
