"""A real Socket.IO server of the protocol whose answers a test decides; on a free loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import socketio
from aiohttp import web

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioChunk, Control, EndSession, StartSession


class VoiceServer:
    """Records every event in `received`; `answer` decides what a client's message gets."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncServer(async_mode="aiohttp", async_handlers=False, cors_allowed_origins="*")
        self.received: list[tuple[str, object]] = []
        self.queries: list[dict[str, list[str]]] = []
        self.sids: list[str] = []
        self.sender = ""
        """Whose message is being handled."""
        self.refuse: Callable[[], None] = lambda: None
        self.greets = True
        self.starts = True
        self.acknowledges = True
        self.ends = True
        self.on_message: Callable[[str, object], object] | None = None
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self.url = ""
        namespace = protocol.NAMESPACE
        self.sio.on("connect", self._on_connect, namespace=namespace)
        self.sio.on("disconnect", self._on_disconnect, namespace=namespace)
        for event in protocol.CLIENT_EVENTS:
            self.sio.on(event, self._handler(event), namespace=namespace)

    async def start(self, port: int = 0, host: str = "127.0.0.1", *, reuse_port: bool | None = None) -> None:
        app = web.Application()
        self.sio.attach(app)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, host, port, reuse_address=True, reuse_port=reuse_port)
        await self._site.start()
        self.url = f"ws://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()  # before anybody is sent away, who would come back at once
        if self._runner is not None:
            for sid in list(self.sids):
                await self.sio.disconnect(sid, namespace=protocol.NAMESPACE)
            await self._runner.cleanup()

    async def send(self, message) -> None:
        event, payload = protocol.encode(message)
        await self.emit(event, payload)

    async def emit(self, event: str, payload: object = None) -> None:
        await self.sio.emit(event, payload, to=self.sids[-1], namespace=protocol.NAMESPACE)

    async def drop(self) -> None:
        """Close the client's connection without a word."""
        await self.sio.disconnect(self.sids[-1], namespace=protocol.NAMESPACE)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that was received makes the condition true."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), 60)

    def messages(self, kind: type) -> list[object]:
        return [message for _, message in self.received if isinstance(message, kind)]

    @property
    def audio(self) -> bytes:
        return b"".join(message.audio for message in self.messages(AudioChunk))

    @property
    def actions(self) -> list[str]:
        return [str(message.action) for message in self.messages(Control)]

    async def _on_connect(self, sid, environ, auth) -> None:
        self.queries.append(parse_qs(environ.get("QUERY_STRING", "")))
        self.refuse()
        self.sids.append(sid)
        await self._note("connect", None)
        if self.greets:
            await self.send(protocol.Connected(sid, "mekdes", "Welcome"))

    async def _on_disconnect(self, sid, reason=None) -> None:
        await self._note("disconnect", sid)

    def _handler(self, event: str):
        async def handle(sid, payload=None) -> None:
            message = protocol.decode_client(event, payload)
            await self._note(event, message)
            match message:
                case StartSession() if self.starts:
                    await self.send(protocol.SessionStarted(f"session-{len(self.messages(StartSession))}"))
                case Control() if self.acknowledges:
                    await self.send(protocol.ControlAck(str(message.action)))
                case EndSession() if self.ends:
                    await self.send(protocol.SessionEnded("session-1"))
            if self.on_message is not None:
                self.sender = sid
                answer = self.on_message(event, message)
                if asyncio.iscoroutine(answer):
                    await answer

        return handle

    async def _note(self, event: str, message: object) -> None:
        async with self._changed:
            self.received.append((event, message))
            self._changed.notify_all()


@asynccontextmanager
async def voice_server(port: int = 0):
    server = VoiceServer()
    await server.start(port)
    try:
        yield server
    finally:
        await server.stop()
