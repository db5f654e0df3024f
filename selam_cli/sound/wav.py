"""WAV as a stream: a header, then samples as they come; the next header may follow, one a chunk.

A streaming server cannot know the length, so a data length of 0, of 0xFFFFFFFF, or longer than what comes means: to
the end. So does one that is too short, as when it was written for the first piece only: what follows the samples and
begins no part of a WAV is more of them.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.errors import AudioError

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
MOST_CHANNELS: Final = 32
MAX_FORMAT_BYTES: Final = 4_096
MAX_PART_BYTES: Final = 16 * 1024 * 1024
MAX_PARTS_AT_ONCE: Final = 4_096
"""Of a chunk: one of 180,000 WAVs of a sample each would take half a minute."""

_UNENDING: Final = 1 << 62
_PART: Final = re.compile(rb"[A-Za-z][A-Za-z0-9 _]{3}")
"""The name of a part of a WAV: `LIST`, `fact`, `id3 `."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What the `fmt ` chunk says."""

    tag: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8

    @property
    def is_known(self) -> bool:
        """Whether its samples can be read here: PCM of 8 to 32 bits, or float."""
        return (self.tag == _PCM and self.bits in {8, 16, 24, 32}) or (self.tag == _FLOAT and self.bits in {32, 64})

    def mono(self, raw: bytes) -> NDArray[np.int16]:
        """Turn whole frames into mono int16."""
        mixed = np.rint(self._scaled(raw).reshape(-1, self.channels).mean(axis=1))
        mono: NDArray[np.int16] = np.clip(mixed, -32_768, 32_767).astype(np.int16)
        return mono

    def _scaled(self, raw: bytes) -> NDArray[np.float64]:
        if self.tag == _FLOAT:
            # It may hold what is no number, or none that can be played.
            numbers: NDArray[np.float64] = np.nan_to_num(np.frombuffer(raw, "<f4" if self.bits == 32 else "<f8"))
            return numbers.clip(-1.0, 1.0).astype(np.float64) * 32_768.0
        if self.bits == 8:
            return (np.frombuffer(raw, np.uint8).astype(np.float64) - 128.0) * 256.0
        if self.bits == 16:
            return np.frombuffer(raw, "<i2").astype(np.float64)
        if self.bits == 24:
            padded = np.zeros((len(raw) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
            return padded.view("<i4")[:, 0].astype(np.float64) / 65_536.0
        return np.frombuffer(raw, "<i4").astype(np.float64) / 65_536.0


class WavStream:
    """Turns slices of one WAV, or of several in a row, into mono int16."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._format: WavFormat | None = None
        self._data_left: int | None = None
        self._endless = False
        self._padded = False
        self._to_skip = 0
        self._is_wav = False

    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]:
        """Return the samples that became complete, each run with its rate in Hz.

        Raises AudioError for a header that makes no sense or a format that is not used for speech, and at the end
        where there was no header.
        """
        skipped = min(self._to_skip, len(piece))
        self._to_skip -= skipped
        piece = piece[skipped:]
        if self._endless and piece[:4] == b"RIFF" and piece[8:12] == b"WAVE":
            self._begin_file()  # the next of several files whose lengths were unknown
        self._unread += piece
        runs: list[tuple[NDArray[np.int16], int]] = []
        for _ in range(MAX_PARTS_AT_ONCE):
            if not (self._take_samples(runs) if self._data_left is not None else self._read_part()):
                break
        else:
            raise _unreadable()
        if final and not self._is_wav:
            raise _unreadable()
        return runs

    def _take_samples(self, runs: list[tuple[NDArray[np.int16], int]]) -> bool:
        """Take what is there of the samples; True where they are complete and something else may follow."""
        assert self._format is not None  # noqa: S101  # a data chunk is accepted only after it
        assert self._data_left is not None  # noqa: S101  # the caller has checked
        size = min(len(self._unread), self._data_left)
        size -= size % self._format.frame_bytes
        if size:
            runs.append((self._format.mono(bytes(self._unread[:size])), self._format.rate_hz))
            del self._unread[:size]
            self._data_left -= size
        if self._data_left < self._format.frame_bytes and len(self._unread) >= self._data_left:
            self._skip(self._data_left)
            self._data_left = None
            return bool(self._unread)
        return False

    def _read_part(self) -> bool:
        """Read what stands before the samples, or after them; False where more bytes are needed."""
        stream = self._unread
        if self._padded and stream:
            self._padded = False
            del stream[: 1 if stream[0] == 0 else 0]  # not every writer pads
        if stream.startswith(b"RIFF"):
            return self._read_riff()
        if len(stream) < 8:
            return False
        name, size = bytes(stream[:4]), int.from_bytes(stream[4:8], "little")
        if name == b"data" and self._format is not None:
            del stream[:8]
            self._endless = size == 0 or size >= 0x7FFFFF00
            self._data_left = _UNENDING if self._endless else size
            self._padded = size % 2 == 1
            self._is_wav = True
        elif not _PART.fullmatch(name) or name == b"data" or size > MAX_PART_BYTES:
            if not self._is_wav or self._format is None:
                raise _unreadable()
            self._endless, self._data_left = True, _UNENDING
        elif name == b"fmt ":
            return self._read_fmt(size)
        else:
            self._skip(8 + size + size % 2)
        return True

    def _read_riff(self) -> bool:
        if len(self._unread) < 12:
            return False
        if self._unread[8:12] != b"WAVE":
            raise _unreadable()
        self._begin_file()
        del self._unread[:12]
        return True

    def _read_fmt(self, size: int) -> bool:
        if size > MAX_FORMAT_BYTES:
            raise _unreadable()
        if len(self._unread) < 8 + size:
            return False
        self._format = _read_format(bytes(self._unread[8 : 8 + size]))
        self._skip(8 + size + size % 2)
        return True

    def _skip(self, size: int) -> None:
        self._to_skip = max(0, size - len(self._unread))
        del self._unread[:size]

    def _begin_file(self) -> None:
        self._format, self._data_left, self._endless, self._padded = None, None, False, False
        if not self._unread.startswith(b"RIFF"):
            self._unread.clear()


def _read_format(chunk: bytes) -> WavFormat:
    said = _said(chunk) if len(chunk) >= 16 else None
    if (
        said is None
        or not said.is_known
        or not 1 <= said.channels <= MOST_CHANNELS
        or not 4_000 <= said.rate_hz <= 384_000
    ):
        raise _unreadable()
    return said


def _said(chunk: bytes) -> WavFormat:
    tag, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    return WavFormat(tag, channels, rate_hz, bits)


def first_format(beginning: bytes) -> WavFormat | None:
    """Return what the `fmt ` chunk says, whether that can be read here or not; None where it has not come."""
    at = 12
    while len(beginning) >= at + 8:
        name, size = beginning[at : at + 4], int.from_bytes(beginning[at + 4 : at + 8], "little")
        at += 8
        if name == b"fmt ":
            chunk = beginning[at : at + size]
            return _said(chunk) if len(chunk) >= min(max(size, 16), 26) else None
        at += size + size % 2
    return None


def _unreadable() -> AudioError:
    return AudioError("The reply's sound is a WAV that cannot be read.", "The text goes on without it.")
