"""Keeps keys out of everything that is shown or written.

The API key sits in the handshake's URL, so any text that came near a connection may hold it. This is the one place
that takes it out; every log record and every error passes here.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

HIDDEN: Final = "[hidden]"

_SECRETS: Final = re.compile(
    r"""(?P<name>\b(?:api_key|api-key|apikey|token|authorization|x-api-key)\b["']?\s*(?:=|:)\s*["']?(?:bearer\s+)?)
        (?P<value>[^\s&"'<>,;)\]}]+)
      | \bsk-selam-[A-Za-z0-9_\-.~%]+
      | \beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*      # a JWT
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str, *secrets: str) -> str:
    """Return the text with everything that looks like a key, and each of the given secrets, hidden."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
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
