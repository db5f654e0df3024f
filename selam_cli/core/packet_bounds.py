"""What a Socket.IO packet may hold, for both ends of a connection: python-socketio sets no bound of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_BRACKETS: Final = 20_000
"""Megabytes of empty lists or objects would unfold to hundreds."""

RESERVED_EVENTS: Final = frozenset({"connect", "disconnect", "*"})
"""Names that the library itself gives to what happens to a connection: sent by the other end, they would look alike."""


def nests_too_much(encoded: str) -> bool:
    """Say whether JSON would unfold to more lists and objects than any message of the protocol has."""
    return encoded.count("[") + encoded.count("{") > MAX_BRACKETS


def too_large(attachments: Sequence[bytes | str], attachment: bytes | str, most_bytes: int) -> bool:
    """Say whether a packet's attachments would be larger with one more than a message may be."""
    return sum(map(len, attachments)) + len(attachment) > most_bytes
