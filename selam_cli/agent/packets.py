"""What a client may put into Engine.IO's and Socket.IO's packets, where the libraries set no bound of their own."""

from __future__ import annotations

from typing import Any, Final

import engineio
from aiohttp import web
from socketio.packet import BINARY_EVENT, EVENT, Packet

from selam_cli.core.packet_bounds import RESERVED_EVENTS, nests_too_much, too_large

MAX_MESSAGE_BYTES: Final = 4_000_000
"""What is taken in one message. A chunk may hold a fifth of it, so too long a chunk gets an error, not a disconnect."""

MAX_ATTACHMENTS: Final = 10
"""The protocol has messages with one sound at most, which may come as bytes; the library would wait for a billion."""

MAX_PACKETS_A_POST: Final = 1_000
"""A hundred seconds of speech. The library takes sixteen: of a client that polls and catches up, it loses the rest."""

MAX_BYTES_BEFORE_JOINING: Final = 65_536
"""In one message, of a client that may have no key: before it has joined, all that it has to send is that it joins."""

_FROM_CLIENTS: Final = frozenset({engineio.packet.CLOSE, engineio.packet.PONG, engineio.packet.MESSAGE})


class BoundedPacket(Packet):  # type: ignore[misc]  # the library has no types
    """A packet of Socket.IO that holds no more than one message may, attachments and all."""

    def decode(self, encoded_packet: Any) -> int:
        """Read it; return how many attachments follow. Raises what the library raises, and ValueError."""
        if nests_too_much(encoded_packet):
            raise ValueError("too many parts")
        count: int = super().decode(encoded_packet)
        if count > MAX_ATTACHMENTS:
            raise ValueError("too many attachments")
        if self.packet_type in {EVENT, BINARY_EVENT} and self.data[0] in RESERVED_EVENTS:
            raise ValueError("a reserved name")
        return count

    def add_attachment(self, attachment: Any) -> bool:
        """Take one of them; return whether it was the last. Raises ValueError."""
        if too_large(self.attachments, attachment, MAX_MESSAGE_BYTES):
            raise ValueError("the attachments are too large")
        return bool(super().add_attachment(attachment))


def take_long_posts() -> None:
    """Let the library read all the packets of a POST that `whole_post` lets through."""
    engineio.payload.Payload.max_decode_packets = MAX_PACKETS_A_POST


def comes_from_clients(packet: engineio.packet.Packet) -> bool:
    """Say whether a client has a reason to send such a packet of Engine.IO once it is connected.

    To the others the library answers with a packet, or with a traceback in the log.
    """
    return packet.packet_type in _FROM_CLIENTS


class WholePost:
    """A POST whose body has come: the library reads it once, and takes what there is by then for all of it."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self._request = request
        self._body = body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    @property
    def content(self) -> WholePost:
        """What the library reads from."""
        return self

    async def read(self, _size_bytes: int) -> bytes:
        """Return the body."""
        return self._body


async def whole_post(request: web.Request, most_bytes: int) -> WholePost:
    """Return a POST with its body. Raises web.HTTPException where its length is too great or not given.

    Raises ValueError where it holds no packets.
    """
    size_bytes = request.content_length
    if size_bytes is None:
        raise web.HTTPLengthRequired
    if size_bytes > most_bytes:
        raise web.HTTPRequestEntityTooLarge(max_size=most_bytes, actual_size=size_bytes)
    body = await request.content.readexactly(size_bytes)
    engineio.payload.Payload(encoded_payload=body.decode())
    return WholePost(request, body)
