"""When the network comes back: this machine has a way to the server again, or another one.

The kernel is asked which of this machine's addresses would be used. Connecting a UDP socket answers that on every
system, sends nothing, and needs neither rights nor a library.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Final

LOOK_EVERY_S: Final = 0.5

_ANYWHERE: Final = ("192.0.2.1", "2001:db8::1")
"""Addresses that exist nowhere (RFC 5737, RFC 3849): the way to them is the way to all the world."""


class NetworkWatch:
    """Remembers by which of its addresses this machine would reach the world, and a server."""

    def __init__(self) -> None:
        self._peers: tuple[str, ...] = ()
        self._seen: dict[str, str | None] = {}

    def remember(self, peer: str) -> None:
        """Look for the way to this address as well: a server may be near, where there is no way to the world."""
        self._peers = (peer,)

    def look(self) -> bool:
        """Look again; True where there is a way that was not there before."""
        before, self._seen = self._seen, {peer: _own_address(peer) for peer in (*_ANYWHERE, *self._peers)}
        return any(own is not None and peer in before and own != before[peer] for peer, own in self._seen.items())

    async def changes(self) -> None:
        """Return when there is a way that was not there at the last look."""
        while not self.look():  # noqa: ASYNC110  # no system tells of it in the same way, so it is looked at
            await asyncio.sleep(LOOK_EVERY_S)


def numeric_addresses(hosts: Iterable[str | None]) -> list[str]:
    """Return those that are addresses and not names: a name may take seconds to look up."""
    found = []
    for host in hosts:
        try:
            socket.getaddrinfo(host or "", None, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            continue
        if host:
            found.append(host)
    return found


def _own_address(peer: str) -> str | None:
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
