"""WAV as a stream: a header, then samples as they come; the next header may follow, one a chunk.

A streaming server cannot know the length, so a data length of 0, of 0xFFFFFFFF, or longer than what comes means: to
the end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.errors import AudioError

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
MAX_HEADER_BYTES: Final = 65_536


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

    def mono(self, raw: bytes) -> NDArray[np.int16]:
        """Turn whole frames into mono int16."""
        mixed = np.rint(self._scaled(raw).reshape(-1, self.channels).mean(axis=1))
        mono: NDArray[np.int16] = np.clip(mixed, -32_768, 32_767).astype(np.int16)
        return mono

    def _scaled(self, raw: bytes) -> NDArray[np.float64]:
        if self.tag == _FLOAT:
            return np.frombuffer(raw, "<f4" if self.bits == 32 else "<f8").astype(np.float64) * 32_768.0
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

    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]:
        """Return the samples that became complete, each run with its rate in Hz.

        Raises AudioError for a header that makes no sense or a format that nobody uses for speech.
        """
        if self._endless and piece[:4] == b"RIFF" and piece[8:12] == b"WAVE":
            self._begin_file()  # the next of several files whose lengths were unknown
        self._unread += piece
        runs: list[tuple[NDArray[np.int16], int]] = []
        while True:
            if self._data_left is not None:
                if not self._take_samples(runs):
                    break
            elif not self._read_chunk_header(final=final):
                break
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
            del self._unread[: self._data_left + self._data_left % 2]
            self._data_left = None
            return bool(self._unread)
        return False

    def _read_chunk_header(self, *, final: bool) -> bool:
        """Read the next part of the header; False where more bytes are needed."""
        stream = self._unread
        if stream[:4] == b"RIFF":
            if len(stream) < 12:
                return False
            if stream[8:12] != b"WAVE":
                raise _unreadable()
            self._begin_file()
            del stream[:12]
            return True
        if len(stream) < 8:
            return False
        name, size = bytes(stream[:4]), int.from_bytes(stream[4:8], "little")
        if name == b"data":
            if self._format is None:
                raise _unreadable()
            del stream[:8]
            self._endless = size in {0, 0xFFFFFFFF} or size >= 0x7FFFFF00
            self._data_left = 1 << 62 if self._endless else size
            return True
        if size > MAX_HEADER_BYTES or not name.isascii():
            raise _unreadable()
        if len(stream) < 8 + size:
            return False
        if name == b"fmt ":
            self._format = _read_format(bytes(stream[8 : 8 + size]))
        del stream[: 8 + size + size % 2]
        return not final or bool(stream)

    def _begin_file(self) -> None:
        self._format, self._data_left, self._endless = None, None, False
        if self._unread[:4] != b"RIFF":
            self._unread.clear()


def _read_format(chunk: bytes) -> WavFormat:
    if len(chunk) < 16:
        raise _unreadable()
    tag, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    known = (tag == _PCM and bits in {8, 16, 24, 32}) or (tag == _FLOAT and bits in {32, 64})
    if not known or not 1 <= channels <= 32 or not 4_000 <= rate_hz <= 384_000:
        raise _unreadable()
    return WavFormat(tag, channels, rate_hz, bits)


def _unreadable() -> AudioError:
    return AudioError("The reply's sound is a WAV that cannot be read.", "The text goes on without it.")
