"""When the network comes back: this machine has a route to the server again, or another one.

The kernel is asked which of this machine's addresses would be used. Connecting a UDP socket answers that on every
system, sends nothing, and needs neither rights nor a library.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

LOOK_EVERY_S: Final = 0.5

_ANYWHERE: Final = ("192.0.2.1", "2001:db8::1")
"""Addresses that exist nowhere (RFC 5737, RFC 3849): the route to them is the one to the internet."""


class NetworkWatch:
    """Remembers by which of its addresses this machine would reach the internet, and a server."""

    def __init__(self) -> None:
        self._hosts: tuple[str, ...] = _ANYWHERE
        self._seen: dict[str, str | None] = {}

    def remember(self, host: str | None) -> None:
        """Watch the route to this host as well, because a server may be reachable where the internet is not.

        Only an address is watched: a name may take seconds to look up.
        """
        if host and _is_address(host):
            self._hosts = (*_ANYWHERE, host)

    def look(self) -> bool:
        """Look again; True where there is a route that was not there before."""
        before, self._seen = self._seen, {host: _own_address(host) for host in self._hosts}
        return any(own is not None and host in before and own != before[host] for host, own in self._seen.items())

    async def changes(self) -> None:
        """Return when there is a route that was not there at the last look."""
        while not self.look():  # noqa: ASYNC110  # no system reports it in the same way, so it is looked at
            await asyncio.sleep(LOOK_EVERY_S)


def _is_address(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True


def _own_address(host: str) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
