"""A reply's sound, whatever its format, decoded as it streams.

One reply is one stream: a frame may be split across chunks. The server's `format` and `sample_rate` win; where it says
nothing, the first bytes tell (protocol.md, "Where the guide is silent").
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import AudioError
from selam_cli.sound.mp3 import Mp3Stream, chained_headers
from selam_cli.sound.wav import WavStream

MAX_UNDECIDED_BYTES: Final = 4_096
"""Past this, what looks like MP3 but never chains is PCM: no false MP3 in 1.2 million offsets of PCM (measured)."""

MAX_WHOLE_FILE_BYTES: Final = 64 * 1024 * 1024

_NAMES: Final = {
    "pcm16": "pcm", "pcm": "pcm", "pcm_16": "pcm", "pcm_s16le": "pcm", "s16le": "pcm", "raw": "pcm", "linear16": "pcm",
    "mp3": "mp3", "mpeg": "mp3", "audio/mpeg": "mp3", "audio/mp3": "mp3",
    "wav": "wav", "wave": "wav", "audio/wav": "wav", "audio/x-wav": "wav",
    "ogg": "whole", "opus": "whole", "vorbis": "whole", "flac": "whole", "audio/ogg": "whole", "audio/flac": "whole",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pcm:
    """Decoded sound: mono int16 at a rate in Hz."""

    samples: NDArray[np.int16]
    rate_hz: int


class _Stream(Protocol):
    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]: ...


class ReplyDecoder:
    """Decodes one reply: `feed` it each chunk, `finish` it at the end."""

    def __init__(self) -> None:
        self._undecided = b""
        self._stream: _Stream | None = None

    def feed(self, audio: bytes, declared_format: str | None = None, sample_rate_hz: int | None = None) -> list[Pcm]:
        """Return what became complete. Raises AudioError for a format that is not known or cannot be decoded."""
        if self._stream is None:
            self._undecided += audio
            name = self._declared(declared_format) or sniff(self._undecided)
            if name is None:
                return []
            self._stream = _opened(name, sample_rate_hz)
            audio, self._undecided = self._undecided, b""
        return [Pcm(*run) for run in self._stream.feed(audio)]

    def finish(self) -> list[Pcm]:
        """Return the rest. Raises AudioError where a format that needs the whole reply cannot be decoded."""
        if self._stream is None:
            if not self._undecided:
                return []
            self._stream = _opened("pcm" if len(self._undecided) < 4 else sniff(self._undecided) or "pcm", None)
        rest, self._undecided = self._undecided, b""
        return [Pcm(*run) for run in self._stream.feed(rest, final=True)]

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
    """Tell a format by its first bytes: mp3, wav, whole (Ogg, FLAC) or pcm; None where more of them are needed."""
    if len(beginning) < 4:
        return None
    if beginning[:3] == b"ID3":
        return "mp3"
    if beginning[:4] == b"RIFF":
        return "wav"
    if beginning[:4] in {b"OggS", b"fLaC"}:
        return "whole"
    chained = chained_headers(beginning)
    if chained is None and len(beginning) < MAX_UNDECIDED_BYTES:
        return None
    return "mp3" if chained else "pcm"


def _opened(name: str, sample_rate_hz: int | None) -> _Stream:
    if name == "mp3":
        return Mp3Stream()
    if name == "wav":
        return WavStream()
    if name == "whole":
        return _WholeFile()
    return _PcmStream(sample_rate_hz or WIRE_RATE_HZ)


class _PcmStream:
    """PCM16 little-endian, mono; a sample may be split across chunks."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._odd = b""

    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]:
        raw = self._odd + piece
        whole = len(raw) // 2 * 2
        self._odd = b"" if final else raw[whole:]
        samples = np.frombuffer(raw[:whole], "<i2").astype(np.int16)
        return [(samples, self._rate_hz)] if len(samples) else []


class _WholeFile:
    """FLAC and Ogg: no small library decodes them as they stream, so they wait for the reply's end."""

    def __init__(self) -> None:
        self._file = io.BytesIO()

    def feed(self, piece: bytes, *, final: bool = False) -> list[tuple[NDArray[np.int16], int]]:
        if self._file.tell() + len(piece) > MAX_WHOLE_FILE_BYTES:
            raise AudioError("The reply's sound is too long to be decoded.", "The text goes on without it.")
        self._file.write(piece)
        if not final or not self._file.tell():
            return []
        self._file.seek(0)
        try:
            samples, rate_hz = soundfile.read(self._file, dtype="int16", always_2d=True)
        except soundfile.LibsndfileError:
            raise AudioError("The reply's sound cannot be decoded.", "The text goes on without it.") from None
        return [(samples.mean(axis=1).astype(np.int16), int(rate_hz))]
