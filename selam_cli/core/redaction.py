"""Keeps keys out of everything that is shown or written.

The API key sits in the handshake's URL, so any text that came near a connection may hold it, and a server may say it
back. This is the one place that takes it out. At the edges – log records, tracebacks, JSON lines, what is printed –
stands a `Redactor` that knows the run's own keys, in whatever form they come; further in, `redact` knows them by their
looks.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from selam_cli.core.outside_text import unquoted, variable
from selam_cli.core.plain_text import plain

HIDDEN: Final = "[hidden]"
SHORTEST_SECRET: Final = 6
"""A shorter one is not hidden, because that would blot out ordinary words."""

# A JWT's parts are bounded and never tried again shorter, or a text of nothing but their beginnings would take hours.
_KEYS: Final = r"""\bsk-selam-[A-Za-z0-9_\-.~%]+
      | \beyJ[A-Za-z0-9_\-]{1,512}+\.[A-Za-z0-9_\-]{1,8192}+\.[A-Za-z0-9_\-]*
"""
_KEY_SHAPES: Final = re.compile(_KEYS, re.VERBOSE | re.IGNORECASE)
_SECRETS: Final = re.compile(
    rf"""(?P<name>\b(?:api_key|api-key|apikey|token|authorization|x-api-key)\b["']?\s*(?:=|:)\s*["']?(?:bearer\s+)?)
        (?P<value>[^\s&"'<>,;)\]}}]+)
      | {_KEYS}""",
    re.VERBOSE | re.IGNORECASE,
)
_USER_IN_URL: Final = re.compile(r"(?<=://)[^\s/?#@\"'<>]+(?=@)")


def redact(text: str, *secrets: str) -> str:
    """Return the text with everything that looks like a key, and each of the given secrets, hidden."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _USER_IN_URL.sub(HIDDEN, text)
    return _SECRETS.sub(lambda match: (match["name"] or "") + HIDDEN, text)


def redact_url(url: str) -> str:
    """Return a server's address as it may be shown: without query, fragment, user name and password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return redact(url.partition("?")[0])
    if ":" in host:
        host = f"[{host}]"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def secrets_of_url(url: str) -> tuple[str, ...]:
    """Return what an address holds that must not be shown: the user, the password, a key or token in the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    found = [parts.username or "", parts.password or ""]
    found += [value for name, value in parse_qsl(parts.query) if name in {"api_key", "token"}]
    return tuple(dict.fromkeys(text for secret in found for text in (secret, unquote(secret)) if text))


def secrets_of_environment(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return our own variables' keys and tokens, as they stand and as they are meant, and the passwords of proxies."""
    named = [
        form
        for name, value in environment.items()
        if name.startswith("SELAM_") and ("KEY" in name or "TOKEN" in name)
        for form in (value.strip(), unquoted(value))
    ]
    proxies = [value for name, value in environment.items() if name.lower().endswith("_proxy")]
    of_proxies = [secret for value in proxies for secret in _login(value)]
    ours = (*filter(None, dict.fromkeys(named)), *secrets_of_url(variable(environment, "SELAM_SERVER")))
    return (*ours, *of_proxies)


def _login(proxy: str) -> tuple[str, ...]:
    """Return what a proxy's address holds of a login, read as loosely as it may have been written.

    A user name beside a password is left out: it is no secret, and may be an ordinary word.
    """
    user, colon, password = proxy.rpartition("://")[2].rpartition("@")[0].partition(":")
    secret = password if colon and password else user
    return tuple(dict.fromkeys(text for text in (secret, unquote(secret)) if text))


@dataclass(frozen=True, slots=True)
class Redactor:
    """Hides given secrets, plain or encoded, and what looks like a key. None of them shows in its repr."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    _forms: tuple[str, ...] = field(default=(), repr=False)
    _spellings: tuple[re.Pattern[str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        """Make one that knows these secrets; longer ones go first, because one may be a part of another."""
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        forms = tuple(form for secret in known for form in (secret, *_in_base64(secret)))
        return cls(tuple(known), forms, tuple(re.compile(_spelled(secret)) for secret in known))

    def knowing(self, secrets: Iterable[str]) -> Redactor:
        """Return one that knows these as well."""
        return Redactor.of((*self.secrets, *secrets))

    def line(self, text: str) -> str:
        """Return a log's line, an error or a notice as it may be read; also what is named as a key is hidden."""
        return redact(self._hidden(text))

    def speech(self, text: str) -> str:
        """Return speech or an answer as it may be read: people talk of tokens, so only keys themselves are hidden."""
        return _KEY_SHAPES.sub(HIDDEN, self._hidden(text))

    def shown(self, text: str) -> str:
        """Return a line as it may stand on a terminal or in a log: without keys, and nothing in it steers."""
        return plain(self.line(text))

    def shown_speech(self, text: str) -> str:
        """Return speech or an answer as it may stand on a terminal."""
        return plain(self.speech(text))

    def _hidden(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        if "%" in text or "\\" in text:
            for spelling in self._spellings:
                text = spelling.sub(HIDDEN, text)
        return text


def _spelled(secret: str) -> str:
    """Match a secret whose characters may each be percent-encoded or escaped as in JSON and Python."""
    return "".join(_one_of(character) for character in secret)


def _one_of(character: str) -> str:
    code = ord(character)
    encoded = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "replace"))
    return rf"(?:\\{{0,2}}{re.escape(character)}|(?i:{encoded}|\\\\?u{code:04x}|\\\\?x{code:02x}))"


def _in_base64(secret: str) -> tuple[str, ...]:
    """Return the part of its base64 that does not depend on what stands around, for each of the three ways it may lie.

    Where that part is short, as for a short secret, any word may look like it: it is left out.
    """
    raw = secret.encode("utf-8", "replace")
    forms: list[str] = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        first = -(-8 * before // 6)
        last = (8 * (before + len(raw))) // 6
        inner = encoded[first:last]
        if len(inner) >= 10:
            forms += {inner, inner.replace("+", "-").replace("/", "_")}
    return tuple(forms)
