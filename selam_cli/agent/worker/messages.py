"""What the agent and a worker say to each other over pipes: a header in JSON, and bytes that are sound.

A message is two lengths (4 bytes each, network order), the header, the body. Each request of the agent carries an `id`
and gets one answer with the same.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final

_LENGTHS: Final = struct.Struct(">II")
MAX_PART_BYTES: Final = 16 * 1024 * 1024
"""More than any message holds: a longer one means that something else was written into the pipe."""

Header = dict[str, Any]


class BrokenMessage(Exception):
    """The bytes are no message."""


def packed(header: Header, body: bytes = b"") -> bytes:
    """Return a message's bytes."""
    encoded = json.dumps(header).encode()
    return _LENGTHS.pack(len(encoded), len(body)) + encoded + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """Return the lengths of header and body. Raises BrokenMessage."""
    header, body = _LENGTHS.unpack(prefix)
    if header > MAX_PART_BYTES or body > MAX_PART_BYTES:
        raise BrokenMessage(f"lengths of {header} and {body} bytes")
    return header, body


def header_of(encoded: bytes) -> Header:
    """Return a header. Raises BrokenMessage."""
    try:
        header = json.loads(encoded)
    except ValueError as error:
        raise BrokenMessage(str(error)) from None
    if not isinstance(header, dict):
        raise BrokenMessage("the header is no object")
    return header


def read(take: Callable[[int], bytes]) -> tuple[Header, bytes] | None:
    """Read a message through a blocking `read(count)`; None at the end of the stream. Raises BrokenMessage."""
    prefix = take(_LENGTHS.size)
    if len(prefix) < _LENGTHS.size:
        return None
    header_bytes, body_bytes = lengths(prefix)
    encoded, body = take(header_bytes), take(body_bytes)
    if len(encoded) < header_bytes or len(body) < body_bytes:
        return None
    return header_of(encoded), body


PREFIX_BYTES: Final = _LENGTHS.size
