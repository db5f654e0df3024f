"""Finds an Ollama that runs on this machine, or where OLLAMA_HOST says, and one of its models to talk with.

Source: Ollama's own reading of OLLAMA_HOST (envconfig), and its API: `/api/tags` lists the models that there are, the
newest first, `/api/ps` those that are loaded.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import RestClient
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.listing import read_json
from selam_cli.core.outside_text import unquoted

DEFAULT_PORT: Final = 11_434
WITHIN_S: Final = 0.7
"""What a start-up can wait for it; on loopback, a closed port says so at once."""

_NO_CHAT_FAMILY: Final = re.compile(r"bert|embed", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why there is no Ollama to talk with, in two plain sentences."""

    reason: str


def base_address(ollama_host: str) -> str:
    """Return where a client finds Ollama, for a value of OLLAMA_HOST, which is a server's as well: 0.0.0.0 is here."""
    scheme, has_scheme, place = unquoted(ollama_host).rpartition("://")
    port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT) if has_scheme else DEFAULT_PORT
    place, slash, path = place.partition("/")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d{1,5})", place)
    host, port = (match[1], int(match[2])) if match and int(match[2]) <= 65_535 else (place, port)
    host = host.strip("[]")
    try:
        address = ipaddress.ip_address(host or "127.0.0.1")
    except ValueError:
        shown = host
    else:
        if address.is_unspecified:
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        shown = f"[{address}]" if address.version == 6 else str(address)
    return f"{scheme or 'http'}://{shown}:{port}{slash}{path}".rstrip("/")


async def find_ollama(rest: RestClient, environment: Mapping[str, str], model: str = "") -> Endpoint | NotFound:
    """Return an endpoint with a model: the one named, else one that is loaded, else the newest.

    Asks over the network and takes a moment at most; `rest` should have short time-outs (`TimeOuts(WITHIN_S, …)`).
    """
    base = base_address(environment.get("OLLAMA_HOST", ""))
    here = Endpoint(base, name="Ollama", insecure=True)
    try:
        installed = _chat_models(await read_json(rest, Call(here, "api/tags", "session_error")))
        chosen = (
            _named(model, installed) if model else await _loaded(rest, here, installed) or next(iter(installed), "")
        )
    except EngineFault:
        return NotFound("Ollama does not run here. Start it with: ollama serve.")
    if chosen:
        return Endpoint(f"{base}/v1", model=chosen, name="Ollama", insecure=True)
    if model:
        return NotFound(f"Ollama has no model {model!r}. Get it with: ollama pull {model}.")
    return NotFound("Ollama runs here and has no model to talk with. Get one with: ollama pull gemma3.")


async def _loaded(rest: RestClient, here: Endpoint, installed: list[str]) -> str:
    """Return a model that needs no loading; a server too old to tell has none."""
    try:
        loaded = _chat_models(await read_json(rest, Call(here, "api/ps", "session_error")))
    except EngineFault:
        return ""
    return next((model for model in loaded if model in installed), "")


def _chat_models(listed: object) -> list[str]:
    models = listed.get("models") if isinstance(listed, Mapping) else None
    entries = [entry for entry in models if isinstance(entry, Mapping)] if isinstance(models, list) else []
    named = [(entry.get("name", entry.get("model")), entry.get("details")) for entry in entries]
    return [name for name, details in named if isinstance(name, str) and name and not _embeds(name, details)]


def _embeds(name: str, details: object) -> bool:
    family = details.get("family", "") if isinstance(details, Mapping) else ""
    return bool(_NO_CHAT_FAMILY.search(f"{name} {family}"))


def _named(model: str, installed: Iterable[str]) -> str:
    """Return the installed model of a name; one without a tag means the tag `latest`."""
    wanted = model if ":" in model else f"{model}:latest"
    return next((name for name in installed if name in {model, wanted}), "")
