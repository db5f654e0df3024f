"""Where a server of the OpenAI-compatible protocol is, and what it is given to let us in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from selam_cli.core.loopback import is_loopback

SELAM_BASE: Final = "https://api.selamgpt.com/v1"
SELAM_CHAT_MODELS: Final = ("selam-turbo", "selam-thinking", "selam-plus")
SELAM_SPEECH_MODEL: Final = "tts-1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and the model that is asked of it; `model` empty: the caller's default, or what the server has.

    `base_url` is what stands before `/chat/completions`; it may hold a user, a password and a query. Neither it nor
    the key is ever shown: messages name the server by `shown`.
    """

    base_url: str = field(repr=False)
    api_key: str = field(default="", repr=False)
    model: str = ""
    name: str = ""
    """What its user calls it, where that says more than its address."""
    key_source: str = ""
    """Where its user sets the key, for the message that asks for one."""
    needs_key: bool = False
    insecure: bool = False
    """Whether a key may go over plain http to another host."""

    @property
    def shown(self) -> str:
        """The server as a message names it."""
        try:
            host = URL(self.base_url).host_port_subcomponent or "the server"
        except ValueError:
            host = "the server"
        return f"{self.name} at {host}" if self.name else host

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not reach a message."""
        try:
            url = URL(self.base_url)
        except ValueError:
            return (self.api_key, self.base_url)
        return (self.api_key, url.password or "", url.raw_password or "", *url.query.values())

    def url(self, path: str) -> URL:
        """Return the address of one of the protocol's resources; the base's query stays."""
        base = URL(self.base_url)
        return base.joinpath(*path.split("/")).with_query(base.query)


def selam_service(api_key: str, model: str = SELAM_CHAT_MODELS[0]) -> Endpoint:
    """Return the Selam service's own endpoint."""
    return Endpoint(SELAM_BASE, api_key, model, key_source="SELAM_API_KEY", needs_key=True)


def unusable(endpoint: Endpoint) -> str | None:
    """Say why a server cannot be asked, without asking it; None where nothing speaks against it."""
    try:
        url = URL(endpoint.base_url)
        host, _ = url.host, url.port
    except ValueError:
        host = None
    if not host or url.scheme not in {"http", "https"}:
        return "The server's address cannot be read. Give one such as http://127.0.0.1:8080/v1."
    if endpoint.needs_key and not endpoint.api_key:
        return f"{endpoint.shown} wants an API key. Set one{_in(endpoint)}."
    if endpoint.api_key and not (endpoint.api_key.isascii() and endpoint.api_key.isprintable()):
        return f"The API key for {endpoint.shown} holds characters that no key has. Copy it again{_in(endpoint, 'to')}."
    if endpoint.api_key and url.user is not None:
        return f"{endpoint.shown} has both an API key and a user in its address. Keep one of them."
    if url.scheme == "http" and (endpoint.api_key or url.password) and not is_loopback(host) and not endpoint.insecure:
        return f"The key would go to {host} in plain text. Use an https address."
    return None


def _in(endpoint: Endpoint, word: str = "in") -> str:
    return f" {word} {endpoint.key_source}" if endpoint.key_source else ""
