"""Devices through miniaudio, the fallback: it reaches PulseAudio and ALSA without PortAudio's system library."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from typing import Any, Final, NamedTuple

import miniaudio
import numpy as np

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import DeviceError
from selam_cli.sound.device import AudioDevice, Direction
from selam_cli.sound.mini_system import Entry, SoundSystem, ask_nothing, on_sound_server
from selam_cli.sound.streams import InputStream, OnSamples, OutputStream, Pull, Watch, silence

INPUT_BLOCK_MS: Final = 20
INPUT_BLOCKS: Final = 100
"""How many of them the sound server keeps for us: it throws away what it cannot hand on in time, and with the library's
own three that is what comes after 60 ms. A block is handed on when it is full, so keeping more delays nothing."""

OUTPUT_BLOCK_MS: Final = 20
OUTPUT_RATE_HZ: Final = 48_000

DELAY_BLOCKS: Final = {"PulseAudio": 1.25}
"""How many blocks wait between the pull and the ear; the library does not tell. Measured by cutting the program off
in mid-sound, and counting in a recording what of the pulled samples was lost: 15 to 30 ms of blocks of 20, mean 24."""

DELAY_BLOCKS_ELSEWHERE: Final = 3.0
"""The library keeps three blocks, and where it writes to a device itself all of them wait."""


def library_version() -> str:
    """Name the library that was loaded."""
    return f"miniaudio {miniaudio.lib_version()}"


def list_devices() -> list[AudioDevice]:
    """Return what miniaudio finds now, the system's choice first: it goes along when another device is chosen.

    The library converts rates and channels itself, so each is listed with those that we ask for.
    """
    found = _found()
    return [] if found is None or not (found.inputs or found.outputs) else _devices(found)


def server_devices() -> list[AudioDevice]:
    """Return what the sound server of a Linux desktop knows, its choice first; nothing where there is no server."""
    backends = on_sound_server()
    found = None if backends is None else _found_through(backends)
    return [] if found is None else _devices(found)


def _devices(found: _Found) -> list[AudioDevice]:
    """Return the devices by numbers: for each direction the default one, microphones or speakers, and monitors."""
    listed: list[AudioDevice] = []
    rates: tuple[tuple[Direction, int, list[Entry]], ...] = (
        ("input", WIRE_RATE_HZ, found.inputs),
        ("output", OUTPUT_RATE_HZ, found.outputs),
    )
    for direction, rate_hz, entries in rates:
        default_is_monitor = any(entry.is_default and entry.is_monitor for entry in entries)
        in_order = sorted(entries, key=lambda entry: entry.is_monitor)
        for name, monitor in (
            ("default", default_is_monitor),
            *((entry.name, entry.is_monitor) for entry in in_order),
        ):
            is_default = not listed or listed[-1].direction != direction
            listed.append(AudioDevice(len(listed), name, direction, 1, rate_hz, found.backend, is_default, monitor))
    return listed


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
    _thread: Executor | None = None,
) -> OutputStream:
    """Open a speaker that calls the pull function made for its rate. Safe from any thread."""
    return _Output(device, make_pull, on_lost, loop)


def look_again() -> None:
    """Do nothing: each list is made anew."""


def follows_default() -> bool:
    """Say whether an open stream moves along when the system's default device changes: the library sees to it."""
    return True


def _found() -> _Found | None:
    backends = on_sound_server()
    return (None if backends is None else _found_through(backends)) or _found_through(None)


def _found_through(backends: list[miniaudio.Backend] | None) -> _Found | None:
    try:
        system = SoundSystem(backends)
        return None if system.backend == "Null" else _Found(*system.entries(), system.backend)
    except miniaudio.MiniaudioError:
        return None


def _device_id(device: AudioDevice) -> Any:
    """Return the library's own id; None means the default device. Raises MiniaudioError for one that is gone."""
    if device.is_default:
        return None
    found = _found()
    entries = () if found is None else found.inputs if device.direction == "input" else found.outputs
    for entry in entries:
        if entry.name == device.name:
            return entry.id
    raise miniaudio.MiniaudioError("the device is gone")


def _backends(device: AudioDevice) -> list[miniaudio.Backend] | None:
    """Open a device through what it was found through, also when the sound server dies between the two."""
    return [miniaudio.Backend.PULSEAUDIO] if device.host_api == "PulseAudio" else None


class _Found(NamedTuple):
    inputs: list[Entry]
    outputs: list[Entry]
    backend: str


class _CaptureDevice(miniaudio.CaptureDevice):  # type: ignore[misc]  # the package has no types
    def _make_context(self, *arguments: Any) -> Any:
        return ask_nothing(super()._make_context(*arguments))


class _PlaybackDevice(miniaudio.PlaybackDevice):  # type: ignore[misc]  # the package has no types
    def _make_context(self, *arguments: Any) -> Any:
        return ask_nothing(super()._make_context(*arguments))


class _Input:
    rate_hz = WIRE_RATE_HZ

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
        try:
            self._stream = _made(
                _CaptureDevice,
                input_format=miniaudio.SampleFormat.SIGNED16,
                nchannels=1,
                sample_rate=WIRE_RATE_HZ,
                buffersize_msec=INPUT_BLOCK_MS,
                callback_periods=INPUT_BLOCKS,
                device_id=_device_id(device),
                backends=_backends(device),
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

    def _deliver(self, block: bytes, came_at: float) -> None:
        if not self._closed:
            self._on_samples(np.frombuffer(block, np.int16), WIRE_RATE_HZ, came_at)


class _Output:
    rate_hz = OUTPUT_RATE_HZ

    def __init__(
        self,
        device: AudioDevice,
        make_pull: Callable[[int], Pull],
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._closed = False
        self._pull: Pull = silence
        self._watch = Watch(loop, on_lost)
        try:
            self._stream = _made(
                _PlaybackDevice,
                output_format=miniaudio.SampleFormat.SIGNED16,
                nchannels=1,
                sample_rate=OUTPUT_RATE_HZ,
                buffersize_msec=OUTPUT_BLOCK_MS,
                device_id=_device_id(device),
                backends=_backends(device),
                app_name="selam-voice",
            )
            _start(self._stream, self._playing())
        except miniaudio.MiniaudioError:
            self._watch.stop()
            raise DeviceError(
                f"The speaker {device.name} cannot be opened.", "Choose another with --output, or --output null."
            ) from None
        waiting_blocks = DELAY_BLOCKS.get(self._stream.backend, DELAY_BLOCKS_ELSEWHERE)
        self.delay_s = waiting_blocks * OUTPUT_BLOCK_MS / 1_000
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


def _made(kind: Any, **options: Any) -> Any:
    """Return a new device, or leave nothing of it behind where it cannot be had."""
    stream = kind.__new__(kind)
    try:
        stream.__init__(**options)
    except miniaudio.MiniaudioError:
        if hasattr(stream, "_context"):
            miniaudio.lib.ma_context_uninit(stream._context)  # noqa: SLF001  # see _close
        raise
    return stream


def _start(stream: Any, callback: Generator[Any, Any, None]) -> None:
    """Start a device, and let go of it where it does not start; the library wants its callback begun."""
    next(callback)
    try:
        if stream.backend == "Null":  # what the library takes where the server died a moment ago: it hears nothing
            raise miniaudio.MiniaudioError("no device")  # noqa: TRY301  # it is let go of like one that does not start
        stream.start(callback)
    except miniaudio.MiniaudioError:
        _close(stream)
        raise


def _close(stream: Any) -> None:
    with contextlib.suppress(miniaudio.MiniaudioError):  # a device whose server is gone
        stream.close()
    # The library keeps its connection to the sound server, with two descriptors, for good: it has to be ended here.
    miniaudio.lib.ma_context_uninit(stream._context)  # noqa: SLF001
