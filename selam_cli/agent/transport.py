"""One connection to the agent, whether or not a client has joined by it yet."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from aiohttp import web

from selam_cli.agent.client_session import ClientSession
from selam_cli.agent.limits import Stay

MOST_BEFORE_JOINING: Final = 100
"""Packets and pings of a client that may have no key: one is enough to join, and each costs time that others lack."""


class Transport:
    """One connection at Engine.IO's level, and the client that has joined by it.

    `websocket` is the request that it runs on; a long-polling one has none of its own.
    """

    def __init__(self, engine_sid: str, stay: Stay) -> None:
        self.engine_sid = engine_sid
        self.websocket: web.Request | None = None
        self._gone = asyncio.Event()
        self.stay = stay
        self.since = asyncio.get_running_loop().time()
        self.sid = ""
        self.connection: ClientSession | None = None
        self.leaving = False
        self.is_posting = False
        """Whether a POST of a long-polling client is under way."""
        self._before_joining = 0

    def note_closed(self, *, polls_on: bool) -> None:
        """Its WebSocket is closed, and the client gone with it, unless it only tried one and `polls_on`."""
        self.websocket = None
        if not polls_on:
            self._gone.set()

    async def unless_gone(self, farewell: Coroutine[Any, Any, None]) -> None:
        """Say goodbye; with the WebSocket closed meanwhile, the library would wait for ever for its last packets."""
        saying, gone = asyncio.ensure_future(farewell), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({saying, gone}, return_when=asyncio.FIRST_COMPLETED)
            if saying.done():
                saying.result()
        finally:
            saying.cancel()
            gone.cancel()

    def may_send(self) -> bool:
        """Count a packet or a ping that has nothing to say; False where there are too many."""
        if self.connection is None:
            return self.may_try_to_join()
        return self.stay.keeps_pace(0, asyncio.get_running_loop().time())

    def may_try_to_join(self) -> bool:
        """Count what comes from a client that has not joined; False where it is too much."""
        self._before_joining += 1
        return self._before_joining <= MOST_BEFORE_JOINING

    def overdue(self, now: float) -> str | None:
        """Return why it has to leave; None where it may stay."""
        if self.connection is None:
            return self.stay.overdue(now, session_since=None, free_since=self.since)
        return self.stay.overdue(
            now, session_since=self.connection.session_since, free_since=self.connection.free_since
        )
