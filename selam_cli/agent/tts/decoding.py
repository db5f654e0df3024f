"""A sentence's sound as a server sends it, made PCM16 at 16 kHz while it streams."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from selam_cli.core.pcm import pcm16
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import AudioError
from selam_cli.sound.decode import Pcm, ReplyDecoder, sniff
from selam_cli.sound.mp3 import is_all_frames
from selam_cli.sound.resample import Resampler

OPENAI_PCM_RATE_HZ: Final = 24_000
"""What `response_format: pcm` means in OpenAI's API, where the content type does not say otherwise."""

_RAW: Final = re.compile(r"audio/(?:x-)?(?:pcm|l16|raw|s16le)\b")
_RATE: Final = re.compile(r"rate=\"?(\d{4,6})")
_ADTS: Final = (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")


class NoSound(AudioError):
    """What came is no sound, or none that can be decoded."""


class SpeechDecoder:
    """Decodes one answer. Servers mislabel their sound, so its first bytes tell what it is.

    Only sound without a header is believed by its content type, or what was asked for: anything can pass for that, an
    error message too, and would be heard as a bang.
    """

    def __init__(self, content_type: str, *, asked_for_pcm: bool = False) -> None:
        rate = _RATE.search(content_type)
        is_raw = asked_for_pcm or _RAW.match(content_type) is not None
        self._raw_hz = (int(rate[1]) if rate else OPENAI_PCM_RATE_HZ) if is_raw else None
        self._beginning = b""
        self._decided = False
        self._decoder = ReplyDecoder()
        self._resampler: tuple[int, Resampler] | None = None
        self.samples = 0

    def feed(self, piece: bytes) -> bytes:
        """Return what became complete. Raises AudioError for what is no sound."""
        if not self._decided:
            self._beginning += piece
            if not self._decide():
                return b""
            piece, self._beginning = self._beginning, b""
        return self._converted(self._decoder.feed(piece, *self._declared))

    def finish(self) -> bytes:
        """Return the rest. Raises AudioError where none of it was sound."""
        if not self._decided and self._beginning:
            if self._raw_hz is None and not is_all_frames(self._beginning):
                raise _no_sound(self._beginning)
            self._decoder.feed(self._beginning, *self._declared)
        end = self._converted(self._decoder.finish())
        if self._resampler is not None:
            end += self._counted(pcm16(self._resampler[1].flush()))
        if not self.samples:
            raise NoSound("There was no sound in it.")
        return end

    @property
    def _declared(self) -> tuple[str | None, int | None]:
        return ("pcm", self._raw_hz) if self._raw_hz is not None else (None, None)

    def _decide(self) -> bool:
        """Say whether the first bytes tell what this is. Raises AudioError where they tell that it is no sound."""
        beginning = self._beginning
        found = sniff(beginning)
        if found is None:
            return False
        if found != "pcm":
            self._raw_hz = None  # it has a header, whatever was asked for
        elif self._raw_hz is None or beginning.lstrip()[:2] in {b'{"', b"<!", b"<h"}:
            raise _no_sound(beginning)
        self._decided = True
        return True

    def _converted(self, runs: Iterable[Pcm]) -> bytes:
        sound = b""
        for run in runs:
            if self._resampler is None or self._resampler[0] != run.rate_hz:
                if self._resampler is not None:
                    sound += pcm16(self._resampler[1].flush())
                self._resampler = (run.rate_hz, Resampler(run.rate_hz, WIRE_RATE_HZ))
            sound += pcm16(self._resampler[1].process(run.samples))
        return self._counted(sound)

    def _counted(self, sound: bytes) -> bytes:
        self.samples += len(sound) // 2
        return sound


def _no_sound(beginning: bytes) -> NoSound:
    if beginning[:2] in _ADTS or beginning[4:8] == b"ftyp":
        return NoSound("It is AAC, which cannot be decoded here.", "Let the server send WAV or MP3.")
    return NoSound("It is no sound.")
