"""WebSockets whose pings are counted: aiohttp answers them by itself, and as long as they come does nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import engineio
from aiohttp import WSMsgType, web
from engineio.async_drivers.aiohttp import WebSocket

_CONTROL: Final = frozenset({WSMsgType.PING, WSMsgType.PONG})

Counted = Callable[[web.Request], bool]
"""Called for each ping and pong of a request's WebSocket; False where they are too many."""


def count_pings(server: engineio.AsyncServer, counted: Counted) -> None:
    """Have a server of Engine.IO report pings, and close the WebSockets by which too many come."""
    # The library has no other way to make its WebSockets of another kind.
    server._async = {**server._async, "websocket": partial(_CountedWebSocket, counted)}  # noqa: SLF001


class _CountedWebSocket(WebSocket):  # type: ignore[misc]  # the library has no types
    """Takes the place of the library's own."""

    def __init__(
        self, counted: Counted, handler: Callable[[Any], Awaitable[None]], server: engineio.AsyncServer
    ) -> None:
        super().__init__(handler, server)
        self._counted = counted

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        self._request = environ["aiohttp.request"]
        self._sock = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, autoping=False)
        await self._sock.prepare(self._request)
        await self.handler(self)
        return self._sock

    async def wait(self) -> str | bytes:
        """Return the next message. Raises OSError at the end, as the library expects."""
        while (message := await self._sock.receive()).type in _CONTROL:
            if not self._counted(self._request):
                raise OSError("too many pings")
            if message.type is WSMsgType.PING:
                await self._sock.pong(message.data)
        if not isinstance(message.data, (str, bytes)):
            raise OSError("the end")
        return message.data
