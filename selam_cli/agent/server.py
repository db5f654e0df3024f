"""Socket.IO in and out of the embedded agent, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import uuid4

import socketio
from aiohttp import web

from selam_cli.agent.conversation import Conversation
from selam_cli.agent.responder import Responder
from selam_cli.core import protocol
from selam_cli.core.catalog import LANGUAGES
from selam_cli.core.protocol import (
    AudioChunk,
    ClientMessage,
    Connected,
    Control,
    EndSession,
    ErrorReport,
    MalformedPayload,
    ServerMessage,
    SessionEnded,
    SessionStarted,
    StartSession,
)
from selam_cli.errors import SelamError

MAX_MESSAGE_BYTES: Final = 1_000_000
"""One message of a client: a chunk of 200 ms takes 9 kB, the longest instructions 32 kB."""

OUTBOX_MESSAGES: Final = 2_000
GOODBYE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the agent listens. `keys` None: no key is asked for, which only loopback allows."""

    host: str = "127.0.0.1"
    port: int = 8765
    keys: frozenset[str] | None = None
    allow_origins: tuple[str, ...] = ()
    max_sessions: int | None = None


async def serve(
    settings: ServeSettings, responder: Responder, *, on_ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set; `on_ready` is given the port. Raises SelamError where the address can't be had."""
    agent = AgentServer(settings, responder)
    runner = web.AppRunner(agent.app, access_log=None, shutdown_timeout=GOODBYE_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            raise SelamError(
                f"The agent cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.",
                "Choose another address with --host and --port; port 0 takes a free one.",
            ) from None
        on_ready(int(runner.addresses[0][1]))
        await stop.wait()
        await agent.say_goodbye()
    finally:
        await runner.cleanup()


class AgentServer:
    """All sessions of one process."""

    def __init__(self, settings: ServeSettings, responder: Responder) -> None:
        self._settings = settings
        self._responder = responder
        self._clients: dict[str, Client] = {}
        quiet = logging.getLogger("selam_cli.agent.socketio")
        quiet.setLevel(logging.ERROR)  # INFO lines hold addresses with their keys
        self._sio = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,  # events of one client keep their order
            cors_allowed_origins="*",  # origins are checked in front of it, for the WebSocket as well
            http_compression=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            logger=quiet,
            engineio_logger=quiet,
            namespaces=[protocol.NAMESPACE],
        )
        self._sio.on("connect", self._on_connect, namespace=protocol.NAMESPACE)
        self._sio.on("disconnect", self._on_disconnect, namespace=protocol.NAMESPACE)
        self._sio.on("*", self._on_event, namespace=protocol.NAMESPACE)
        self.app = web.Application(middlewares=[self._check_origin])
        self.app.router.add_get("/healthz", self._health)
        self._sio.attach(self.app)

    async def say_goodbye(self) -> None:
        """Tell every session that it has ended, as far as its client takes it in time."""
        leaving = [asyncio.ensure_future(client.leave()) for client in self._clients.values()]
        if leaving:
            await asyncio.wait(leaving, timeout=GOODBYE_S)
        for sid in list(self._clients):
            await self._sio.disconnect(sid, namespace=protocol.NAMESPACE)

    @web.middleware
    async def _check_origin(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._settings.allow_origins:
            raise web.HTTPForbidden(text="This agent takes no connections from web pages of that origin.\n")
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "sessions": len(self._clients)})

    async def _on_connect(self, sid: str, environ: dict[str, Any], _: object = None) -> None:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        key, voice = (query.get(name, [""])[0] for name in ("api_key", "voice"))
        if self._settings.keys is not None and key not in self._settings.keys:
            _refuse("authentication_error", "The API key is missing or not known here.")
        if not voice:
            _refuse("validation_error", "The query names no voice.")
        most = self._settings.max_sessions
        if most is not None and len(self._clients) >= most:
            _refuse("session_error", f"This agent is full: it holds {most} sessions. Try again later.")
        client = Client(sid, self._sio, self._responder)
        self._clients[sid] = client
        client.send(Connected(sid, voice, self._responder.greeting))

    async def _on_disconnect(self, sid: str, _: object = None) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            await client.close()

    async def _on_event(self, event: str, sid: str, *arguments: object) -> None:
        client = self._clients.get(sid)
        if client is None:
            return
        try:
            message = protocol.decode_client(event, arguments[0] if arguments else None)
        except MalformedPayload as error:
            client.send(ErrorReport("validation_error", f"{error}."))
            return
        if message is not None:
            client.take(message)


def _refuse(error_type: str, message: str) -> None:
    raise socketio.exceptions.ConnectionRefusedError(error_type, {"type": error_type, "message": message})


class Client:
    """One connection, which carries one session: what it may say when, and a bounded way out."""

    def __init__(self, sid: str, sio: socketio.AsyncServer, responder: Responder) -> None:
        self._sid = sid
        self._sio = sio
        self._responder = responder
        self._conversation: Conversation | None = None
        self._session_id = ""
        self._told_of_no_session = False
        self._outbox: asyncio.Queue[ServerMessage] = asyncio.Queue(OUTBOX_MESSAGES)
        self._sender = asyncio.create_task(self._send_outbox())

    def send(self, message: ServerMessage) -> None:
        """Put a message on its way. A client that takes nothing any more is let go."""
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self._sender.cancel()

    def take(self, message: ClientMessage) -> None:
        """Do what a message asks for, or say why not."""
        match message:
            case StartSession():
                self._start(message)
            case EndSession():
                self.end()
            case _ if self._conversation is None:
                self._tell_of_no_session()
            case AudioChunk():
                self._conversation.hear(message)
            case Control():
                self._conversation.control(message.action)

    def end(self) -> None:
        """End the session, if there is one, and say so."""
        conversation, self._conversation = self._conversation, None
        if conversation is None:
            return
        closing = asyncio.ensure_future(conversation.close())
        closing.add_done_callback(lambda _: self.send(SessionEnded(self._session_id)))

    async def leave(self) -> None:
        """End the session for our own reasons, and wait until everything has been handed to the socket."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            await conversation.close()
            self.send(SessionEnded(self._session_id))
        await self._outbox.join()

    async def close(self) -> None:
        """The connection is gone."""
        self._sender.cancel()
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            await conversation.close()

    def _start(self, session: StartSession) -> None:
        if self._conversation is not None:
            self.send(ErrorReport("session_error", "A session is open already; one connection carries one session."))
            return
        if session.language is not None and session.language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            self.send(ErrorReport("validation_error", f"There is no language {session.language[:40]!r}: {known}."))
            return
        self._session_id = uuid4().hex
        self._told_of_no_session = False
        self._conversation = Conversation(session, self._responder, self.send)
        self.send(SessionStarted(self._session_id))

    def _tell_of_no_session(self) -> None:
        if not self._told_of_no_session:
            self._told_of_no_session = True
            self.send(ErrorReport("session_error", "No session is open. Send start_session first."))

    async def _send_outbox(self) -> None:
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            while True:
                message = await self._outbox.get()
                event, payload = protocol.encode(message)
                await self._sio.emit(event, payload, to=self._sid, namespace=protocol.NAMESPACE)
                self._outbox.task_done()
