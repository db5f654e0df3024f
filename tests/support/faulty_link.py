"""A TCP connection that can be cut, frozen, slowed and made to stutter: what a bad network does to a program.

It stands between a client and a server, outside the process of either. A kernel that loses packets hides that from
programs: they see bytes that come late and in bursts, which is what `stutter` gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.ports import SHARED, KeptPort


@dataclass
class Direction:
    """One of the two ways through the link."""

    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    delay_s: float = 0.0
    bytes_per_s: float = float("inf")
    stutter: random.Random | None = None

    def __post_init__(self) -> None:
        self.flowing.set()

    async def hold_up(self, size: int) -> None:
        """Wait for as long as the link keeps a piece of so many bytes."""
        await self.flowing.wait()
        late_s = self.delay_s + size / self.bytes_per_s
        if self.stutter is not None and self.stutter.random() < 0.3:
            late_s += self.stutter.uniform(0.1, 0.4)  # a packet was lost, and was sent again
        if late_s:
            await asyncio.sleep(late_s)
            await self.flowing.wait()


class FaultyLink:
    """A way to the server at `port`; `url` stays the same whatever happens to it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._own_port = KeptPort()
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self.up, self.down = Direction(), Direction()
        self.joined = 0
        """How many connections have been made."""

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._own_port.number}"

    async def mend(self) -> None:
        """Take connections, and carry all bytes at once."""
        if self._listener is None:
            self._listener = await asyncio.start_server(
                self._join, "127.0.0.1", self._own_port.number, reuse_port=SHARED
            )
        for direction in (self.up, self.down):
            direction.delay_s, direction.bytes_per_s, direction.stutter = 0.0, float("inf"), None
            direction.flowing.set()

    def cut(self) -> None:
        """Break every connection off, and refuse any other until it is mended."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    def close(self) -> None:
        """Break every connection off, for good."""
        self.cut()
        self._own_port.let_go()

    def reset(self) -> None:
        """Break every connection off; the next one may be made at once."""
        ends, self._ends = self._ends, set()
        for end in ends:
            end.transport.abort()

    def freeze(self, *directions: Direction) -> None:
        """Carry no byte any more, in these directions or in both, and tell nobody: a cable that was pulled out."""
        for direction in directions or (self.up, self.down):
            direction.flowing.clear()

    def slow(self, bytes_per_s: float, delay_s: float = 0.0) -> None:
        for direction in (self.up, self.down):
            direction.bytes_per_s, direction.delay_s = bytes_per_s, delay_s

    def stutter(self, seed: int) -> None:
        self.up.stutter, self.down.stutter = random.Random(seed), random.Random(seed + 1)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.joined += 1
        self._ends.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        if writer not in self._ends:  # broken off meanwhile
            far_writer.transport.abort()
            return
        self._ends.add(far_writer)
        await asyncio.gather(_carry(reader, far_writer, self.up), _carry(far_reader, writer, self.down))
        self._ends -= {writer, far_writer}


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
    try:
        while piece := await reader.read(16_384):
            await direction.hold_up(len(piece))
            writer.write(piece)
            await writer.drain()
        writer.close()
    except OSError:
        with contextlib.suppress(OSError, RuntimeError):
            writer.transport.abort()


@asynccontextmanager
async def faulty_link(server_url: str) -> AsyncIterator[FaultyLink]:
    link = FaultyLink(int(server_url.rpartition(":")[2]))
    await link.mend()
    try:
        yield link
    finally:
        link.cut()
        await link.mend()  # what is held up goes on, and ends
        link.close()
