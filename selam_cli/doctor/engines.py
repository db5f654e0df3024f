"""The embedded agent's engines: which would hear, think and speak, and why the others cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from selam_cli.agent.llm.ollama import WITHIN_S, NotFound, find_ollama
from selam_cli.agent.pipeline import Engines
from selam_cli.agent.provider_choice import choose_engines
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.rest.endpoint import Endpoint, unusable
from selam_cli.agent.rest.faults import Refusal
from selam_cli.agent.rest.listing import read_json
from selam_cli.agent.stt import sherpa, sphinx, whisper
from selam_cli.agent.tts import espeak
from selam_cli.agent.tts.espeak import Espeak
from selam_cli.agent.tts.sherpa import SherpaVoice
from selam_cli.agent.tts.trial import is_silent
from selam_cli.core.catalog import DEFAULT_VOICE, LANGUAGES, VOICES
from selam_cli.doctor.case import Case
from selam_cli.doctor.finding import Finding, ok, skipped, warning
from selam_cli.doctor.in_time import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOK_WITHIN_S: Final = 25.0
ANSWER_WITHIN_S: Final = 4.0
SPEAK_WITHIN_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found, by names, and why others were not: part and engine → the reason."""

    engines: Engines
    absent: dict[str, str]
    voice: Finding | None = None
    """What came of having a server's voice speak."""
    absence: str = ""
    """What is to be said of the service, where it cannot be reached."""


async def check_engines(case: Case) -> AsyncGenerator[Finding, None]:
    """Choose as the agent chooses, then ask each engine that was left out for its reason."""
    try:
        # In a thread with a loop of its own: a program that stands still is waited for there.
        seen = await in_thread(lambda: asyncio.run(_look(case)), LOOK_WITHIN_S)
    except TimeoutError:
        told = f"Looking for the embedded agent's engines took longer than {LOOK_WITHIN_S:.0f} s."
        yield warning("agent.engines", told, "Look whether espeak-ng or Ollama hangs.")
        return
    for reason in seen.engines.missing:
        yield warning("agent.settings", reason, "Correct the table [agent] of the settings file.")
    for part, finding in (
        ("hearing", _hearing(case, seen.engines)),
        ("thinking", _thinking(seen.engines)),
        ("speaking", _speaking(case, seen.engines)),
    ):
        yield finding
        for name, reason in seen.absent.items():
            if name.startswith(f"agent.{part}."):
                yield skipped(name, reason)
    if seen.voice is not None:
        yield seen.voice
    if absence := seen.absence:
        told = "The embedded agent asks it again by itself. Check the network, and the proxy where there is one."
        yield (warning if _matters(case) else ok)("agent.service", absence, told)
    async for finding in _servers(case):
        yield finding


async def _look(case: Case) -> _Seen:
    engines = await choose_engines(case.agent, case.key.credentials, case.environment)
    try:
        absent = {name: reason async for name, reason in _absent(case, engines)}
        return _Seen(engines, absent, await _spoken(case, engines), engines.absence(_language(case)))
    finally:
        await engines.close()


async def _absent(case: Case, engines: Engines) -> AsyncGenerator[tuple[str, str], None]:
    agent = case.agent
    folder = Path(agent.stt_model) if agent.stt == "sherpa" and agent.stt_model else None
    offline = (("sherpa", sherpa.available(folder)), ("pocketsphinx", sphinx.available()), ("whisper", _whisper(case)))
    for name, reason in (*offline, ("openai", _no_address(agent.stt_url, "stt_url"))):
        if reason := reason or _not_wanted("stt", agent.stt, name):
            yield f"agent.hearing.{name}", reason
    for name, reason in (
        ("openai", _no_address(agent.llm_url, "llm_url")),
        ("selam", _no_key(case, "answers")),
        ("ollama", await _ollama(case)),
    ):
        if reason := reason or _not_wanted("llm", agent.llm, name):
            yield f"agent.thinking.{name}", reason
    for name, reason in (
        ("openai", _no_address(agent.tts_url, "tts_url")),
        ("selam", _no_key(case, "speaks")),
        ("espeak", _espeak(engines)),
    ):
        wanted = "espeak" if agent.tts == "sherpa" and name == "espeak" else agent.tts  # beside that one voice
        if reason := reason or _not_wanted("tts", wanted, name):
            yield f"agent.speaking.{name}", reason


def _not_wanted(part: str, wanted: str, name: str) -> str | None:
    return None if wanted in {"auto", name} else f"{name} is left out: the settings say {part} = {wanted!r}."


def _no_address(url: str | None, setting: str) -> str | None:
    return None if url else f"No server is named as {setting} in the settings file."


def _no_key(case: Case, does: str) -> str | None:
    return None if case.key.credentials.api_key else f"The Selam service {does} too, with an API key; none is set."


def _espeak(engines: Engines) -> str | None:
    """Asked only where it was not found: with a sound server that stands still, espeak-ng takes seconds to answer."""
    return None if any(voice.name == espeak.Espeak.name for voice in engines.synthesizers) else espeak.available()


def _whisper(case: Case) -> str | None:
    reason = whisper.available()
    if reason is None and case.agent.stt == "auto":
        return "faster-whisper is installed and used only by name: stt = 'whisper' in the table [agent]."
    return reason


async def _ollama(case: Case) -> str | None:
    rest = RestClient(TimeOuts(connect_s=WITHIN_S, first_byte_s=WITHIN_S))
    try:
        found = await find_ollama(rest, case.environment, case.agent.llm_model or "")
    finally:
        await rest.close()
    return found.reason if isinstance(found, NotFound) else None


def _language(case: Case) -> str:
    voice = VOICES.get(case.settings.voice, VOICES[DEFAULT_VOICE])
    return case.settings.language or voice.language


def _matters(case: Case) -> bool:
    """Say whether conversations go to the embedded agent, so that what it lacks is more than a remark."""
    return case.settings.local or (case.settings.server is None and not case.key.credentials.api_key)


def _hearing(case: Case, engines: Engines) -> Finding:
    code = _language(case)
    told = "; ".join(f"{_names(hearer.languages)} ({hearer.name})" for hearer in engines.hearers) or "nothing yet"
    if engines.hearer(code) is not None:
        return ok("agent.hearing", f"It hears {told}.")
    lack = f"It hears {told}, and not {_name(code)}, the language of these settings: it plays back what you say."
    return (warning if _matters(case) else ok)("agent.hearing", lack, engines.advice(code))


def _thinking(engines: Engines) -> Finding:
    if engines.thinker is not None:
        return ok("agent.thinking", f"It answers with {engines.thinker.name}.")
    told = "It has no language model: it repeats what it understood."
    return ok("agent.thinking", told, engines.no_model_advice)


def _speaking(case: Case, engines: Engines) -> Finding:
    code = _language(case)
    told = "; ".join(f"{_names(voice.languages)} ({voice.name})" for voice in engines.synthesizers) or "nothing"
    if engines.synthesizer(code) is not None:
        return ok("agent.speaking", f"It speaks {told}.")
    lack = f"It speaks {told}, and not {_name(code)}, the language of these settings: its answers are text."
    return (warning if _matters(case) else ok)("agent.speaking", lack, engines.no_voice_advice(code))


async def _spoken(case: Case, engines: Engines) -> Finding | None:
    """Have a server's voice say a sentence, where conversations would hear it; the agent itself tries only its own."""
    code = _language(case)
    voice = engines.synthesizer(code)
    if voice is None or voice.name in {Espeak.name, SherpaVoice.name} or not _matters(case):
        return None
    try:
        async with asyncio.timeout(SPEAK_WITHIN_S):
            if await is_silent(voice, code):
                return None if engines.absence(code) else warning("agent.speaking.voice", voice.silence(code), "")
    except TimeoutError:
        told = f"{voice.name} made no sound within {SPEAK_WITHIN_S:.0f} s."
        return warning("agent.speaking.voice", told, "Look whether it runs, and with which model.")
    except EngineFault as fault:
        return warning("agent.speaking.voice", fault.message, "")
    if engines.absence(code):
        return None  # another voice was heard in its place
    return ok("agent.speaking.voice", f"{voice.name} was heard: it speaks {_name(code)}.")


def _names(codes: Iterable[str]) -> str:
    return ", ".join(_name(code) for code in LANGUAGES if code in codes)


def _name(code: str) -> str:
    return LANGUAGES[code].name


async def _servers(case: Case) -> AsyncGenerator[Finding, None]:
    """Ask each server that the settings name whether it is there."""
    rest = RestClient(TimeOuts(connect_s=ANSWER_WITHIN_S, first_byte_s=ANSWER_WITHIN_S, waiting_s=ANSWER_WITHIN_S))
    try:
        for name, endpoint in _endpoints(case):
            yield await _answers(rest, name, endpoint)
    finally:
        await rest.close()


def _endpoints(case: Case) -> Iterator[tuple[str, Endpoint]]:
    agent = case.agent
    for part, setting, wanted, url, key in (
        ("hearing", "stt", agent.stt, agent.stt_url, agent.stt_key),
        ("thinking", "llm", agent.llm, agent.llm_url, agent.llm_key),
        ("speaking", "tts", agent.tts, agent.tts_url, agent.tts_key),
    ):
        if url and wanted in {"auto", "openai"}:
            endpoint = Endpoint(url, key or "", key_source=f"SELAM_{setting.upper()}_KEY")
            if unusable(endpoint) is None:  # else it is reported among what is missing
                yield f"agent.{part}.server", endpoint


async def _answers(rest: RestClient, name: str, endpoint: Endpoint) -> Finding:
    try:
        await asyncio.wait_for(read_json(rest, Call(endpoint, "models", "session_error")), 2 * ANSWER_WITHIN_S)
    except TimeoutError:
        return warning(name, f"{endpoint.shown} does not answer.", "Look whether it runs.")
    except Refusal as refusal:
        if refusal.status not in {404, 405}:  # a server without a list of models is one all the same
            return warning(name, refusal.message, "")
    except EngineFault as fault:
        return warning(name, fault.message, "")
    return ok(name, f"{endpoint.shown} answers.")
