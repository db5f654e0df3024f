"""Socket.IO in and out of the embedded agent, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

import socketio
from aiohttp import web

from selam_cli.agent.connection import Connection
from selam_cli.agent.responder import Responder
from selam_cli.core import protocol
from selam_cli.core.protocol import Connected, ErrorReport, MalformedPayload, ServerMessage
from selam_cli.errors import SelamError

MAX_MESSAGE_BYTES: Final = 1_000_000
"""One message of a client: a chunk of 200 ms takes 9 kB, the longest instructions 32 kB."""

MAX_BACKLOG_MESSAGES: Final = 1_000
"""A hundred seconds of reply that a client has not taken: it is let go, for the library's own queue has no bound."""

GOODBYE_S: Final = 1.2
SHUTDOWN_S: Final = 0.3
"""What a stop may take: the first for `session_ended` to leave, twice the second for handlers that do not end."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is connected: the session's side, Engine.IO's name for the connection, and the request it began with."""

    connection: Connection
    engine_sid: str
    request: web.Request


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the agent listens. `keys` None: no key is asked for, which only loopback allows.

    `shares_port`: other processes listen on the same port, and each request may reach another one. Long-polling, a
    conversation of many requests, does not survive that, so only WebSocket is taken then.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    keys: frozenset[str] | None = None
    allow_origins: tuple[str, ...] = ()
    max_sessions: int | None = None
    shares_port: bool = False


async def serve(
    settings: ServeSettings, responder: Responder, *, on_ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set; `on_ready` is given the port. Raises SelamError where the address can't be had."""
    agent = AgentServer(settings, responder)
    runner = web.AppRunner(agent.app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(
                runner, settings.host, settings.port, reuse_port=True if settings.shares_port else None
            ).start()
        except OSError as error:
            raise cannot_listen(settings, error) from None
        on_ready(int(runner.addresses[0][1]))
        await stop.wait()
        await agent.say_goodbye()
    finally:
        await runner.cleanup()


def cannot_listen(settings: ServeSettings, error: OSError) -> SelamError:
    """Say that the address can't be had."""
    return SelamError(
        f"The agent cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.",
        "Choose another address with --host and --port; port 0 takes a free one.",
    )


class AgentServer:
    """All connections of one process."""

    def __init__(self, settings: ServeSettings, responder: Responder) -> None:
        self._settings = settings
        self._responder = responder
        self._peers: dict[str, Peer] = {}
        self._upgrades: dict[str, web.Request] = {}
        self._sio = _quiet_server()
        self._sio.on("connect", self._on_connect, namespace=protocol.NAMESPACE)
        self._sio.on("disconnect", self._on_disconnect, namespace=protocol.NAMESPACE)
        self._sio.on("*", self._on_event, namespace=protocol.NAMESPACE)
        self.app = web.Application(middlewares=[self._check_origin, self._check_transport, self._watch_upgrade])
        self.app.router.add_get("/healthz", self._health)
        self._sio.attach(self.app)

    async def say_goodbye(self) -> None:
        """Tell every session that it has ended, as far as its client takes it in time."""
        leaving = [asyncio.create_task(self._part_from(peer)) for peer in self._peers.values()]
        if leaving:
            await asyncio.wait(leaving, timeout=GOODBYE_S)
        await self._sio.shutdown()

    async def _part_from(self, peer: Peer) -> None:
        await peer.connection.leave()
        await self._sio.eio.disconnect(peer.engine_sid)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _check_origin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._settings.allow_origins:
            raise web.HTTPForbidden(text="This agent takes no connections from web pages of that origin.\n")
        return await handler(request)

    @web.middleware
    async def _check_transport(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._settings.shares_port and request.query.get("transport") == "polling":
            raise web.HTTPBadRequest(text="This agent has several workers and takes WebSocket only, no long-polling.\n")
        return await handler(request)

    @web.middleware
    async def _watch_upgrade(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await handler(request)
        # Compressing audio costs 20–120 % of CPU and gains nothing; what the client does not offer is not agreed on.
        headers = request.headers.copy()
        headers.popall("Sec-WebSocket-Extensions", None)
        request = request.clone(headers=headers)
        engine_sid = request.query.get("sid")
        if engine_sid is None:  # the connection begins as a WebSocket, and its peer knows this request
            return await handler(request)
        self._upgrades[engine_sid] = request
        try:
            return await handler(request)
        finally:
            self._upgrades.pop(engine_sid, None)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "sessions": len(self._peers)})

    # --- Socket.IO ----------------------------------------------------------------------------------------------------

    async def _on_connect(self, sid: str, environ: dict[str, Any], _: object = None) -> None:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        key, voice = (query.get(name, [""])[0] for name in ("api_key", "voice"))
        if self._settings.keys is not None and key not in self._settings.keys:
            _refuse("authentication_error", "The API key is missing or not known here.")
        if not voice:
            _refuse("validation_error", "The query names no voice.")
        most = self._settings.max_sessions
        if most is not None and len(self._peers) >= most:
            _refuse("session_error", f"This agent is full: it holds {most} sessions. Try again later.")
        connection = Connection(self._responder, partial(self._deliver, sid))
        engine_sid = self._sio.manager.eio_sid_from_sid(sid, protocol.NAMESPACE)
        self._peers[sid] = Peer(connection, engine_sid, environ["aiohttp.request"])
        connection.send(Connected(sid, voice, self._responder.greeting))

    async def _on_disconnect(self, sid: str, _: object = None) -> None:
        peer = self._peers.pop(sid, None)
        if peer is not None:
            peer.connection.close()

    async def _on_event(self, event: str, sid: str, *arguments: object) -> None:
        peer = self._peers.get(sid)
        if peer is None:
            return
        try:
            message = protocol.decode_client(event, arguments[0] if arguments else None)
        except MalformedPayload as error:
            peer.connection.send(ErrorReport("validation_error", f"{error}."))
            return
        if message is not None:
            peer.connection.take(message)

    async def _deliver(self, sid: str, message: ServerMessage) -> bool:
        peer = self._peers.get(sid)
        socket = None if peer is None else self._sio.eio.sockets.get(peer.engine_sid)
        if peer is None or socket is None:
            return False
        if socket.queue.qsize() >= MAX_BACKLOG_MESSAGES:
            self._let_go(peer)
            return False
        event, payload = protocol.encode(message)
        await self._sio.emit(event, payload, to=sid, namespace=protocol.NAMESPACE)
        return True

    def _let_go(self, peer: Peer) -> None:
        """End a connection without a word: there is no way left to say one."""
        request = self._upgrades.get(peer.engine_sid, peer.request)
        if request.transport is not None:
            request.transport.abort()
        socket = self._sio.eio.sockets[peer.engine_sid]
        self._sio.start_background_task(socket.close, wait=False, abort=True)


def _quiet_server() -> socketio.AsyncServer:
    quiet = logging.getLogger("selam_cli.agent.socketio")
    quiet.setLevel(logging.ERROR)  # the library's lines below that hold addresses with their keys
    return socketio.AsyncServer(
        async_mode="aiohttp",
        async_handlers=False,  # events of one client keep their order
        cors_allowed_origins="*",  # origins are checked in front of it, for the WebSocket as well
        http_compression=False,
        max_http_buffer_size=MAX_MESSAGE_BYTES,
        logger=quiet,
        engineio_logger=quiet,
        namespaces=[protocol.NAMESPACE],
    )


def _refuse(error_type: str, message: str) -> None:
    raise socketio.exceptions.ConnectionRefusedError(error_type, {"type": error_type, "message": message})
