"""Hears through any server that has an OpenAI-compatible `/audio/transcriptions`.

whisper.cpp, faster-whisper's servers, vLLM, OpenAI and others speak it. Servers differ in what they refuse, so a call
that is refused for its format or its language is made once more without that, and the server's ways are remembered.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import FormData

from selam_cli.agent.providers import Heard, Listening
from selam_cli.agent.responder import EngineFault, SpokenAudio
from selam_cli.agent.rest import faults
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import RestClient
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.faults import Refusal
from selam_cli.core.catalog import LANGUAGES, language_code
from selam_cli.core.protocol import WIRE_RATE_HZ

DEFAULT_MODEL: Final = "whisper-1"
FORMATS: Final = ("verbose_json", "json", "text")
"""The first tells the language and what was no speech; not every server has it."""

PARTIAL_EVERY_BYTES: Final = 2 * WIRE_RATE_HZ * 3 // 2
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
MAX_TEXT: Final = 8_000

NO_SPEECH_ABOVE: Final = 0.6
LIKELY_ABOVE: Final = -1.0
"""Whisper's own rule for a segment without speech; it invents a "Thank you." there."""

_ANNOTATION: Final = re.compile(r"\s*[(\[*♪][^)\]]*[)\]*♪]\s*")
"""A sound described instead of words: [BLANK_AUDIO], (coughs), *music*."""


@dataclass(slots=True)
class _Ways:
    """What a server was found to take."""

    format: int = 0
    refused_languages: set[str] = field(default_factory=set)


class TranscriptionHearer:
    """A transcription server.

    `partials`: transcribe what there is so far, again and again; it is expensive for the server.
    """

    def __init__(
        self,
        rest: RestClient,
        endpoint: Endpoint,
        *,
        languages: frozenset[str] = frozenset(LANGUAGES),
        partials: bool = False,
    ) -> None:
        self.languages = languages
        self._model = endpoint.model or DEFAULT_MODEL
        self.name = f"{self._model} at {endpoint.shown}"
        self._rest = rest
        self._endpoint = endpoint
        self._partials = partials
        self._ways = _Ways()

    def begin(self, language: str | None, on_partial: Callable[[str], None]) -> Listening:
        """Begin an utterance."""
        return _Upload(self, language, on_partial if self._partials else None)

    def warm_up(self) -> None:
        """A server is always ready."""

    def for_speaker(self) -> TranscriptionHearer:
        """A server remembers no speaker."""
        return self

    async def close(self) -> None:
        """The connections are the client's, and closed with it."""

    async def transcribe(self, audio: bytes, language: str | None) -> Heard:
        """Return what is said in PCM16, 16 kHz, mono. Raises EngineFault."""
        language = None if language in self._ways.refused_languages else language
        format_at = self._ways.format
        first: Refusal | None = None
        while True:
            try:
                heard = await self._asked(audio, language, FORMATS[format_at])
            except Refusal as refusal:
                if refusal.status not in {400, 415, 422} or refusal.is_about_the_model:
                    raise
                first = first or refusal
                if language is not None and refusal.speaks_of("language"):
                    self._ways.refused_languages.add(language)
                    language = None
                elif format_at + 1 < len(FORMATS):  # not every server says that it is the format
                    format_at += 1
                else:
                    raise first from None
            else:
                self._ways.format = format_at
                return heard

    async def _asked(self, audio: bytes, language: str | None, answer_format: str) -> Heard:
        fields = {"model": self._model, "response_format": answer_format}
        if language is not None:
            fields["language"] = language
        upload = as_wav(audio)
        call = Call(
            self._endpoint,
            "audio/transcriptions",
            "audio_error",
            form=lambda: _form(upload, fields),
            upload_bytes=len(upload),
        )
        async with self._rest.open(call) as body:
            answer = await body.whole(MAX_ANSWER_BYTES)
            return _heard(call, body.content_type, answer)


class _Upload:
    """One utterance; what is fed is used for partial transcriptions only, the final one takes the whole utterance."""

    def __init__(
        self, hearer: TranscriptionHearer, language: str | None, on_partial: Callable[[str], None] | None
    ) -> None:
        self._hearer = hearer
        self._language = language
        self._on_partial = on_partial
        self._so_far = bytearray()
        self._asked_at = 0
        self._asking: asyncio.Task[None] | None = None

    def feed(self, audio: bytes) -> None:
        if self._on_partial is None:
            return
        self._so_far += audio
        if self._asking is None and len(self._so_far) - self._asked_at >= PARTIAL_EVERY_BYTES:
            self._asked_at = len(self._so_far)
            self._asking = asyncio.create_task(self._tell_partial(bytes(self._so_far), self._on_partial))

    async def heard(self, utterance: SpokenAudio) -> Heard:
        self.cancel()
        return await self._hearer.transcribe(utterance.audio, self._language)

    def cancel(self) -> None:
        self._on_partial = None
        if self._asking is not None:
            self._asking.cancel()

    async def _tell_partial(self, audio: bytes, on_partial: Callable[[str], None]) -> None:
        try:
            heard = await self._hearer.transcribe(audio, self._language)
        except EngineFault:
            self._on_partial = None  # the final transcription will say what is wrong
            return
        if heard.text and self._on_partial is not None:
            on_partial(heard.text)
        self._asking = None


def as_wav(audio: bytes) -> bytes:
    """Return PCM16, 16 kHz, mono as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, WIRE_RATE_HZ, 0, "NONE", ""))
        wav.writeframes(audio)
    return file.getvalue()


def _form(upload: bytes, fields: Mapping[str, str]) -> FormData:
    form = FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", io.BytesIO(upload), filename="speech.wav", content_type="audio/wav")
    return form


def _heard(call: Call, content_type: str, answer: bytes) -> Heard:
    text = answer.decode("utf-8", "replace").strip()
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        if "json" in content_type or "html" in content_type or text.startswith(("<", "{")):
            raise faults.not_understood(call) from None
        return Heard(_words(text))
    if not isinstance(said, Mapping):
        if "json" in content_type:
            raise faults.not_understood(call)
        return Heard(_words(text))  # plain text that happens to be a number
    if said.get("error"):
        raise faults.from_error_object(call, said)
    if not isinstance(said.get("text"), str):
        raise faults.not_understood(call)
    language = said.get("language")
    return Heard(_spoken_text(said), language_code(language) if isinstance(language, str) else None)


def _spoken_text(said: Mapping[str, object]) -> str:
    """Return the text, leaving out segments without speech."""
    segments = said.get("segments")
    if isinstance(segments, list) and any(map(_is_silence, segments)):
        spoken = [segment.get("text") for segment in segments if not _is_silence(segment)]
        return _words(" ".join(text for text in spoken if isinstance(text, str)))
    return _words(str(said["text"]))


def _is_silence(segment: object) -> bool:
    if not isinstance(segment, Mapping):
        return False
    silence, likely = segment.get("no_speech_prob"), segment.get("avg_logprob")
    return (
        isinstance(silence, (int, float))
        and isinstance(likely, (int, float))
        and silence > NO_SPEECH_ABOVE
        and likely < LIKELY_ABOVE
    )


def _words(text: str) -> str:
    text = " ".join(text.split())[:MAX_TEXT]
    return "" if _ANNOTATION.fullmatch(text) else text
