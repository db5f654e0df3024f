"""Devices through miniaudio, the fallback: it reaches PulseAudio and ALSA without PortAudio's system library."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any, Final

import miniaudio
import numpy as np

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import DeviceError
from selam_cli.sound.devices import Device
from selam_cli.sound.streams import InputStream, OutputStream, Pull, Samples, Watch, silence

INPUT_BLOCK_MS: Final = 20
OUTPUT_BLOCK_MS: Final = 20
OUTPUT_RATE_HZ: Final = 48_000


def list_devices() -> list[Device]:
    """Return what miniaudio finds now, the system's choice first, for the library does not tell which one that is.

    It converts rates and channels itself, so each is listed with those that we ask for.
    """
    listed = _listed()
    if listed is None or not (listed[0] or listed[1]):
        return []
    captures, playbacks, backend = listed
    inputs, outputs = (["default", *(entry["name"] for entry in entries)] for entries in (captures, playbacks))
    return [
        *(
            Device(number, name, "input", 1, WIRE_RATE_HZ, backend, is_default=number == 0)
            for number, name in enumerate(inputs)
        ),
        *(
            Device(len(inputs) + number, name, "output", 1, OUTPUT_RATE_HZ, backend, is_default=number == 0)
            for number, name in enumerate(outputs)
        ),
    ]


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


def _listed() -> tuple[list[dict[str, Any]], list[dict[str, Any]], str] | None:
    try:
        found = miniaudio.Devices()
        if found.backend == "Null":
            return None
        return found.get_captures(), found.get_playbacks(), found.backend
    except miniaudio.MiniaudioError:
        return None


def _device_id(device: Device) -> Any:
    """Return the library's own id; None, the default device, where the list has changed meanwhile."""
    listed = _listed()
    if listed is None or device.is_default:
        return None
    entries = listed[0] if device.direction == "input" else listed[1]
    return next((entry["id"] for entry in entries if entry["name"] == device.name), None)


class _Input:
    rate_hz = WIRE_RATE_HZ

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
        try:
            self._stream = miniaudio.CaptureDevice(
                input_format=miniaudio.SampleFormat.SIGNED16,
                nchannels=1,
                sample_rate=WIRE_RATE_HZ,
                buffersize_msec=INPUT_BLOCK_MS,
                device_id=_device_id(device),
                app_name="selam-voice",
            )
            _start(self._stream, self._receiving())
        except miniaudio.MiniaudioError:
            self._watch.stop()
            raise DeviceError(
                f"The microphone {device.name} cannot be opened.", "Choose another with --input."
            ) from None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            _close(self._stream)

    def _receiving(self) -> Generator[None, bytes, None]:
        while True:
            block = yield
            self._watch.alive()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._deliver, bytes(block), time.monotonic())

    def _deliver(self, block: bytes, ended_at: float) -> None:
        if not self._closed:
            self._on_samples(np.frombuffer(block, np.int16), ended_at)


class _Output:
    rate_hz = OUTPUT_RATE_HZ
    delay_s = 3 * OUTPUT_BLOCK_MS / 1_000
    """The library keeps three periods."""

    def __init__(
        self,
        device: Device,
        make_pull: Callable[[int], Pull],
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._closed = False
        self._pull: Pull = silence
        self._watch = Watch(loop, on_lost)
        try:
            self._stream = miniaudio.PlaybackDevice(
                output_format=miniaudio.SampleFormat.SIGNED16,
                nchannels=1,
                sample_rate=OUTPUT_RATE_HZ,
                buffersize_msec=OUTPUT_BLOCK_MS,
                device_id=_device_id(device),
                app_name="selam-voice",
            )
            _start(self._stream, self._playing())
        except miniaudio.MiniaudioError:
            self._watch.stop()
            raise DeviceError(
                f"The speaker {device.name} cannot be opened.", "Choose another with --output, or --output null."
            ) from None
        self._pull = make_pull(OUTPUT_RATE_HZ)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            _close(self._stream)

    def _playing(self) -> Generator[bytes, int, None]:
        frames = yield b""
        while True:
            self._watch.alive()
            frames = yield self._pull(frames).tobytes()


def _start(stream: Any, callback: Generator[Any, Any, None]) -> None:
    """Start a device, and let go of it where it does not start; the library wants its callback begun."""
    next(callback)
    try:
        stream.start(callback)
    except miniaudio.MiniaudioError:
        _close(stream)
        raise


def _close(stream: Any) -> None:
    with contextlib.suppress(miniaudio.MiniaudioError):  # a device whose server is gone
        stream.close()
