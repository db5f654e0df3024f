"""Socket.IO in and out of the embedded agent, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Any, Final, cast
from urllib.parse import parse_qs

import engineio
import socketio
from aiohttp import web

from selam_cli.agent.client_session import ClientSession
from selam_cli.agent.http_app import Handler, make_app
from selam_cli.agent.limits import NO_LIMITS, PARTING_WORDS, Stay
from selam_cli.agent.metrics import Metrics
from selam_cli.agent.packets import (
    MAX_BYTES_BEFORE_JOINING,
    MAX_MESSAGE_BYTES,
    BoundedPacket,
    comes_from_clients,
    take_long_posts,
    whole_post,
)
from selam_cli.agent.responder import Responder
from selam_cli.agent.serve_settings import ServeSettings
from selam_cli.agent.silence import KEPT_ALIVE_S, SilentConnections
from selam_cli.agent.transport import Transport
from selam_cli.agent.websocket import count_pings
from selam_cli.core import protocol
from selam_cli.core.protocol import Connected, ErrorReport, MalformedPayload, ServerMessage
from selam_cli.errors import SelamError

log = logging.getLogger(__name__)
Connections = Callable[[], Collection[web.RequestHandler]]
_as_json = json.JSONEncoder(separators=(",", ":")).encode

MAX_BACKLOG_MESSAGES: Final = 1_000
"""A hundred seconds of reply that a client has not taken: it is let go, as the library's own queue has no bound."""

MOST_WAITING: Final = 5_000
"""Connections that have not joined: with one more, the oldest goes. Each takes up to 25 KB; a client joins at once."""

GOODBYE_S: Final = 1.2
SHUTDOWN_S: Final = 0.3
"""What a stop may take: the first for `session_ended` to leave, twice the second for handlers that do not end."""

_SOCKET_IO: Final = "/socket.io/"

LOOK_EVERY_S: Final = 1.0
"""Seconds between two checks whether a client has to leave."""


async def serve(
    settings: ServeSettings,
    responder: Responder,
    *,
    on_ready: Callable[[int], None],
    stop: asyncio.Event,
    metrics: Metrics | None = None,
) -> None:
    """Serve until `stop` is set; `on_ready` is given the port. Raises SelamError where the address can't be had."""
    agent = AgentServer(settings, responder, metrics or Metrics())
    runner = web.AppRunner(
        agent.app, access_log=None, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=KEPT_ALIVE_S
    )  # fmt: skip
    await runner.setup()
    try:
        try:
            await web.TCPSite(
                runner, settings.host, settings.port, reuse_port=True if settings.shares_port else None
            ).start()
        except OSError as error:
            raise cannot_listen(settings, error) from None
        on_ready(int(runner.addresses[0][1]))
        async with agent.looking_after_itself(lambda: runner.server.connections if runner.server else ()):
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

    def __init__(self, settings: ServeSettings, responder: Responder, metrics: Metrics) -> None:
        self._settings = settings
        self._responder = responder
        self._metrics = metrics
        self._peers: dict[str, Transport] = {}
        """By Engine.IO's name for the connection: all that have connected, whether or not they have joined."""
        self._waiting: dict[str, Transport] = {}
        """Those who have not joined, the oldest first."""
        self._joined: dict[str, Transport] = {}
        self._on_websockets: dict[int, Transport] = {}
        """By the identity of the request, as long as it is handled."""
        self._silent = SilentConnections()
        self._departures: set[asyncio.Task[None]] = set()
        self._sio = _quiet_server()
        self._sio.on("connect", self._on_connect, namespace=protocol.NAMESPACE)
        self._sio.on("disconnect", self._on_disconnect, namespace=protocol.NAMESPACE)
        self._sio.on("*", self._on_event, namespace=protocol.NAMESPACE)
        # Socket.IO's own handlers of the layer below, with ours around them: what never joins is held to limits too.
        self._below = dict(self._sio.eio.handlers)
        self._sio.eio.on("connect", self._on_engine_connect)
        self._sio.eio.on("message", self._on_packet)
        self._sio.eio.on("disconnect", self._on_engine_disconnect)
        self.app = make_app(settings, metrics, lambda: len(self._joined), [self._watch_request])
        self._sio.attach(self.app)
        count_pings(self._sio.eio, self._count_ping)

    @contextlib.asynccontextmanager
    async def looking_after_itself(self, connections: Connections) -> AsyncIterator[None]:
        """Let go, meanwhile, of the clients that have stayed or been silent for too long, and show signs of life."""
        keeper = asyncio.create_task(self._look_after_itself(connections))
        try:
            yield
        finally:
            keeper.cancel()

    async def say_goodbye(self) -> None:
        """Tell every session that it has ended, as far as its client takes it in time."""
        leaving = [asyncio.create_task(self._part_from(peer)) for peer in self._peers.values()]
        if leaving:
            await asyncio.wait(leaving, timeout=GOODBYE_S)
        await self._sio.shutdown()

    # --- those who have to leave --------------------------------------------------------------------------------------

    async def _look_after_itself(self, connections: Connections) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._metrics.beat()
            await asyncio.sleep(LOOK_EVERY_S)
            if self._settings.limits != NO_LIMITS:
                self._send_away_the_overdue(clock())
            if self._settings.limits.start_s is not None:
                self._silent.close_overdue(connections(), self._settings.limits.start_s, clock())

    def _send_away_the_overdue(self, now: float) -> None:
        for peer in list(self._peers.values()):
            status = peer.overdue(now)
            if status is not None:
                self._send_away(peer, status)

    def _send_away(self, peer: Transport, status: str) -> None:
        if peer.leaving:
            return
        peer.leaving = True
        if peer.connection is not None and status in PARTING_WORDS:
            peer.connection.send(PARTING_WORDS[status])
        departure = asyncio.create_task(self._see_off(peer, status))
        self._departures.add(departure)
        departure.add_done_callback(self._departures.discard)

    async def _see_off(self, peer: Transport, status: str) -> None:
        await self._part_from(peer, status)
        await asyncio.sleep(GOODBYE_S)
        self._let_go(peer)  # where its client has not closed the connection, as it was told to

    async def _part_from(self, peer: Transport, status: str = "ended") -> None:
        try:
            async with asyncio.timeout(GOODBYE_S):
                if peer.connection is not None:
                    peer.connection.leave(status)
                if peer.leaving and peer.connection is not None:
                    # After this, the official client does not come back by itself; after a restart of ours it should.
                    await self._sio.disconnect(peer.sid, namespace=protocol.NAMESPACE)
                await peer.unless_gone(self._sio.eio.disconnect(peer.engine_sid))
        except TimeoutError:
            self._let_go(peer)

    def _let_go(self, peer: Transport) -> None:
        """End a connection without a message: there is no way left to send one."""
        if peer.websocket is not None and peer.websocket.transport is not None:
            peer.websocket.transport.abort()
        socket = self._sio.eio.sockets.get(peer.engine_sid)
        if socket is not None:
            self._sio.start_background_task(socket.close, wait=False, abort=True)

    # --- Engine.IO ----------------------------------------------------------------------------------------------------

    @web.middleware
    async def _watch_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._silent.heard(request)
        if request.path != _SOCKET_IO:
            return await handler(request)
        peer = self._peers.get(request.query.get("sid", ""))  # None where a connection begins
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._on_websocket(request, handler, peer)
            if request.method == "POST" and peer is not None:
                return await self._on_post(request, handler, peer)
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:  # the decode boundary: what comes in may be no Engine.IO at all
            self._on_garbage(peer)
            return web.Response(status=400)

    async def _on_websocket(self, request: web.Request, handler: Handler, peer: Transport | None) -> web.StreamResponse:
        # Compressing audio costs 20–120 % of CPU and gains nothing; what the client does not offer is not agreed on.
        headers = request.headers.copy()
        headers.popall("Sec-WebSocket-Extensions", None)
        request = request.clone(headers=headers)
        if peer is not None and peer.websocket is None:  # it has no second one, which the library refuses
            self._runs_on(peer, request)
        try:
            return await handler(request)
        except ConnectionError:
            raise
        except Exception:  # here it is known whose it is, if it began as a WebSocket
            self._on_garbage(self._on_websockets.get(id(request)))
            return web.Response(status=400)
        finally:
            if (peer := self._on_websockets.pop(id(request), None)) is not None:
                socket = self._sio.eio.sockets.get(peer.engine_sid)
                polls_on = socket is not None and not socket.upgraded
                if polls_on:
                    socket.upgrading = False  # while the library thinks that it is, it lets a client poll in vain
                peer.note_closed(polls_on=polls_on)

    async def _on_post(self, request: web.Request, handler: Handler, peer: Transport) -> web.StreamResponse:
        if peer.is_posting:  # its order would be lost, and its size counted once
            raise web.HTTPBadRequest(text="One POST after another, please.\n")
        peer.is_posting = True
        try:
            joined = peer.connection is not None
            post = await whole_post(request, MAX_MESSAGE_BYTES if joined else MAX_BYTES_BEFORE_JOINING)
            return await handler(cast("web.Request", post))
        finally:
            peer.is_posting = False

    def _on_garbage(self, peer: Transport | None) -> None:
        # A client that has not joined must not fill the log; of one that has, it may be a fault of ours.
        joined = peer is not None and peer.connection is not None
        log.log(logging.ERROR if joined else logging.DEBUG, "a packet failed", exc_info=True)
        if peer is not None:
            self._let_go(peer)

    async def _on_engine_connect(self, engine_sid: str, environ: dict[str, Any]) -> object:
        request = environ["aiohttp.request"]
        stay = Stay(self._settings.limits, asyncio.get_running_loop().time())
        peer = self._peers[engine_sid] = self._waiting[engine_sid] = Transport(engine_sid, stay)
        if len(self._waiting) > MOST_WAITING:
            self._let_go(self._waiting.pop(next(iter(self._waiting))))
        if "HTTP_UPGRADE" in environ:
            self._runs_on(peer, request)
        socket = self._sio.eio.sockets[engine_sid]
        socket.receive = partial(self._receive, peer, socket)
        return await self._below["connect"](engine_sid, environ)

    def _count_ping(self, request: web.Request) -> bool:
        peer = self._on_websockets.get(id(request))
        if peer is None or peer.may_send():
            return True
        self._let_go(peer)
        return False

    def _runs_on(self, peer: Transport, request: web.Request) -> None:
        peer.websocket = request
        self._on_websockets[id(request)] = peer

    async def _receive(self, peer: Transport, socket: engineio.async_socket.AsyncSocket, packet: Any) -> None:
        """Take a packet of Engine.IO in the library's place; what it holds for Socket.IO comes to `_on_packet`."""
        # The library's answers, acknowledgements among them, wait as ours do for a client that takes none.
        is_full = socket.queue.qsize() >= MAX_BACKLOG_MESSAGES
        is_mute = packet.packet_type != engineio.packet.MESSAGE
        if is_full or socket.closed or not comes_from_clients(packet) or (is_mute and not peer.may_send()):
            self._let_go(peer)
            return
        if peer.websocket is None:
            await asyncio.sleep(0)  # a POST may hold many, and others are waiting
        await type(socket).receive(socket, packet)

    async def _on_packet(self, engine_sid: str, packet: str | bytes) -> None:
        peer = self._peers.get(engine_sid)
        if peer is None or peer.leaving:
            return
        self._metrics.received(len(packet))
        if not peer.stay.heard(len(packet), asyncio.get_running_loop().time()):
            self._send_away(peer, "too_fast")
            return
        if peer.connection is None and (len(packet) > MAX_BYTES_BEFORE_JOINING or not peer.may_try_to_join()):
            self._let_go(peer)
            return
        try:
            await self._below["message"](engine_sid, packet)
        except Exception:  # the decode boundary: what comes in may be no Socket.IO at all
            self._on_garbage(peer)

    async def _on_engine_disconnect(self, engine_sid: str, reason: str) -> None:
        await self._below["disconnect"](engine_sid, reason)
        self._waiting.pop(engine_sid, None)
        self._peers.pop(engine_sid, None)
        self._sio.eio.sockets.pop(engine_sid, None)  # which the library does by and by

    # --- Socket.IO ----------------------------------------------------------------------------------------------------

    async def _on_connect(self, sid: str, environ: dict[str, Any], _: object = None) -> None:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        key, voice = (query.get(name, [""])[0] for name in ("api_key", "voice"))
        if self._settings.keys is not None and key not in self._settings.keys:
            self._refuse("key", "authentication_error", "The API key is missing or not known here.")
        if not voice:
            self._refuse("voice", "validation_error", "The query names no voice.")
        most = self._settings.max_sessions
        if most is not None and len(self._joined) >= most:
            self._refuse("full", "session_error", f"This agent is full: it holds {most} sessions. Try again later.")
        peer = self._peers[self._sio.manager.eio_sid_from_sid(sid, protocol.NAMESPACE)]
        self._waiting.pop(peer.engine_sid, None)
        peer.sid = sid
        peer.connection = ClientSession(self._responder, partial(self._deliver, peer), self._metrics)
        self._joined[sid] = peer
        self._metrics.connected()
        # Once the namespace's own answer is on its way: a client that gets the greeting first cannot reply to it.
        greeting = Connected(sid, voice, self._responder.greeting(voice))
        asyncio.get_running_loop().call_soon(peer.connection.send, greeting)

    async def _on_disconnect(self, sid: str, _: object = None) -> None:
        peer = self._joined.pop(sid, None)
        if peer is not None and peer.connection is not None:
            peer.connection.close()
            peer.connection = None
            self._metrics.disconnected()

    async def _on_event(self, event: str, sid: str, *arguments: object) -> None:
        peer = self._joined.get(sid)
        if peer is None or peer.connection is None:
            return
        try:
            message = protocol.decode_client(event, arguments[0] if arguments else None)
        except MalformedPayload as error:
            peer.connection.send(ErrorReport("validation_error", f"{error}."))
            return
        if message is not None:
            peer.connection.take(message)

    def _deliver(self, peer: Transport, message: ServerMessage) -> bool:
        socket = self._sio.eio.sockets.get(peer.engine_sid)
        if socket is None or socket.closed:
            return False
        if socket.queue.qsize() >= MAX_BACKLOG_MESSAGES:
            self._let_go(peer)
            return False
        # Not the server's `emit`: it looks for who is in a room and makes a task for each, which for one client costs
        # more than all the rest.
        text = f"{socketio.packet.EVENT}{protocol.NAMESPACE},{_as_json(protocol.encode(message))}"
        socket.queue.put_nowait(engineio.packet.Packet(engineio.packet.MESSAGE, text))
        self._metrics.sent(len(text))
        return True

    def _refuse(self, reason: str, error_type: str, message: str) -> None:
        self._metrics.refused(reason)
        raise socketio.exceptions.ConnectionRefusedError(error_type, {"type": error_type, "message": message})


def _quiet_server() -> socketio.AsyncServer:
    take_long_posts()
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
        serializer=BoundedPacket,
    )
