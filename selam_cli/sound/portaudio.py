"""Devices through PortAudio (package `sounddevice`). Importing this raises ImportError where PortAudio is of no use.

In the callbacks: a copy, and a hand-over to the loop. No logging, no growth, no lock held across work.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
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
from selam_cli.sound.streams import InputStream, OnSamples, OutputStream, Pull, Watch, mixed_down, silence

INPUT_BLOCK_MS: Final = 20
OUTPUT_BLOCKS_MS: Final = (10, 20, 40)
"""The shortest delay first; on a machine that is too slow for it, longer blocks have no breaks."""

START_WITHIN_S: Final = 1.0
"""How long a start may take from the moment at which its stream has ended; where it returns, it does so at once."""

SPINNING_S: Final = 0.5
"""Seconds of CPU after which a stream's thread that is to end is known to go round in circles."""

UNDERFLOWS_TOLERATED: Final = 3
FALLBACK_RATES_HZ: Final = (48_000, 44_100)


def library_version() -> str:
    """Name the library that was loaded, as it names itself."""
    return str(sounddevice.get_portaudio_version()[1]).partition(",")[0]


def look_again() -> None:
    """Have PortAudio list the devices anew, which it does only as it starts; every stream must have been closed."""
    if _Lost.threads:
        return  # ending PortAudio ends its streams, and one of them is still being started or ended, for good
    # The library offers no public way; its own documentation names these two.
    sounddevice._terminate()  # noqa: SLF001
    sounddevice._initialize()  # noqa: SLF001


def follows_default() -> bool:
    """Say whether an open stream moves along when the system's default device changes: PulseAudio and PipeWire do."""
    return sys.platform.startswith("linux")


def list_devices() -> list[Device]:
    """Return what PortAudio found when it started."""
    try:
        if not sounddevice.query_devices():
            look_again()  # without a device there is no stream that it would end
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
    on_samples: OnSamples,
    on_lost: Callable[[str], None],
    loop: asyncio.AbstractEventLoop,
) -> InputStream:
    """Open a microphone: `on_samples` gets mono int16 and its rate, on the loop's thread. Safe from any thread."""
    return _Input(device, on_samples, on_lost, loop)


def open_output(
    device: Device,
    make_pull: Callable[[int], Pull],
    on_lost: Callable[[str], None],
    loop: asyncio.AbstractEventLoop,
    thread: Executor | None = None,
) -> OutputStream:
    """Open a speaker that calls the pull function made for its rate; `thread` is the one that opens devices.

    PortAudio must not open or close two streams at once: whoever opens in a thread names it, so that all stays there.
    """
    return _Output(device, make_pull, on_lost, loop, thread)


def _attempts(device: Device, first_hz: int, channels_in_order: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the rates and channels to try, in the order that audio practice favours: the system resamples well.

    Last come all of the device's channels at once, for hardware that gives no less.
    """
    rates = dict.fromkeys((first_hz, device.default_rate_hz, *FALLBACK_RATES_HZ))
    counts = dict.fromkeys((*(count for count in channels_in_order if count <= device.channels), device.channels))
    return [(rate_hz, channels) for channels in counts for rate_hz in rates]


class _Input:
    def __init__(
        self,
        device: Device,
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
            stream = _started(
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
            _close(self._stream)

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
        device: Device,
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
        # Only now: whoever makes it lets go of the speaker before.
        self._pull = make_pull(self.rate_hz)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watch.stop()
            _close(self._stream)

    def _start(self, block_ms: int, only_hz: int | None = None) -> None:
        # Stereo first: not every system plays a mono stream on both sides.
        for rate_hz, channels in _attempts(self._device, self._device.default_rate_hz, (2, 1)):
            if only_hz not in {None, rate_hz}:
                continue
            self._channels = channels
            stream = _started(
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
        """This machine is too slow for blocks so short: a little more delay, and no breaks."""
        if self._closed:
            return
        block_ms, *self._longer_blocks_ms = self._longer_blocks_ms
        self._underflows = 0
        self._finished_is_ours = True
        _close(self._stream)
        self._finished_is_ours = False
        try:
            self._start(block_ms, self.rate_hz)
        except DeviceError:
            self._loop.call_soon_threadsafe(self._watch.lost, "it could not be opened again.")

    def _on_finished(self) -> None:
        if not self._closed and not self._finished_is_ours:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._watch.lost, "the device or its sound server is gone.")


class _Start:
    """One start of a stream.

    Where the sound server dies between a stream's opening and its start, PortAudio's own thread fails and ends, and the
    one that called for the start waits for it for good (PortAudio issue 535; 19.6 and 19.7). So each start has a thread
    that may be lost.
    """

    def __init__(self, finished_callback: Callable[[], None]) -> None:
        self._finished_callback = finished_callback
        self._failure: sounddevice.PortAudioError | None = None
        self._threads_before: set[int] = set()
        self._either = threading.Event()
        self._returned = threading.Event()

    def on_finished(self) -> None:
        """The stream has ended; PortAudio tells so from its own thread, also where it fails as it starts."""
        self._either.set()
        self._finished_callback()

    def run(self, stream: Any) -> None:
        """Start a stream. Raises PortAudioError where that fails, and TimeoutError where it never returns."""
        self._threads_before = _thread_ids()
        threading.Thread(target=self._start, args=(stream,), name="sound-start", daemon=True).start()
        self._either.wait()
        if not self._returned.wait(START_WITHIN_S):
            _Lost.add()
            raise TimeoutError
        if self._failure is not None:
            raise self._failure

    def _start(self, stream: Any) -> None:
        try:
            stream.start()
            of_python = {thread.native_id for thread in threading.enumerate()}
            stream.thread_ids = _thread_ids() - self._threads_before - of_python
        except sounddevice.PortAudioError as failure:
            self._failure = failure
        self._returned.set()
        self._either.set()


def _started(kind: Any, finished_callback: Callable[[], None], **format_and_callback: Any) -> Any:
    """Return a stream that runs, or None where the device refuses this rate or these channels."""
    stream, start = None, _Start(finished_callback)
    try:
        stream = kind(dtype="int16", latency="low", finished_callback=start.on_finished, **format_and_callback)
        start.run(stream)
    except sounddevice.PortAudioError:
        if stream is not None:
            _close(stream)
        return None
    except TimeoutError:
        return None  # and left as it is: it cannot be closed before it has started
    return stream


def _close(stream: Any) -> None:
    """End a stream, or leave it behind where that can't be done."""
    threads: set[int] = getattr(stream, "thread_ids", set())
    if not threads:
        _end(stream)
        return
    ended = threading.Event()

    def end() -> None:
        _end(stream)
        ended.set()

    # Where the sound server dies at a bad moment, the stream's thread may try the same for ever, as fast as it can, and
    # print that it does (PortAudio issue 1037; 19.6 and 19.7). Who ends the stream would wait for it for good.
    before_s = {thread_id: _cpu_s(thread_id) for thread_id in threads}
    threading.Thread(target=end, name="sound-end", daemon=True).start()
    while not ended.wait(0.05):
        for thread_id in threads:
            if _cpu_s(thread_id) - before_s[thread_id] > SPINNING_S:
                _Lost.add()
                _quieten(thread_id)
                return


def _end(stream: Any) -> None:
    # A stream whose server is gone raises from its own close.
    with contextlib.suppress(sounddevice.PortAudioError):
        stream.abort()
    with contextlib.suppress(sounddevice.PortAudioError):
        stream.close()


class _Lost:
    """Threads that PortAudio does not give back: it can be used further, but not be ended."""

    threads = 0

    @classmethod
    def add(cls) -> None:
        cls.threads += 1
        atexit.unregister(sounddevice._exit_handler)  # noqa: SLF001  # it ends PortAudio, see `look_again`


def _thread_ids() -> set[int]:
    """Return the system's ids of this process's threads; none where it does not tell them."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}  # noqa: PTH208  # names, in one call
    except OSError:
        return set()


def _cpu_s(thread_id: int) -> float:
    """Return the CPU time that a thread of this process has had; 0 where it has ended."""
    try:
        fields = Path(f"/proc/self/task/{thread_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _quieten(thread_id: int) -> None:
    """Let a thread that nobody can stop do the least harm: it comes last, and what the libraries print goes nowhere.

    It prints twenty megabytes a second, and the engine's standard error is its log.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread_id, 19)
    if "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""):
        return  # elsewhere the variable cannot be written to
    program = ctypes.CDLL(None)
    program.fopen.restype = ctypes.c_void_p
    nowhere = program.fopen(b"/dev/null", b"w")
    if nowhere:
        ctypes.c_void_p.in_dll(program, "stderr").value = nowhere
