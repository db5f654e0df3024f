"""`talk --json` as a child process: send it commands, await its lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager

PATIENCE_S = 60
"""For whatever a program does within a second or two, on a machine that has much else to do."""


class Lines:
    """One engine and every line it has written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.written: list[dict] = []
        self._over = False
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        self.errors = b""

    async def _read(self) -> None:
        async for line in self.process.stdout:
            async with self._changed:
                self.written.append(json.loads(line))
                self._changed.notify_all()
        async with self._changed:
            self._over = True
            self._changed.notify_all()

    def send(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")

    async def until(
        self, event: str, condition: Callable[[dict], object] = lambda _: True, count: int = 1, since: int = 0
    ) -> dict:
        """Wait for the so manyth such line after the first `since` lines, and return it."""

        def found() -> list[dict]:
            return [line for line in self.written[since:] if line["event"] == event and condition(line)]

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: len(found()) >= count or self._over), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"no {event}; last: {self.written[-5:]}") from None
        if len(found()) < count:
            status = await self.ended()
            raise AssertionError(f"no {event}: it ended with {status}; {self.errors!r}; last: {self.written[-5:]}")
        return found()[count - 1]

    async def until_last(self, event: str, condition: Callable[[dict], object]) -> None:
        """Wait until the last line of this event is such a one, whatever came before it."""

        def last() -> dict | None:
            return next((line for line in reversed(self.written) if line["event"] == event), None)

        def is_such() -> object:
            return (line := last()) is not None and condition(line)

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: is_such() or self._over), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"the last {event} is {last()}; last: {self.written[-5:]}") from None
        if self._over:
            status = await self.ended()
            raise AssertionError(f"it ended with {status}; {self.errors!r}; last: {self.written[-5:]}")

    async def first_of(self, names: set[str], since: int) -> str:
        """Wait for the first of these events after the so manyth line, and return its name."""
        async with self._changed:
            found = lambda: [line["event"] for line in self.written[since:] if line["event"] in names]  # noqa: E731
            await asyncio.wait_for(self._changed.wait_for(lambda: found() or self._over), PATIENCE_S)
        return found()[0]

    async def until_spoken(self, seconds: float) -> None:
        """Wait until a file in the microphone's place, of speech without a pause, has been spoken to its end.

        Not only for so many seconds: an engine that was held up speaks it later.
        """
        begun = await self.until("talk_started")
        self.send("levels on")
        await self.until("level", lambda line: line["t"] > begun["t"] + seconds and line["input_dbfs"] < -45)
        self.send("levels off")

    async def ended(self) -> int:
        """Wait for the process's end, and return its status."""
        self.errors = await asyncio.wait_for(self.process.stderr.read(), PATIENCE_S)
        await self._reading
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    def events(self, *names: str) -> list[dict]:
        return [line for line in self.written if line["event"] in names]


@asynccontextmanager
async def talk_json(
    *arguments: str,
    environment: dict[str, str] | None = None,
    before: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    module: str = "selam_cli",
):
    """Start it; `before` is a program, with its arguments, that runs it in another place, `module` another entry."""
    process = await asyncio.create_subprocess_exec(
        *before, sys.executable, "-m", module, "talk", "--json", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        limit=1 << 24, pass_fds=pass_fds, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    try:
        yield Lines(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
