"""A real HTTP server of the OpenAI-compatible protocol whose answers a test decides; on a free loopback port."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import wave
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from aiohttp import web

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.endpoint import Endpoint

T = TypeVar("T")


@dataclass
class Received:
    """One request: what came, and `gone` once its client has closed the connection in the middle of it."""

    path: str
    method: str
    headers: dict[str, str]
    query: dict[str, str]
    json: object = None
    form: dict[str, object] = field(default_factory=dict)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    arrived_on: int = 0
    """Which connection it came by."""
    hangs: bool = False
    """Whether nothing more of the answer will come."""


Handler = Callable[[web.Request, Received], Awaitable[web.StreamResponse]]


class OpenAIServer:
    """`answers[path]` is the handler of a path below /v1, `chat/completions`; any other path is a 404."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, Handler] = {}
        self.base_url = ""
        self.root_url = ""
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.root_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.base_url = f"{self.root_url}/v1"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def endpoint(self, **fields: object) -> Endpoint:
        return Endpoint(self.base_url, **{"api_key": "sk-selam-test-4711", "model": "selam-turbo", **fields})

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Let nobody listen at its address meanwhile."""
        port = int(self.root_url.rpartition(":")[2])
        await self.stop()
        try:
            with socket.socket() as held:  # or somebody else's connection may get the port
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(("127.0.0.1", port))
                yield
        finally:
            await self.start(port)

    async def request(self, number: int = 1) -> Received:
        """Wait for the n-th request."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: len(self.received) >= number), 20)
        return self.received[number - 1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = await _received(request)
        async with self._changed:
            self.received.append(received)
            self._changed.notify_all()
        handler = self.answers.get(request.path.removeprefix("/v1/").removeprefix("/"))
        if handler is None:
            return web.json_response({"error": {"message": f"no {request.path}"}}, status=404)
        try:
            return await handler(request, received)
        except (asyncio.CancelledError, ConnectionError):
            received.gone.set()
            raise


async def _received(request: web.Request) -> Received:
    received = Received(
        request.path, request.method, dict(request.headers), dict(request.query), arrived_on=id(request.transport)
    )
    if request.content_type == "application/json":
        received.json = await request.json()
    elif request.content_type == "multipart/form-data":
        for name, value in (await request.post()).items():
            if isinstance(value, str):
                received.form[name] = value
            else:
                with value.file:
                    received.form[name] = value.file.read()
    return received


@asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAIServer]:
    server = OpenAIServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def came_and_fault(answer: AsyncGenerator[T, None]) -> tuple[list[T], EngineFault | None]:
    """Return what a generator yields, and the fault that it ends with."""
    came: list[T] = []
    fault = None
    try:
        async for part in answer:
            came.append(part)  # noqa: PERF401  # what came before a fault is wanted too
    except EngineFault as raised:
        fault = raised
    return came, fault


# --- answers ----------------------------------------------------------------------------------------------------------


def event(content: object = None, finish_reason: str | None = None, **delta: object) -> bytes:
    """One piece of a streamed answer, as it stands on the wire."""
    fields = delta if content is None else {"content": content, **delta}
    choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


END = event(finish_reason="stop") + b"data: [DONE]\n\n"


def streams(
    *pieces: bytes | asyncio.Event, content_type: str = "text/event-stream", then_hangs: bool = False
) -> Handler:
    """Send pieces as they stand; an event among them is waited for before the next."""

    async def handle(request: web.Request, received: Received) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            else:
                await response.write(piece)
        if then_hangs:
            await hangs(request, received)
        return response

    return handle


def says(*texts: str) -> Handler:
    """Stream an answer of these pieces, and its proper end."""
    return streams(*(event(text) for text in texts), END)


def replies(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """Answer at once: bytes or text as they are, anything else as JSON."""

    async def handle(_: web.Request, __: Received) -> web.StreamResponse:
        if isinstance(body, (bytes, str)):
            text = body.encode() if isinstance(body, str) else body
            return web.Response(body=text, status=status, headers={"Content-Type": "text/plain", **(headers or {})})
        return web.json_response(body, status=status, headers=headers)

    return handle


def refuses(status: int, message: str = "No.", headers: dict[str, str] | None = None, **fields: object) -> Handler:
    """Answer with the protocol's error object."""
    return replies({"error": {"message": message, **fields}}, status, headers)


def in_turn(*handlers: Handler) -> Handler:
    """Answer each request by the next of these, the last one from then on."""
    left = list(handlers)

    async def handle(request: web.Request, received: Received) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request, received)

    return handle


async def hangs(_: web.Request, received: Received) -> web.StreamResponse:
    """Never answer."""
    received.hangs = True
    await asyncio.Event().wait()
    raise AssertionError


async def drops(request: web.Request, _: Received) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def streams_and_drops(*pieces: bytes, content_type: str = "text/event-stream") -> Handler:
    """Send pieces, then close the connection in mid-answer."""

    async def handle(request: web.Request, _: Received) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        assert request.transport is not None
        request.transport.close()
        return response

    return handle


def tone(seconds: float, rate_hz: int = 24_000, level: int = 8_000) -> np.ndarray:
    """A sine of 440 Hz, mono int16."""
    return (level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.int16)


def wav_of(samples: np.ndarray, rate_hz: int = 24_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, rate_hz, 0, "NONE", ""))
        wav.writeframes(samples.tobytes())
    return file.getvalue()
