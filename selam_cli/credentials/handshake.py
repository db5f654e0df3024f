"""What the handshake carries. The key's ways are those of `selam_cli.credentials.lookup`; nothing else reads it.

There is no flag for either value, because it would stand in the process list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from selam_cli.core.outside_text import variable
from selam_cli.core.protocol import HOSTED_SERVER
from selam_cli.credentials.lookup import environment_key, find_key


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the handshake carries. Neither value shows in a repr, because a repr ends in logs and tracebacks.

    `source` is where the key was found, in the words of `lookup.FoundKey`; `problem` and `remedy` are what there is to
    say about a key that is kept and cannot be had, or was badly kept.
    """

    api_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    problem: str = ""
    remedy: str = ""
    source: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not reach anything but the handshake."""
        return tuple(secret for secret in (self.api_key, self.token) if secret)


def load_credentials(environment: Mapping[str, str] | None = None, server: str = HOSTED_SERVER) -> Credentials:
    """Return a server's key, wherever it is kept, and the service's older JWT (`SELAM_TOKEN`)."""
    environment = os.environ if environment is None else environment
    found = find_key(server, environment)
    return Credentials(found.key, _token(environment), found.problem, found.remedy, found.source)


def environment_credentials(environment: Mapping[str, str] | None = None) -> Credentials:
    """Return what the environment alone gives, for a caller that need not know a kept key."""
    environment = os.environ if environment is None else environment
    return Credentials(environment_key(environment), _token(environment))


def _token(environment: Mapping[str, str]) -> str | None:
    return variable(environment, "SELAM_TOKEN") or None
