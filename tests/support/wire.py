"""A TCP proxy that keeps every byte of both directions, and reads the WebSocket messages out of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Recorded:
    """One connection's bytes."""

    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)

    @property
    def request_line(self) -> bytes:
        return bytes(self.sent).partition(b"\r\n")[0]

    @property
    def headers(self) -> bytes:
        return bytes(self.sent).partition(b"\r\n\r\n")[0].partition(b"\r\n")[2]

    @property
    def messages(self) -> list[bytes]:
        """The payloads of the client's frames, unmasked."""
        rest, payloads = bytes(self.sent).partition(b"\r\n\r\n")[2], []
        while len(rest) > 6:
            length, at = rest[1] & 0x7F, 2
            if length > 125:
                size = 2 if length == 126 else 8
                length, at = int.from_bytes(rest[2 : 2 + size]), 2 + size
            mask, body = rest[at : at + 4], rest[at + 4 : at + 4 + length]
            payloads.append(bytes(byte ^ mask[place % 4] for place, byte in enumerate(body)))
            rest = rest[at + 4 + length :]
        return payloads


@asynccontextmanager
async def recording(url: str) -> AsyncIterator[tuple[str, list[Recorded]]]:
    """Yield an address that leads to a server's, and what went through it, connection by connection."""
    host, _, port = url.partition("://")[2].rpartition(":")
    connections: list[Recorded] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray) -> None:
        try:
            while piece := await source.read(65_536):
                kept += piece
                sink.write(piece)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recorded = Recorded()
        connections.append(recorded)
        try:
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, server_writer, recorded.sent), pump(server_reader, writer, recorded.answered))

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", connections
    finally:
        proxy.close()
