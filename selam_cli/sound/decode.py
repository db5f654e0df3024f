"""A reply's sound, whatever its format, decoded as it streams.

One reply is one stream: a frame may be split across chunks. The server's `format` and `sample_rate` win; where it says
nothing, the first bytes tell (docs/protocol.md).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import AudioError
from selam_cli.sound.mp3 import Mp3Stream, chained_headers, is_all_frames
from selam_cli.sound.wav import WavStream

MAX_UNDECIDED_BYTES: Final = 4_096
"""Past this, what looks like MP3 but never chains is PCM: no false MP3 in 1.2 million offsets of PCM (measured)."""

LOWEST_RATE_HZ: Final = 4_000
HIGHEST_RATE_HZ: Final = 384_000

MAX_WHOLE_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_WHOLE_FILE_S: Final = 1_200
MAX_WHOLE_FILE_SAMPLES: Final = MAX_WHOLE_FILE_S * 48_000
"""A small Ogg can unfold to hours of silence, and a small FLAC to eight channels of it."""

_FRAMES_AT_ONCE: Final = 65_536

_NAMES: Final = {
    "pcm16": "pcm", "pcm": "pcm", "pcm_16": "pcm", "pcm_s16le": "pcm", "s16le": "pcm", "raw": "pcm", "linear16": "pcm",
    "mp3": "mp3", "mpeg": "mp3", "audio/mpeg": "mp3", "audio/mp3": "mp3",
    "wav": "wav", "wave": "wav", "audio/wav": "wav", "audio/x-wav": "wav",
    "ogg": "whole", "opus": "whole", "vorbis": "whole", "flac": "whole", "audio/ogg": "whole", "audio/flac": "whole",
}  # fmt: skip


_FOREIGN: Final = ("AAC", "AIFF", "AMR", "MP4", "WebM")
"""Recognised by their first bytes, so that they are not taken for PCM, which would be a loud noise."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """Decoded sound: mono int16 at a rate in Hz."""

    samples: NDArray[np.int16]
    rate_hz: int


class _Stream(Protocol):
    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]: ...


class ReplyDecoder:
    """Decodes one reply: `feed` it each chunk, `finish` it at the end.

    What cannot be decoded raises AudioError once; the rest of such a reply is passed over in silence.
    """

    def __init__(self) -> None:
        self._undecided = b""
        self._stream: _Stream | None = None
        self._rate_hz: int | None = None
        self._failed = False

    def feed(self, audio: bytes, declared_format: str | None = None, sample_rate_hz: int | None = None) -> list[Pcm]:
        """Return what became complete. Raises AudioError for a format that is not known or cannot be decoded."""
        if self._stream is None and not self._failed:
            self._undecided += audio
            self._rate_hz = sample_rate_hz or self._rate_hz
            with self._failing_once():
                name = self._declared(declared_format) or sniff(self._undecided)
                if name is None:
                    return []
                self._stream = _opened(name, self._rate_hz)
            audio, self._undecided = self._undecided, b""
        elif isinstance(self._stream, _PcmStream) and sample_rate_hz is not None:
            with self._failing_once():
                self._stream.rate_hz = _checked_rate(sample_rate_hz)
        return self._decoded(audio)

    @property
    def has_gaps(self) -> bool:
        """Whether the sound comes with gaps that lie in the way it was encoded, and that cannot be removed."""
        return isinstance(self._stream, Mp3Stream) and self._stream.has_gaps

    def finish(self) -> list[Pcm]:
        """Return the rest. Raises AudioError where nothing of the reply was what it seemed to be."""
        rest, self._undecided = self._undecided, b""
        if self._stream is None and rest:
            self._stream = _opened("mp3" if is_all_frames(rest) else "pcm", self._rate_hz)
        return self._decoded(rest, final=True)

    def _decoded(self, audio: bytes, *, final: bool = False) -> list[Pcm]:
        if self._stream is None or self._failed:
            return []
        with self._failing_once():
            return [Pcm(*run) for run in self._stream.feed(audio, final=final)]

    @contextmanager
    def _failing_once(self) -> Iterator[None]:
        try:
            yield
        except AudioError:
            self._failed, self._undecided = True, b""
            raise

    @staticmethod
    def _declared(declared_format: str | None) -> str | None:
        if declared_format is None:
            return None
        name = _NAMES.get(declared_format.partition(";")[0].strip())
        if name is None:
            raise AudioError(
                f"The reply's sound has a format that is not known here ({declared_format[:40]!r}).",
                "The text goes on without it.",
            )
        return name


def sniff(beginning: bytes) -> str | None:
    """Tell a format by its first bytes: mp3, wav, whole (Ogg, FLAC), pcm, or the name of one that is not known here.

    None where more of them are needed.
    """
    if len(beginning) < 4:
        return None
    if beginning[:3] == b"ID3":
        return "mp3"
    if beginning[:4] == b"RIFF":
        return "wav"
    if beginning[:4] in {b"OggS", b"fLaC"}:
        return "whole"
    if (foreign := _foreign(beginning)) is not None:
        return foreign
    chained, is_aac = chained_headers(beginning), chained_aac_headers(beginning)
    if (chained is None or is_aac is None) and len(beginning) < MAX_UNDECIDED_BYTES:
        return None
    if is_aac:
        return "AAC"
    return "mp3" if chained else "pcm"


def _foreign(beginning: bytes) -> str | None:
    if beginning.startswith(b"\x1aE\xdf\xa3"):
        return "WebM"
    if beginning[4:8] == b"ftyp":
        return "MP4"
    if beginning.startswith(b"FORM") and beginning[8:11] == b"AIF":
        return "AIFF"
    return "AMR" if beginning.startswith(b"#!AMR") else None


def chained_aac_headers(stream: bytes, wanted: int = 3) -> bool | None:
    """Say whether the stream begins with `wanted` chained frames of AAC (ADTS); None where more bytes are needed."""
    at = 0
    for _ in range(wanted):
        header = stream[at : at + 6]
        if header[:1] not in {b"", b"\xff"} or (len(header) > 1 and header[1] & 0xF6 != 0xF0):
            return False
        if len(header) < 6:
            return None
        size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        if size < 7:
            return False
        at += size
    return True


def _opened(name: str, sample_rate_hz: int | None) -> _Stream:
    if name == "mp3":
        return Mp3Stream()
    if name == "wav":
        return WavStream()
    if name == "whole":
        return _WholeFile()
    if name in _FOREIGN:
        raise AudioError(f"The reply's sound is {name}, which is not known here.", "The text goes on without it.")
    return _PcmStream(_checked_rate(sample_rate_hz or WIRE_RATE_HZ))


def _checked_rate(rate_hz: int) -> int:
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"The reply's sound is said to have {rate_hz} samples a second.", "The text goes on without it."
        )
    return rate_hz


class _PcmStream:
    """PCM16 little-endian, mono; a sample may be split across chunks, and the rate may change between two."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._odd = b""

    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]:
        raw = self._odd + piece
        whole = len(raw) // 2 * 2
        self._odd = b"" if final else raw[whole:]
        samples = np.frombuffer(raw[:whole], "<i2").astype(np.int16)
        return [(samples, self.rate_hz)] if len(samples) else []


class _WholeFile:
    """FLAC and Ogg: no small library decodes them as they stream, so they wait for the reply's end.

    A chunk that begins a file begins another one: libsndfile reads the first of several in a row, and no more.
    """

    def __init__(self) -> None:
        self._files: list[io.BytesIO] = []
        self._size_bytes = 0

    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]:
        self._size_bytes += len(piece)
        if self._size_bytes > MAX_WHOLE_FILE_BYTES:
            raise _too_long()
        if not self._files or _begins_file(piece):
            self._files.append(io.BytesIO())
        self._files[-1].write(piece)
        if not final or not self._size_bytes:
            return []
        left_s, runs = float(MAX_WHOLE_FILE_S), []
        for file in self._files:
            samples, rate_hz = _read_whole(file, left_s)
            left_s -= len(samples) / rate_hz
            runs.append((samples, rate_hz))
        return runs


def _begins_file(piece: bytes) -> bool:
    """Say whether a piece begins with FLAC's first block, or with an Ogg page that is marked as a stream's first."""
    first_page = 2
    flac = piece.startswith(b"fLaC") and piece[4:5] in {b"\0", b"\x80"} and piece[5:8] == b"\0\0\x22"
    return flac or (piece.startswith(b"OggS") and len(piece) > 5 and bool(piece[5] & first_page))


def _read_whole(stream: io.BytesIO, longest_s: float) -> tuple[NDArray[np.int16], int]:
    stream.seek(0)
    try:
        with soundfile.SoundFile(stream) as file:
            _checked_rate(int(file.samplerate))
            left = min(int(longest_s * file.samplerate), MAX_WHOLE_FILE_SAMPLES)
            pieces = [np.zeros(0, np.int16)]
            # Piece by piece: its length and its number of channels are only what the file itself declares.
            while left > 0 and len(piece := file.read(min(left, _FRAMES_AT_ONCE), dtype="int16", always_2d=True)):
                pieces.append(piece.mean(axis=1).astype(np.int16))
                left -= len(piece)
            return np.concatenate(pieces), int(file.samplerate)
    except soundfile.LibsndfileError:
        raise AudioError("The reply's sound cannot be decoded.", "The text goes on without it.") from None


def _too_long() -> AudioError:
    return AudioError("The reply's sound is too long to be decoded.", "The text goes on without it.")
