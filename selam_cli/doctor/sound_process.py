"""Starts the process that looks at the sound (`sound_program.py`), reads its lines, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from selam_cli.config.settings import Settings

OPENING_WITHIN_S: Final = 12.0
"""More than the program itself waits for a device, so that its own words come first."""


class SoundProcess:
    """The lines of one look at the sound."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, within_s: float) -> dict[str, Any] | None:
        """Return the next line; None at its end. Raises TimeoutError."""
        assert self._process.stdout is not None  # noqa: S101  # made with PIPE
        async with asyncio.timeout(within_s):
            read = await self._process.stdout.readline()
        line: dict[str, Any] | None = json.loads(read) if read.endswith(b"\n") else None
        return line

    async def crashed(self) -> bool:
        """Say whether it ended by a signal or an error, once there are no more lines."""
        return await self._process.wait() != 0


@asynccontextmanager
async def sound_process(mode: str, settings: Settings) -> AsyncIterator[SoundProcess]:
    """Start it; at the end of the context it is killed, wherever it stands."""
    wish = json.dumps({"mode": mode, "input": settings.input, "output": settings.output})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "selam_cli.doctor.sound_program", wish,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield SoundProcess(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
