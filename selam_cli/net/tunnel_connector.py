"""Has aiohttp connect through a proxy's tunnel; loaded only where there is a proxy."""

from __future__ import annotations

import asyncio
import ssl as tls
from typing import Any, cast

from aiohttp.client_proto import ResponseHandler
from aiohttp_socks import ProxyConnector

from selam_cli.core.proxy import Proxy
from selam_cli.net.tunnel import encrypt, open_tunnel


class TunnelConnector(ProxyConnector):
    """Opens every connection of a session through one proxy. `within_s` bounds the tunnel, and TLS in it again."""

    def __init__(self, proxy: Proxy, *, within_s: float | None = None, **options: Any) -> None:
        super().__init__(proxy.host, proxy.port, **options)
        self._through = proxy
        self._within_s = within_s

    async def _connect_via_proxy(
        self,
        host: str,
        port: int,
        ssl: tls.SSLContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the library's hook
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        streams = await open_tunnel(self._through, host, port, self._within_s)
        writer = streams[1]
        try:
            if ssl is not None:
                async with asyncio.timeout(self._within_s):
                    await encrypt(streams, host, ssl)
        except BaseException:
            writer.transport.abort()
            raise
        handler = _Handler(self._loop, writer)
        transport = cast("asyncio.Transport", writer.transport)
        transport.set_protocol(handler)
        handler.connection_made(transport)
        return transport, handler


class _Handler(ResponseHandler):
    """Holds the tunnel's writer, which closes its connection when it is collected."""

    def __init__(self, loop: asyncio.AbstractEventLoop, writer: asyncio.StreamWriter) -> None:
        super().__init__(loop)
        self._tunnel = writer
