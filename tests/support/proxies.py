"""Proxies on loopback: HTTP by CONNECT and by whole addresses, and SOCKS 4 and 5, with or without a login.

Wherever a client wants to go, it is led to one server of the test: so a name that no name server knows shows that the
client did not look it up itself, and the proxy keeps what it was asked for.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class TestProxy:
    """`asked` is where clients wanted to go, `logins` what they said of themselves, `heads` all that HTTP was asked."""

    __test__ = False

    target_port: int
    login: tuple[str, str] | None = None
    answer: Answer | None = None
    """Takes the place of the proxy's own doing."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b"") -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.target_port)
        there.write(first)
        copies = {asyncio.ensure_future(_copy(reader, there)), asyncio.ensure_future(_copy(there_reader, writer))}
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copy in copies:
                copy.cancel()
            there.close()

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        text = head.decode()
        self.heads.append(text)
        method, place, _ = text.split("\r\n")[0].split()
        said = next((line.partition(": ")[2] for line in text.split("\r\n") if line.startswith("Proxy-Auth")), "")
        if said:
            user, _, password = base64.b64decode(said.removeprefix("Basic ")).decode().partition(":")
            self.logins.append((user, password))
        if self.login is not None and self.login not in self.logins:
            writer.write(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
            return
        self.asked.append(place)
        if method != "CONNECT":
            path = "/" + place.partition("://")[2].partition("/")[2]
            await self._carry(reader, writer, head.replace(place.encode(), path.encode(), 1))
            return
        for piece in (b"HTTP/1.1 200 Connection est", b"ablished\r\nVia: x\r\n", b"\r\n"):  # as a slow proxy sends it
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await self._carry(reader, writer)

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readexactly(1)) == b"\4":
            await self._socks4(reader, writer)
            return
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 0 if self.login is None else 2
        writer.write(bytes([5, wanted if wanted in methods else 0xFF]))
        if wanted not in methods:
            return
        if self.login is not None:
            await reader.readexactly(1)
            user, password = [await _counted(reader) for _ in range(2)]
            self.logins.append((user, password))
            writer.write(bytes([1, self.login != (user, password)]))
            if self.login != (user, password):
                return
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = await _counted(reader)
        else:
            host = ".".join(str(byte) for byte in await reader.readexactly(4))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{host}:{port}")
        writer.write(b"\5\0\0\1\0\0\0\0\0\0")
        await self._carry(reader, writer)

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, *place = await reader.readexactly(7)
        await reader.readuntil(b"\0")
        host = ".".join(str(byte) for byte in place[2:])
        if place[2:5] == [0, 0, 0]:
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        self.asked.append(f"{host}:{int.from_bytes(bytes(place[:2]), 'big')}")
        writer.write(b"\0\x5a\0\0\0\0\0\0")
        await self._carry(reader, writer)


async def _counted(reader: asyncio.StreamReader) -> str:
    return (await reader.readexactly((await reader.readexactly(1))[0])).decode()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def proxy(
    target_port: int = 0,
    *,
    socks: bool = False,
    login: tuple[str, str] | None = None,
    answer: Answer | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[TestProxy]:
    """Run a proxy that leads to a port of this machine; `answer` is said in place of all it would do."""
    running = TestProxy(target_port, login, answer)
    talk = answer or (running.socks if socks else running.http)
    busy: set[asyncio.Task[None] | None] = set()

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        busy.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            busy.discard(asyncio.current_task())
            writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0, ssl=tls)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in [task for task in busy if task is not None]:
            task.cancel()
