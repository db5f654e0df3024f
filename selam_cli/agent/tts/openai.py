"""Speaks through any server that has an OpenAI-compatible `/audio/speech`: the Selam service's nine voices, and others.

Sound is passed on as it comes, whatever its format. WAV is asked for first: a player can begin with its first bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest import faults
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import RestClient
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.faults import Refusal
from selam_cli.agent.tts.decoding import SpeechDecoder
from selam_cli.core.catalog import LANGUAGES, VOICES
from selam_cli.errors import AudioError

DEFAULT_MODEL: Final = "tts-1"
FORMATS: Final = ("wav", "mp3", "pcm")

Voices = Mapping[str, tuple[str, ...]]
"""A server's voices by language, the ones to prefer first."""

SELAM_VOICES: Final[Voices] = {
    code: tuple(voice.name for voice in VOICES.values() if voice.language == code and not voice.gpt_audio)
    for code in LANGUAGES
}
OPENAI_VOICES: Final[Voices] = {"en": tuple(voice.name for voice in VOICES.values() if voice.gpt_audio)}


class SpeechSynthesizer:
    """A speech server. `speed` is the protocol's, 0.25 to 4.0."""

    def __init__(
        self, rest: RestClient, endpoint: Endpoint, voices: Voices = SELAM_VOICES, *, speed: float = 1.0
    ) -> None:
        self._model = endpoint.model or DEFAULT_MODEL
        self.name = f"{self._model} at {endpoint.shown}"
        self.languages = frozenset(language for language, names in voices.items() if names)
        self._rest = rest
        self._endpoint = endpoint
        self._voices = voices
        self._speed = speed
        self._format = 0

    async def speak(self, text: str, language: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield a sentence's sound, PCM16, 16 kHz, mono. Raises EngineFault; what was yielded before stands."""
        fitting = fitting_voice(self._voices, language, voice)
        if fitting is None:
            name = LANGUAGES[language].name if language in LANGUAGES else language
            raise EngineFault(
                "audio_error", f"{self._endpoint.shown} has no voice for {name}. Choose another language."
            )
        format_at = self._format
        while True:
            try:
                async with aclosing(self._sound(text, fitting, FORMATS[format_at])) as sounds:
                    async for sound in sounds:
                        yield sound
            except Refusal as refusal:
                if refusal.status not in {400, 415, 422} or not refusal.speaks_of("format", FORMATS[format_at]):
                    raise
                format_at += 1
                if format_at == len(FORMATS):
                    raise
            else:
                self._format = format_at
                return

    def silence(self, language: str) -> str:
        """Say that its server answers with silence."""
        told = f"{self._endpoint.shown} makes no sound of {LANGUAGES[language].name}."
        return f"{told} Name another model or server as tts_model or tts_url in the settings file."

    async def close(self) -> None:
        """The connections are the client's, and closed with it."""

    async def _sound(self, text: str, voice: str, sound_format: str) -> AsyncGenerator[bytes, None]:
        request: dict[str, object] = {
            "model": self._model,
            "input": text,
            "voice": voice,
            "response_format": sound_format,
        }
        if self._speed != 1.0:
            request["speed"] = self._speed
        call = Call(self._endpoint, "audio/speech", "audio_error", json=request)
        async with self._rest.open(call) as body:
            if any(words in body.content_type for words in ("html", "json")):
                raise faults.not_understood(call)
            decoder = SpeechDecoder(body.content_type, asked_for_pcm=sound_format == "pcm")
            try:
                while piece := await body.read():
                    if sound := decoder.feed(piece):
                        yield sound
                # In a thread: what could not be decoded as it came, FLAC and Ogg, is decoded here as a whole.
                if sound := await asyncio.to_thread(decoder.finish):
                    yield sound
            except AudioError as error:
                why = f"{error.reason} {error.remedy}".rstrip()
                raise EngineFault(
                    "audio_error", f"What {self._endpoint.shown} sent as speech cannot be played. {why}"
                ) from None


def fitting_voice(voices: Voices, language: str, voice: str) -> str | None:
    """Return the voice to speak a language with: the one asked for, else one alike; None where there is none."""
    there = voices.get(language, ())
    if voice in there or not there:
        return voice if there else None
    asked = VOICES.get(voice)
    alike = [
        name for name in there if asked and asked.gender and name in VOICES and VOICES[name].gender == asked.gender
    ]
    return (alike or there)[0]
