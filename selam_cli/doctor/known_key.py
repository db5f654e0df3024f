"""The key that a conversation would be let in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from selam_cli.credentials.handshake import Credentials, load_credentials
from selam_cli.doctor.finding import Finding, warning


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
