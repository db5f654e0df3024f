"""The API key: whether there is one, and where it comes from. Whether it is accepted, the server says (`server.py`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from selam_cli.credentials.handshake import Credentials, load_credentials
from selam_cli.doctor.finding import Finding, failed, ok, warning
from selam_cli.errors import AuthenticationError

if TYPE_CHECKING:
    from selam_cli.doctor.case import Case

_PREFIX: Final = "sk-selam-"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a conversation would be let in with, and where it was found; `fault` says what went wrong on the way."""

    credentials: Credentials = field(default_factory=Credentials)
    source: str = ""
    fault: Finding | None = None


def known_key(environment: Mapping[str, str], server: str) -> KnownKey:
    """Return a server's key as a conversation would find it. May take as long as the system's key store does."""
    credentials = load_credentials(environment, server)
    source = {"environment": "SELAM_API_KEY", "": ""}.get(credentials.source, f"the {credentials.source}")
    fault = warning("key.source", credentials.problem, credentials.remedy) if credentials.problem else None
    return KnownKey(credentials, source, fault)


async def check_key(case: Case) -> AsyncGenerator[Finding, None]:
    """Tell the key's source and whether it can be one."""
    yield case.key.fault or _source(case)
    if case.key.credentials.token:
        yield ok("key.token", "The service's older token, SELAM_TOKEN, is set and is sent as well.")


def _source(case: Case) -> Finding:
    key, source = case.key.credentials.api_key, case.key.source
    if key is None:
        return ok(
            "key.source",
            "No API key is set.",
            "The embedded agent and servers without keys need none; for the hosted agent, run selam-voice login.",
        )
    if not (key.isascii() and key.isprintable()) or any(sign in key for sign in " \"'"):
        reason = f"The API key in {source} holds characters that no key has."
        return failed("key.source", AuthenticationError(reason, "Copy it again, without quotes and spaces."))
    if not key.startswith(_PREFIX) and case.settings.server is None and not case.settings.local:
        told = f"The API key in {source} does not look like one of Selam's, which begin with {_PREFIX}."
        return warning("key.source", told, "Check that the right key was copied.")
    return ok("key.source", f"An API key is set in {source}.")
