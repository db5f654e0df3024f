"""Starting and ending PortAudio's streams where its own threads may hang or spin for ever."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sounddevice

START_WITHIN_S: Final = 1.0
"""How long a start may take from the moment at which its stream has ended; where it returns, it does so at once."""

SPINNING_S: Final = 0.5
"""Seconds of CPU after which a stream's thread that is to end is known to spin."""


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
        """The stream has ended; PortAudio says so from its own thread, also where it fails as it starts."""
        self._either.set()
        self._finished_callback()

    def run(self, stream: Any) -> None:
        """Start a stream. Raises PortAudioError where that fails, and TimeoutError where it never returns."""
        self._threads_before = _thread_ids()
        threading.Thread(target=self._start, args=(stream,), name="sound-start", daemon=True).start()
        self._either.wait()
        if not self._returned.wait(START_WITHIN_S):
            LostThreads.add()
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


def started(kind: Any, finished_callback: Callable[[], None], **format_and_callback: Any) -> Any:
    """Return a stream that runs, or None where the device refuses this rate or these channels."""
    stream, start = None, _Start(finished_callback)
    try:
        stream = kind(dtype="int16", latency="low", finished_callback=start.on_finished, **format_and_callback)
        start.run(stream)
    except sounddevice.PortAudioError:
        if stream is not None:
            close(stream)
        return None
    except TimeoutError:
        return None  # and left as it is: it cannot be closed before it has started
    return stream


def close(stream: Any) -> None:
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
    # print that it does (PortAudio issue 1037; 19.6 and 19.7). The thread that ends it would wait for it for good.
    before_s = {thread_id: _cpu_s(thread_id) for thread_id in threads}
    threading.Thread(target=end, name="sound-end", daemon=True).start()
    while not ended.wait(0.05):
        for thread_id in threads:
            if _cpu_s(thread_id) - before_s[thread_id] > SPINNING_S:
                LostThreads.add()
                _quieten(thread_id)
                return


def _end(stream: Any) -> None:
    # A stream whose server is gone raises from its own close.
    with contextlib.suppress(sounddevice.PortAudioError):
        stream.abort()
    with contextlib.suppress(sounddevice.PortAudioError):
        stream.close()


class LostThreads:
    """Threads that PortAudio does not give back: it can be used further, but not be ended."""

    count = 0

    @classmethod
    def add(cls) -> None:
        """One more is lost."""
        cls.count += 1
        atexit.unregister(sounddevice._exit_handler)  # noqa: SLF001  # it ends PortAudio, see `portaudio.look_again`


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
    """Let a thread that cannot be stopped do the least harm: it comes last, and what the libraries print goes nowhere.

    It prints twenty megabytes a second, and the engine's standard error is its log.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread_id, 19)
    if platform.libc_ver()[0] != "glibc":
        return  # elsewhere the variable cannot be written to
    program = ctypes.CDLL(None)
    program.fopen.restype = ctypes.c_void_p
    nowhere = program.fopen(b"/dev/null", b"w")
    if nowhere:
        ctypes.c_void_p.in_dll(program, "stderr").value = nowhere
