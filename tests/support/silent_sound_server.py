"""A sound server that lets a client in and then never answers: what one looks like that hangs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class SilentSoundServer:
    """The environment in which it is the system's, and who waits for it."""

    environment: dict[str, str]
    waiting: list[asyncio.StreamWriter] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_asked(self, times: int = 1) -> None:
        """Wait until so many clients wait for an answer."""
        async with asyncio.timeout(60), self.came:
            await self.came.wait_for(lambda: len(self.waiting) >= times)

    async def take(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let a client in."""
        async with self.came:
            self.waiting.append(writer)
            self.came.notify_all()


@asynccontextmanager
async def silent_sound_server() -> AsyncIterator[SilentSoundServer]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are too long for a socket's name
        path = Path(folder) / "native"
        silent = SilentSoundServer({"PULSE_SERVER": f"unix:{path}"})
        server = await asyncio.start_unix_server(silent.take, path)
        try:
            yield silent
        finally:
            server.close()
            for writer in silent.waiting:
                writer.close()
