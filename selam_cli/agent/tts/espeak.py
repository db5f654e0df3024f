"""espeak-ng, offline speech in English, Amharic, Oromo and Tigrinya: the installed program, else the library.

Version 1.51 has no Tigrinya, 1.52 has; neither has Somali, which is refused and never spelled with other letters. Each
part of a sentence is spoken by the voice of its language (`core/language_runs.py`).
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.text.language_runs import runs
from selam_cli.agent.tts.espeak_process import EspeakLibrary
from selam_cli.agent.tts.espeak_program import EspeakProgram
from selam_cli.agent.tts.espeak_source import ESPEAK_RATE_HZ, VOICE_NAMES, Source
from selam_cli.core.catalog import LANGUAGES
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.sound.resample import Resampler

LOUDNESS_DBFS: Final = -20.0
"""RMS of the spoken parts; a voice of espeak-ng is always equally loud, so a fixed gain does and nothing pumps."""

_AT_MOST_CHARACTERS: Final = 400
"""What is asked for at once: a model may write a sentence without end."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one voice says in one go."""

    text: str
    language: str
    pause: bool
    """Whether a pause follows; none before a word of another language."""


class Espeak:
    """A Synthesizer (`agent/engines.py`) over one or two ways to espeak-ng; the first that has a language speaks it."""

    name = "espeak-ng"

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self.languages: frozenset[str] = frozenset().union(*(source.languages for source in self._sources))

    @classmethod
    def installed(cls) -> Espeak:
        """Return one over all that is installed; with nothing installed it has no languages."""
        found = EspeakProgram.installed(), EspeakLibrary.installed()
        return cls([source for source in found if source is not None])

    async def speak(self, text: str, language: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield a sentence's sound as it is made: PCM16, 16 kHz, mono. Raises EngineFault."""
        if language not in self.languages:
            raise EngineFault("audio_error", _missing(language, self.languages))
        variant = _VARIANTS.get(voice, _VARIANT)
        gain = 10 ** ((LOUDNESS_DBFS - variant.level_dbfs - _LOUDER_DB.get(language, 0.0)) / 20)
        resampler = Resampler(ESPEAK_RATE_HZ, WIRE_RATE_HZ)
        made: asyncio.Queue[bytes | None] = asyncio.Queue()
        making = asyncio.create_task(self._make(_parts(text, language), variant.name, made))
        try:
            while (piece := await made.get()) is not None:
                yield _at_gain(resampler.process(np.frombuffer(piece, "<i2")), gain)
            await making
            yield _at_gain(resampler.flush(), gain)
        finally:
            making.cancel()
            await asyncio.wait({making})

    def silence(self, language: str) -> str:
        """Say that its installation is not whole."""
        return f"{self.name} makes no sound of {LANGUAGES[language].name}: install it again, with its data."

    async def close(self) -> None:
        """End all processes."""
        for source in self._sources:
            await source.close()

    async def _make(self, parts: Iterator[_Part], variant: str, made: asyncio.Queue[bytes | None]) -> None:
        """Make a sentence's sound as fast as can be: its playing must not keep a process from others."""
        try:
            for part in parts:
                source = next((source for source in self._sources if part.language in source.languages), None)
                if source is None:
                    continue  # a word of another language in a sentence of this one: the screen shows it
                voice = f"{VOICE_NAMES[part.language]}+{variant}"
                text = in_known_letters(part.text, part.language)
                async with aclosing(source.sound(text, voice, end_pause=part.pause)) as sound:
                    async for piece in sound:
                        made.put_nowait(piece)
        finally:
            made.put_nowait(None)


def available(language: str | None = None) -> str | None:
    """Say what to install for espeak-ng to speak (a language); None where it does. Takes 10 ms."""
    languages = Espeak.installed().languages
    if languages and (language is None or language in languages):
        return None
    return _missing(language, languages)


def _missing(language: str | None, languages: frozenset[str]) -> str:
    if not languages:
        return (
            "espeak-ng is not installed: install the system's package espeak-ng, or the extra `local` of selam-voice."
        )
    name = LANGUAGES[language].name if language in LANGUAGES else language
    if language in VOICE_NAMES:
        return f"This espeak-ng speaks no {name}; version 1.52 does, and the extra `local` of selam-voice brings it."
    return f"espeak-ng has no voice for {name}."


def _parts(text: str, language: str) -> Iterator[_Part]:
    spoken = runs(text, language)
    for run in spoken:
        for piece in textwrap.wrap(run.text, _AT_MOST_CHARACTERS, break_on_hyphens=False):
            yield _Part(piece, run.language, pause=run is spoken[-1] or piece[-1] in ".,;:!?")


# --- voices -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Variant:
    """A voice variant that both versions have, and how loud it is: measured over sentences of am, om and en."""

    name: str
    level_dbfs: float


_F1: Final = _Variant("f1", -18.1)
_F2: Final = _Variant("f2", -18.1)
_F3: Final = _Variant("f3", -18.8)
_F4: Final = _Variant("f4", -17.8)
_M3: Final = _Variant("m3", -19.6)
_M4: Final = _Variant("m4", -19.8)
_M7: Final = _Variant("m7", -18.4)
_VARIANT: Final = _M3
_VARIANTS: Final = {
    "mekdes": _F3, "betty": _F2, "ameha": _M3, "ubax": _F1, "muuse": _M7, "sami": _M3, "ibsaa": _M7, "aria": _F3,
    "andrew": _M3, "alloy": _F1, "echo": _M4, "fable": _M7, "onyx": _M3, "nova": _F2, "shimmer": _F4,
}  # fmt: skip
"""Voices of one language differ; f for women, m for men. No variant is raised in level, so none can clip."""

_LOUDER_DB: Final = {"om": 1.2, "ti": 0.9}


# --- letters ----------------------------------------------------------------------------------------------------------

_ROUNDED: Final = {ord(letter): chr(ord(letter) - 1) for letter in "ሇቇኇኯዏዯጏጟፇ"}
"""Letters in -oa, which no voice of espeak-ng knows, as those in -o."""

_AMHARIC: Final = _ROUNDED | {letter: chr(letter - 0x10) for letter in range(0x1250, 0x125E)}
"""Tigrinya's ቐ and its row, which the Amharic voice reads as a number: it says ቀ."""


def in_known_letters(text: str, language: str) -> str:
    """Return a text without the letters that the voice of its language reads as numbers, or not at all."""
    match language:
        case "am":
            return text.translate(_AMHARIC)
        case "ti":
            return text.translate(_ROUNDED)
        case _:
            return text


def _at_gain(samples: NDArray[np.int16], gain: float) -> bytes:
    adjusted: NDArray[np.int16] = np.clip(np.rint(samples * gain), -32_768, 32_767).astype("<i2")
    return adjusted.tobytes()
