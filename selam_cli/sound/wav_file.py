"""A WAV file that is written as its sound comes, and that every player reads at any moment.

Neither libsndfile nor `wave` would do: the first brings a header up to date only when it closes its file, the second
takes a part of a block for the whole of it on a disk that is nearly full, and complains when it is collected.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import struct
from pathlib import Path
from typing import Final

from selam_cli.core.pcm import Samples, pcm16
from selam_cli.errors import UsageFault

HEADER_EVERY_S: Final = 1.0
SUFFIXES: Final = frozenset({"", ".wav", ".wave"})

_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM: Final = 1
_LARGEST: Final = 0xFFFF_FFFF


def header(samples: int, rate_hz: int) -> bytes:
    """Return the header of this many samples of mono PCM16; a sound too long for a WAV is declared as the longest."""
    size = min(2 * samples, _LARGEST - _HEADER.size)
    return _HEADER.pack(
        b"RIFF", size + _HEADER.size - 8, b"WAVE", b"fmt ", 16, _PCM, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", size
    )


class WavFile:
    """Mono PCM16, from its beginning; each method but `close` raises OSError."""

    def __init__(self, path: str, rate_hz: int, *, expected: int = 0) -> None:
        """`expected`: how many samples will come, for what can only be written once, like a pipe."""
        self._rate_hz = rate_hz
        self._told = expected
        self._written = 0
        # Unbuffered: on a full disk there is nothing left that could not be written, and the header still can be.
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115  # open as long as it is
        try:
            self._put(header(expected, rate_hz))
        except OSError:
            self._file.close()
            raise

    @property
    def samples(self) -> int:
        """How many are written; of a disk that is full, those that went on it."""
        return max(0, self._written - _HEADER.size) // 2

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._file.closed

    def write(self, samples: Samples) -> None:
        """Add sound; its header is right after every second of it, so that a killed program leaves a readable file."""
        self._put(pcm16(samples))
        if self.samples - self._told >= HEADER_EVERY_S * self._rate_hz:
            self._tell_length()

    def close(self) -> None:
        """Complete the file, as far as that can be done; harmless when it is closed."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # a disk that is gone
                if self.samples != self._told:
                    self._tell_length()
            with contextlib.suppress(OSError):
                self._file.close()

    def _put(self, encoded: bytes) -> None:
        view = memoryview(encoded)
        while view:
            taken = self._file.write(view) or 0
            self._written += taken
            view = view[taken:]

    def _tell_length(self) -> None:
        self._told = self.samples
        self._file.seek(0)
        self._file.write(header(self._told, self._rate_hz))
        self._file.seek(self._written)


def unwritable(path: str, why: str) -> str:
    """Return the sentence for a file that cannot be written."""
    return f"The file {path} cannot be written: {why}."


def check_writable(path: str) -> None:
    """Look whether a WAV can be written there, without touching what is there. Raises UsageFault where it cannot."""
    place = Path(path)
    try:
        there = place.stat()
    except FileNotFoundError:
        there = None
    except (OSError, ValueError) as error:
        raise UsageFault(unwritable(path, reason(error)), "Name another file.") from None
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise UsageFault(unwritable(path, "it is a folder"), "Name a file in it.")
    if not place.parent.is_dir():
        raise UsageFault(unwritable(path, f"there is no folder {place.parent}"), "Make it, or name a file in another.")
    if not os.access(place.parent if there is None else place, os.W_OK):
        raise UsageFault(unwritable(path, "it may not be written"), "Name a file in a folder that you may write to.")
    if there is None or stat.S_ISREG(there.st_mode):
        _check_name_and_room(place, path, 0 if there is None else there.st_size)


def check_restorable(path: str) -> None:
    """Look whether there is, or can be, a file whose header is brought up to date. Raises UsageFault where not."""
    with contextlib.suppress(OSError, ValueError):  # there is none yet
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise UsageFault(unwritable(path, "it is a pipe or a device"), "Name a file.")


def check_not_the_same(path: str, read: str) -> None:
    """Look whether a file that is written is another one than one that is read. Raises UsageFault where it is not."""
    with contextlib.suppress(OSError, ValueError):  # one of them is missing
        if os.path.samefile(path, read):  # noqa: PTH121  # names, not paths
            raise UsageFault(unwritable(path, "it is the recording that is spoken"), "Name another file.")


def _check_name_and_room(place: Path, path: str, freed: int) -> None:
    if place.suffix.lower() not in SUFFIXES:
        sentence = unwritable(path, f"sound is kept as WAV, and {place.suffix} says something else")
        raise UsageFault(sentence, f"Name it {place.with_suffix('.wav').name}.")
    with contextlib.suppress(OSError):  # a disk that does not tell
        disk = shutil.disk_usage(place.parent)
        # What `used` leaves, not what `free` says: the system's own reserve is for the superuser to write to.
        if disk.total and disk.used >= disk.total and not freed:
            raise UsageFault(unwritable(path, "its disk is full"), "Make room there, or name a file on another.")


def reason(error: OSError | ValueError) -> str:
    """Return the system's own words for a fault, or ours for a name that no file can have."""
    return getattr(error, "strerror", None) or "its name is none"
