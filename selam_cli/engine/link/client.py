"""The python-socketio client of one attempt.

It reconnects nothing by itself, because the library would go on trying a refused key; it logs nothing that holds a
payload or the address with its key; and it reads whatever comes as a packet or as none.
"""

from __future__ import annotations

import logging

import aiohttp
import socketio

from selam_cli.core import protocol
from selam_cli.core.protocol import ClientMessage
from selam_cli.core.proxy import Proxy
from selam_cli.engine.link.liveness import WatchedSocket
from selam_cli.engine.link.packets import MAX_MESSAGE_BYTES, GuardedPacket
from selam_cli.engine.link.refusals import follow_no_redirect

log = logging.getLogger(__name__)


def new_client(proxy: Proxy | None) -> socketio.AsyncClient:
    """Make a client that will connect through this proxy, if any."""
    client = socketio.AsyncClient(
        reconnection=False,
        handle_sigint=False,
        serializer=GuardedPacket,
        logger=logging.getLogger("selam_cli.socketio"),
        engineio_logger=logging.getLogger("selam_cli.engineio"),
        http_session=aiohttp.ClientSession(
            connector=_connector(proxy), ws_response_class=WatchedSocket, trace_configs=[_no_redirects()]
        ),
        websocket_extra_options={"max_msg_size": MAX_MESSAGE_BYTES, "autoping": False},
    )
    for name in ("selam_cli.socketio", "selam_cli.engineio"):
        logging.getLogger(name).setLevel(logging.ERROR)  # their INFO lines hold every payload
    return client


async def emit(client: socketio.AsyncClient, message: ClientMessage) -> None:
    """Hand a message to the client, which queues it without bound."""
    event, payload = protocol.encode(message)
    await client.emit(event, payload, namespace=protocol.NAMESPACE)


def _connector(proxy: Proxy | None) -> aiohttp.BaseConnector | None:
    if proxy is None:
        return None
    from selam_cli.net.tunnel_connector import TunnelConnector  # loaded where there is one

    log.info("through the proxy %s, which %s names", proxy.shown, proxy.variable)
    return TunnelConnector(proxy)


def _no_redirects() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(follow_no_redirect)
    return trace
