"""TCP connections over which no request comes: each takes a file descriptor, and a process may have few."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from aiohttp import web

KEPT_ALIVE_S: Final = 90.0
"""Seconds after a request: longer than proxies keep a connection to reuse it. aiohttp's own is an hour."""


class SilentConnections:
    """Knows the connections over which no request has come, and since when."""

    def __init__(self) -> None:
        self._heard: set[web.RequestHandler] = set()
        self._silent_since: dict[web.RequestHandler, float] = {}

    def heard(self, request: web.Request) -> None:
        """Note a request."""
        self._heard.add(request.protocol)

    def close_overdue(self, connections: Collection[web.RequestHandler], within_s: float, now: float) -> None:
        """Close those of all connections that have been silent for `within_s`. Call it every second or so."""
        self._heard.intersection_update(connections)
        silent = [connection for connection in connections if connection not in self._heard]
        self._silent_since = {connection: self._silent_since.get(connection, now) for connection in silent}
        for connection, since in self._silent_since.items():
            if now - since >= within_s:
                connection.force_close()
