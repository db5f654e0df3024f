"""What a server says it has: `GET /models` and `GET /audio/voices`, whose shapes differ from server to server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from selam_cli.agent.rest import faults
from selam_cli.agent.rest.call import Call, FaultType
from selam_cli.agent.rest.client import RestClient
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.core.catalog import LANGUAGES, VOICES, language_code

MAX_LIST_BYTES: Final = 4 * 1024 * 1024
_NO_CHAT_MODEL: Final = re.compile(r"embed|rerank|whisper|tts|clip\b|\bbert|moderation|dall-e", re.IGNORECASE)


async def read_json(rest: RestClient, call: Call) -> object:
    """Return what a server answers. Raises EngineFault, also for what is no JSON."""
    async with rest.open(call) as body:
        return parsed(call, await body.whole(MAX_LIST_BYTES))


def parsed(call: Call, body: bytes) -> object:
    """Return a body of JSON. Raises EngineFault for anything else."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        raise faults.not_understood(call) from None
    return found


async def chat_models(rest: RestClient, endpoint: Endpoint) -> tuple[str, ...]:
    """Return the models that can chat, in the server's order. Asks the server; raises EngineFault."""
    listed = _entries(await read_json(rest, Call(endpoint, "models", "session_error")), "data", "models")
    return tuple(name for name in map(_name, listed) if name and not _NO_CHAT_MODEL.search(name))


async def voices(rest: RestClient, endpoint: Endpoint) -> dict[str, tuple[str, ...]]:
    """Return a server's voices by language. Asks the server; raises EngineFault.

    A voice whose language neither the server nor its name says is taken for an English one.
    """
    fault: FaultType = "audio_error"
    by_language: dict[str, tuple[str, ...]] = {}
    for entry in _entries(await read_json(rest, Call(endpoint, "audio/voices", fault)), "voices", "data"):
        name = _name(entry)
        language = _language(entry, name)
        if name and language:
            by_language[language] = (*by_language.get(language, ()), name)
    return by_language


def _entries(listed: object, *fields: str) -> Iterable[object]:
    if isinstance(listed, Mapping):
        listed = next((listed[field] for field in fields if field in listed), None)
    if isinstance(listed, Mapping):  # by name
        return [{"id": name, **(entry if isinstance(entry, Mapping) else {})} for name, entry in listed.items()]
    return listed if isinstance(listed, list) else []


def _name(entry: object) -> str:
    if isinstance(entry, Mapping):
        entry = next((entry[field] for field in ("id", "voice_id", "name", "voice", "model") if field in entry), "")
    return entry if isinstance(entry, str) else ""


def _language(entry: object, name: str) -> str | None:
    said = ""
    if isinstance(entry, Mapping):
        said = next((entry[field] for field in ("language", "lang", "locale", "language_code") if field in entry), "")
    if isinstance(said, str) and said:
        return language_code(said)
    if name in VOICES:
        return VOICES[name].language
    in_name = re.match(r"([a-z]{2})[_-]", name)  # as Piper's voices have it: en_US-lessac
    return language_code(in_name[1]) if in_name and in_name[1] in LANGUAGES else "en"
