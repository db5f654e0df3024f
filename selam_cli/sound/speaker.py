"""A speaker, whichever library or file is behind it: it pulls mono int16 at its own rate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from selam_cli.errors import SelamError
from selam_cli.sound.devices import find_device
from selam_cli.sound.files import FileSpeaker, NullSpeaker, is_wav
from selam_cli.sound.streams import OutputStream, Pull


class Speaker(Protocol):
    """An open speaker; `delay_s` is the time from the pull to the ear."""

    name: str
    rate_hz: int
    follows_default: bool
    """Whether the system moves it along when its default device changes, where it is the default one."""

    @property
    def delay_s(self) -> float:
        """The time from the pull to the ear."""

    def close(self) -> None:
        """Close it; harmless when it is closed."""


def is_device(spec: str | None) -> bool:
    """Say whether `spec` means a device, which takes its time to open, and not what takes a device's place."""
    return spec is None or not (spec == "null" or is_wav(spec))


def open_speaker(
    spec: str | None,
    make_pull: Callable[[int], Pull],
    on_lost: Callable[[str], None],
    *,
    loop: asyncio.AbstractEventLoop,
    thread: Executor | None = None,
    on_unwritten: Callable[[SelamError], None] = lambda _: None,
) -> Speaker:
    """Open the speaker that `spec` means: None, a number, a part of a name, a .wav file, or `null` for none.

    `make_pull` is called with the speaker's rate in Hz. `on_lost` is called with a reason when it ends by itself. A
    device may be opened and closed in another thread than the loop's, which then is to be named; a file may not.
    `on_unwritten` is called where a file can be written no further; it takes sound as before, and keeps none of it.
    Raises DeviceError.
    """
    if spec == "null":
        return NullSpeaker(make_pull, loop)
    if spec is not None and is_wav(spec):  # nothing else: it is written over
        return FileSpeaker(spec, make_pull, on_unwritten, loop)
    return _DeviceSpeaker(spec, make_pull, on_lost, loop, thread)


class _DeviceSpeaker:
    def __init__(
        self,
        spec: str | None,
        make_pull: Callable[[int], Pull],
        on_lost: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
        thread: Executor | None,
    ) -> None:
        backend, device = find_device(spec, "output")
        self.name = device.name
        self.follows_default = backend.follows_default()
        self._stream: OutputStream = backend.open_output(device, make_pull, on_lost, loop, thread)
        self.rate_hz = self._stream.rate_hz

    @property
    def delay_s(self) -> float:
        return self._stream.delay_s

    def close(self) -> None:
        self._stream.close()
