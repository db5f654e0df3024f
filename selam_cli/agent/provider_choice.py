"""Which engines an agent is made of: what its settings name, else the best that is installed and configured here.

Nothing heavy is loaded and no model is asked for; only a model server that may run on this machine is looked for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from selam_cli.agent.llm.ollama import WITHIN_S, NotFound, find_ollama
from selam_cli.agent.llm.openai import ChatThinker
from selam_cli.agent.pipeline import Engines
from selam_cli.agent.providers import Hearer, Synthesizer, Thinker
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.rest.endpoint import SELAM_SPEECH_MODEL, Endpoint, selam_service, unusable
from selam_cli.agent.spare import CONNECT_WITHIN_S, Absence, Reach, SynthesizerWithSpares, ThinkerWithSpare
from selam_cli.agent.stt import sherpa, sphinx, whisper
from selam_cli.agent.stt.openai import TranscriptionHearer
from selam_cli.agent.text import language
from selam_cli.agent.tts import espeak
from selam_cli.agent.tts.espeak_source import VOICE_NAMES
from selam_cli.agent.tts.trial import unusable as unusable_voice
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.config.user_path import expanded_name
from selam_cli.credentials.handshake import Credentials

NO_MODEL_ADVICE: Final = "Start Ollama, set SELAM_API_KEY, or name a server as llm_url in the settings file."
HEARING_ADVICE: Final = "Or name a transcription server as stt_url in the settings file."


@dataclass(slots=True)
class _Found:
    """What there is, and why something that was asked for is not."""

    hearers: list[Hearer] = field(default_factory=list)
    thinkers: list[Thinker] = field(default_factory=list)
    synthesizers: list[Synthesizer] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    of_this_machine: list[Synthesizer] = field(default_factory=list)
    """Those synthesizers whose trial costs nothing."""
    reach: Reach | None = None
    """Of the service, where something of it was chosen by "auto"."""
    thinks_far: ThinkerWithSpare | None = None
    speaks_far: SynthesizerWithSpares | None = None

    def usable(self, endpoint: Endpoint) -> bool:
        """Say whether an endpoint can be asked; keep the reason where it can't."""
        reason = unusable(endpoint)
        self.missing += [] if reason is None else [reason]
        return reason is None


async def choose_engines(
    settings: AgentSettings, credentials: Credentials, environment: Mapping[str, str] | None = None
) -> Engines:
    """Return the engines of one process; its `close` lets go of them."""
    environment = os.environ if environment is None else environment
    rest, found = RestClient(TimeOuts.with_patience(settings.patience_s)), _Found()
    _hear(settings, rest, found)
    patient = TimeOuts.with_patience(settings.patience_s)
    far = RestClient(replace(patient, connect_s=min(patient.connect_s, CONNECT_WITHIN_S)))
    far_thoughts = settings.llm == "auto" and settings.llm_url is None
    if credentials.api_key and (far_thoughts or settings.tts == "auto"):
        found.reach = Reach(selam_service(credentials.api_key))
        await found.reach.look(0)  # it is under way while the rest is chosen
    _speak(settings, credentials, rest, far, found)
    _, silent = await asyncio.gather(
        _think(settings, credentials, rest, far, found, environment), _try_voices(found.of_this_machine)
    )
    found.missing += silent

    async def close() -> None:
        if found.reach is not None:
            await found.reach.close()
        await rest.close()
        await far.close()

    return Engines(
        hearers=tuple(found.hearers),
        thinker=next(iter(found.thinkers), None),
        synthesizers=tuple(voice for voice in found.synthesizers if voice.languages),
        detect=language.detect,
        advice=_hearing_advice,
        no_model_advice=NO_MODEL_ADVICE,
        no_voice_advice=_speaking_advice,
        missing=tuple(found.missing),
        absence=await _looked_for(found),
        on_close=close,
    )


async def _looked_for(found: _Found) -> Callable[[str], str]:
    """Return what says that the service is away, where it is, having looked for it a moment."""
    if found.reach is None or (found.thinks_far is None and found.speaks_far is None):
        return lambda _language: ""
    await found.reach.look(WITHIN_S)
    return Absence(selam_service("").shown, found.reach, found.thinks_far, found.speaks_far)


def _hear(settings: AgentSettings, rest: RestClient, found: _Found) -> None:
    wanted = settings.stt
    if wanted in {"auto", "openai"} and settings.stt_url is not None:
        server = Endpoint(settings.stt_url, settings.stt_key or "", settings.stt_model or "",
                          key_source="SELAM_STT_KEY")  # fmt: skip
        if found.usable(server):
            found.hearers.append(TranscriptionHearer(rest, server))
    elif wanted == "openai":
        found.missing.append("Name a transcription server as stt_url in the settings file.")
    _hear_offline(settings, found)


def _hear_offline(settings: AgentSettings, found: _Found) -> None:
    """Add the engines of this machine. faster-whisper only by name: its first use may download half a gigabyte."""
    wanted, model = settings.stt, settings.stt_model
    folder = Path(model) if wanted == "sherpa" and model else None
    engines: tuple[tuple[str, str | None, Callable[[], Hearer]], ...] = (
        ("sherpa", sherpa.available(folder), lambda: sherpa.hearer(folder)),
        ("pocketsphinx", sphinx.available(), sphinx.hearer),
        ("whisper", whisper.available(), lambda: whisper.hearer(expanded_name(model or whisper.DEFAULT_MODEL))),
    )
    for name, reason, hearer in engines:
        if wanted == name and reason is not None:
            found.missing.append(reason)
        elif reason is None and (wanted == name or (wanted == "auto" and name != "whisper")):
            found.hearers.append(hearer())


async def _think(
    settings: AgentSettings,
    credentials: Credentials,
    rest: RestClient,
    far: RestClient,
    found: _Found,
    environment: Mapping[str, str],
) -> None:
    wanted, model = settings.llm, settings.llm_model or ""
    if wanted in {"auto", "openai"} and settings.llm_url is not None:
        server = Endpoint(settings.llm_url, settings.llm_key or "", model, key_source="SELAM_LLM_KEY")
        if found.usable(server):
            found.thinkers.append(ChatThinker(rest, server))
        return
    if wanted == "openai":
        found.missing.append("Name a chat server as llm_url in the settings file.")
    if wanted == "selam" or (wanted == "auto" and credentials.api_key):
        service = selam_service(credentials.api_key or "", *([model] if model else []))
        if not found.usable(service):
            return
        thinker = ChatThinker(rest if wanted == "selam" else far, service)
        if wanted == "selam" or found.reach is None:
            found.thinkers.append(thinker)
            return
        await _look_for_ollama("", rest, found, environment, told=False)
        found.thinks_far = ThinkerWithSpare(thinker, next(iter(found.thinkers), None), found.reach)
        found.thinkers = [found.thinks_far]
    elif wanted in {"auto", "ollama"}:
        await _look_for_ollama(model, rest, found, environment, told=wanted == "ollama")


async def _look_for_ollama(
    model: str, rest: RestClient, found: _Found, environment: Mapping[str, str], *, told: bool
) -> None:
    hasty = RestClient(TimeOuts(connect_s=WITHIN_S, first_byte_s=WITHIN_S))
    try:
        ollama = await find_ollama(hasty, environment, model)
    finally:
        await hasty.close()
    if not isinstance(ollama, NotFound):
        found.thinkers.append(ChatThinker(rest, ollama))
    elif told:
        found.missing.append(ollama.reason)


def _speak(settings: AgentSettings, credentials: Credentials, rest: RestClient, far: RestClient, found: _Found) -> None:
    wanted, model = settings.tts, settings.tts_model or ""
    if wanted in {"auto", "openai"} and settings.tts_url is not None:
        server = Endpoint(settings.tts_url, settings.tts_key or "", model, key_source="SELAM_TTS_KEY")
        _speak_through(server, rest, found, own=False)
    elif wanted == "openai":
        found.missing.append("Name a speech server as tts_url in the settings file.")
    if wanted == "selam" or (wanted == "auto" and credentials.api_key):
        service = selam_service(credentials.api_key or "", model or SELAM_SPEECH_MODEL)
        before = len(found.synthesizers)
        _speak_through(service, rest if wanted == "selam" else far, found, own=True)
        if wanted == "auto" and len(found.synthesizers) > before and found.reach is not None:
            _give_spares(found, found.reach)
    if wanted == "sherpa":
        _speak_with_sherpa(settings, found)
    if wanted in {"auto", "espeak", "sherpa"}:
        offline = espeak.Espeak.installed()
        if offline.languages:
            found.synthesizers.append(offline)
            found.of_this_machine.append(offline)
        elif wanted == "espeak":
            found.missing.append(espeak.available() or "")


def _speak_with_sherpa(settings: AgentSettings, found: _Found) -> None:
    """Add the voice that the settings name, for its language; the others are espeak-ng's."""
    from selam_cli.agent.tts.sherpa import SherpaVoice, available  # where it is asked for

    folder = None if settings.tts_model is None else Path(settings.tts_model)
    reason = available(folder, settings.tts_language)
    if reason is not None:
        found.missing.append(reason)
    elif folder is not None and settings.tts_language is not None:
        voice = SherpaVoice(folder, settings.tts_language)
        found.synthesizers.append(voice)
        found.of_this_machine.append(voice)


async def _try_voices(voices: list[Synthesizer]) -> list[str]:
    """Take from each voice the languages of which it makes no sound, so that the next best speaks them; say why."""
    tried = [(voice, code) for voice in voices for code in sorted(voice.languages)]
    outcomes = await asyncio.gather(*(unusable_voice(voice, code) for voice, code in tried))
    for (voice, code), reason in zip(tried, outcomes, strict=True):
        if reason is not None:
            voice.languages -= {code}
    await asyncio.gather(*(voice.close() for voice in voices if not voice.languages))
    return [reason for reason in dict.fromkeys(outcomes) if reason is not None]


def _speak_through(server: Endpoint, rest: RestClient, found: _Found, *, own: bool) -> None:
    """Add a speech server; `own` is the service, which has the catalogue's native voices."""
    from selam_cli.agent.tts.openai import (  # it brings decoders
        OPENAI_VOICES,
        SELAM_VOICES,
        SpeechSynthesizer,
    )

    if found.usable(server):
        found.synthesizers.append(SpeechSynthesizer(rest, server, SELAM_VOICES if own else OPENAI_VOICES))


def _give_spares(found: _Found, reach: Reach) -> None:
    """Let the voices that come behind the service's speak while it is away."""
    at = len(found.synthesizers) - 1
    first = found.synthesizers[at]
    found.speaks_far = SynthesizerWithSpares(first, lambda: found.synthesizers[at + 1 :], reach)
    found.synthesizers[at] = found.speaks_far


def _speaking_advice(code: str) -> str:
    offline = espeak.available(code)
    if offline is None or code in VOICE_NAMES:
        return offline or ""
    return f"{offline} Name a voice of sherpa-onnx as tts_model in the settings file."


def _hearing_advice(code: str) -> str:
    offline = sphinx.available() if code in sphinx.LANGUAGES else sherpa.available()
    return HEARING_ADVICE.removeprefix("Or ").capitalize() if offline is None else f"{offline} {HEARING_ADVICE}"
