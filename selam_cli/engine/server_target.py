"""Which server a conversation goes to, and the address that the handshake uses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from selam_cli.config.settings import Settings
from selam_cli.core.loopback import is_loopback
from selam_cli.core.protocol import HOSTED_SERVER, NAMESPACE
from selam_cli.core.redaction import Redactor, redact_url, secrets_of_environment, secrets_of_url
from selam_cli.credentials.handshake import Credentials
from selam_cli.errors import UsageFault

_SOCKET_IO: Final = "socket.io"


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A server: `url` as the user gave it, `kind` hosted, embedded or custom, and what it is given to let us in.

    An embedded agent's address is known only when it has started, so its `url` is empty until then.
    """

    kind: str
    url: str
    credentials: Credentials = field(default_factory=Credentials)

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return redact_url(self.url) if self.url else "embedded agent"

    @property
    def redactor(self) -> Redactor:
        """What keeps this run's keys out of everything that is shown or written."""
        own = (*self.credentials.secrets, *secrets_of_url(self.url))
        return Redactor.of((*own, *secrets_of_environment(os.environ)))

    def handshake_url(self, voice: str) -> str:
        """Return the address with its query. It holds the key: it goes to the socket and nowhere else."""
        parts = urlsplit(self.url)
        ours = {"api_key": self.credentials.api_key, "voice": voice, "token": self.credentials.token}
        ours = {name: value for name, value in ours.items() if value}
        query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ours]
        return urlunsplit((parts.scheme.lower(), parts.netloc, parts.path, urlencode([*query, *ours.items()]), ""))


def socketio_path(url: str) -> str:
    """Return the path at which the handshake asks for Socket.IO, without the slashes around it.

    What stands in an address goes before Socket.IO's own path, as in `wss://host/voice`; an address that names that
    path as well is taken at its word. The guide writes the namespace behind the host, as JavaScript's client takes it:
    there it is no path of a request.
    """
    path = urlsplit(url).path.strip("/")
    name = NAMESPACE.strip("/")
    if path == name or path.endswith(f"/{name}"):
        path = path.removesuffix(name).rstrip("/")
    if path == _SOCKET_IO or path.endswith(f"/{_SOCKET_IO}"):
        return path
    return f"{path}/{_SOCKET_IO}".lstrip("/")


def choose_target(settings: Settings, credentials: Credentials) -> ServerTarget:
    """Choose by docs/cli.md: `--local`, else the given server, else the hosted one where a key is known, else embedded.

    Raises UsageFault where a key would go to another host in plain text, or the address is none.
    """
    if settings.local or (settings.server is None and credentials.api_key is None):
        return ServerTarget("embedded", "", replace(credentials, api_key=None, token=None))
    if settings.server is None:
        return ServerTarget("hosted", HOSTED_SERVER, credentials)
    target = ServerTarget("custom", settings.server, credentials)
    _check(target, insecure=settings.insecure)
    return target


def _check(target: ServerTarget, *, insecure: bool) -> None:
    remedy = "Give an address such as wss://voice.example.org or ws://127.0.0.1:8765."
    try:
        parts = urlsplit(target.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageFault("The server's address cannot be read.", remedy) from None
    if not host:
        raise UsageFault("The server's address names no host.", remedy)
    secret = target.credentials.secrets or secrets_of_url(target.url)
    if parts.scheme.lower() in {"ws", "http"} and secret and not is_loopback(host) and not insecure:
        raise UsageFault(
            f"The key would go to {host} in plain text.",
            "Use wss:// or https://, or --insecure if you know the network to be safe.",
        )
