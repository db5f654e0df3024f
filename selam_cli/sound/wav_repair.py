"""WAV files as they are found: what the header says of their length is put right while they are read.

A recorder that crashed, or one that wrote into a pipe, leaves a data length of 0, of the last time that it was brought
up to date, or the largest there is. libsndfile takes the first two at their word. The file itself is left alone.
Sources: the RIFF specification (a chunk's size is that of its content, an odd one is padded); EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

MAX_PARTS: Final = 4_096
"""A WAV has a handful."""

PART: Final = re.compile(rb"[A-Za-z][A-Za-z0-9 _]{3}")
"""The name of a part of a WAV: `LIST`, `fact`, `id3 `."""

_HEAD: Final = struct.Struct("<4sI")
_LARGEST: Final = 0xFFFF_FFFF
_ELSEWHERE: Final = 0xFFFF_FFFF
"""The length of an RF64's samples, which stands in its part `ds64`."""

_DS64_DATA: Final = 8
"""Where in a `ds64` the length of the samples stands, in 64 bits."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that stand in for those of the file at `at`."""

    at: int
    content: bytes


class AsRepaired:
    """A file as it is to be read: with its patches, and without an error that would pass through a C library.

    It has the methods of a file that libsndfile calls.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._patches = patches(file)
        self.failure: OSError | None = None
        """Why it could be read no further; to the reader it is the end."""
        file.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, as a file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        at = self._file.tell()
        try:
            content = bytearray(self._file.read(size))
        except OSError as error:
            self.failure = error
            return b""
        for patch in self._patches:
            for offset, byte in enumerate(patch.content, patch.at - at):
                if 0 <= offset < len(content):
                    content[offset] = byte
        return bytes(content)


def length_of_samples(declared: int, there: int, after: bytes) -> int:
    """Return how many bytes of samples a WAV has.

    `declared` is what its header says, `there` are from their beginning to the file's end, and `after` are the first
    bytes after the declared ones: where they begin no other part of a WAV, they are samples, too.
    """
    if declared >= there:
        return there
    left = there - declared
    after = after[declared % 2 :] if after[:1] == b"\0" else after
    if len(after) < _HEAD.size:
        return declared or there
    name, size = _HEAD.unpack(after[: _HEAD.size])
    return declared if PART.fullmatch(name) and size <= left else there


def patches(file: BinaryIO) -> tuple[Patch, ...]:
    """Return what has to be put right for the file to be read to its end; nothing where all is well, or no WAV."""
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    magic, kind = file.read(4), file.read(8)[4:]
    if magic not in {b"RIFF", b"RF64"} or kind != b"WAVE":
        return ()
    at, ds64 = 12, -1
    for _ in range(MAX_PARTS):
        file.seek(at)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return ()
        name, size = _HEAD.unpack(head)
        at += _HEAD.size
        if name == b"ds64":
            ds64 = at
        elif name == b"data":
            return _patches_of_samples(file, at, size, total, ds64)
        at += size + size % 2
    return ()


def _patches_of_samples(file: BinaryIO, at: int, size: int, total: int, ds64: int) -> tuple[Patch, ...]:
    declared, is_large = size, size == _ELSEWHERE and ds64 > 0
    if is_large:
        file.seek(ds64 + _DS64_DATA)
        declared = int.from_bytes(file.read(8), "little")
    file.seek(min(at + declared, total))
    there = max(0, total - at)
    length = length_of_samples(declared, there, file.read(_HEAD.size + 1))
    if length == declared:
        return ()
    if is_large:
        return (Patch(ds64 + _DS64_DATA, length.to_bytes(8, "little")),)
    # One that calls itself an RF64 and has no `ds64` is an ordinary WAV.
    return (Patch(0, b"RIFF"), Patch(at - 4, min(length, _LARGEST).to_bytes(4, "little")))
