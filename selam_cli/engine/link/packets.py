"""Socket.IO packets from an untrusted server: one that python-socketio cannot read becomes an event that says so.

The library reads each message in a task of its own, so an exception there can be caught nowhere and leaves a traceback
in the log for every message. It also keeps as many attachments as a server announces, and acknowledges what a server
wants acknowledged. The protocol needs neither, so both end here.
"""

from __future__ import annotations

from typing import Any, Final

from socketio.packet import BINARY_EVENT, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet

from selam_cli.core.packet_bounds import RESERVED_EVENTS, nests_too_much, too_large
from selam_cli.core.protocol import NAMESPACE

UNREADABLE: Final = "\0unreadable"
"""The event that stands for an unreadable message; no event of the protocol has this name."""

MAX_MESSAGE_BYTES: Final = 12 * 1024 * 1024
MAX_ATTACHMENTS: Final = 4
"""A reply's chunk has one, where it is binary."""

MAX_COMMAS: Final = 100_000
"""Twelve megabytes of numbers would unfold to many times as much."""

_RESERVED: Final = RESERVED_EVENTS | {"connect_error", "__disconnect_final"}
"""Two more are a client's own."""


class GuardedPacket(Packet):  # type: ignore[misc]  # the library has no types
    """A packet that can be read, whatever came."""

    def __init__(
        self,
        packet_type: int = EVENT,
        data: Any = None,
        namespace: str | None = None,
        id: int | None = None,  # noqa: A002  # the library's name
        binary: bool | None = None,
        encoded_packet: Any = None,
    ) -> None:
        super().__init__(packet_type, data, namespace, id, binary, encoded_packet)
        if encoded_packet is not None and not encoded_packet:
            self._take_as_unreadable()  # the library would not have looked at it

    id: int | None
    data: Any
    attachments: list[Any]

    def decode(self, encoded_packet: Any) -> int:
        """Read a packet; return how many attachments are to follow. Never raises."""
        try:
            count = self._read(encoded_packet)
        except Exception:  # the decode boundary: untrusted bytes may raise anything
            count = 0
            self._take_as_unreadable()
        return count

    def add_attachment(self, attachment: Any) -> bool:
        """Take an attachment; tell whether it was the last. Never raises, and never holds more than a message may."""
        if too_large(self.attachments, attachment, MAX_MESSAGE_BYTES):
            attachment = b""
        try:
            whole: bool = super().add_attachment(attachment)
        except Exception:  # the decode boundary, too: the packet says where its attachments belong
            self._take_as_unreadable(BINARY_EVENT)
            return True
        return whole

    def _read(self, encoded: Any) -> int:
        if nests_too_much(encoded) or encoded.count(",") > MAX_COMMAS:
            raise ValueError("too many parts")
        count = super().decode(encoded) or 0
        if not self._is_sound() or count > MAX_ATTACHMENTS or (self.packet_type == BINARY_EVENT and not count):
            raise ValueError("no packet of the protocol")
        self.id = None  # nothing is acknowledged
        return count

    def _is_sound(self) -> bool:
        if self.packet_type in {EVENT, BINARY_EVENT}:
            named = isinstance(self.data, list) and bool(self.data) and isinstance(self.data[0], str)
            return named and self.data[0] not in _RESERVED
        if self.packet_type == CONNECT:
            return self.data is None or isinstance(self.data, dict)
        return self.packet_type in {DISCONNECT, CONNECT_ERROR}  # we ask for no acknowledgement

    def _take_as_unreadable(self, packet_type: int = EVENT) -> None:
        self.packet_type, self.namespace, self.id = packet_type, NAMESPACE, None
        self.data, self.attachments, self.attachment_count = [UNREADABLE], [], 0
