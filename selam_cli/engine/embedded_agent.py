"""The embedded agent of one engine: a process started on demand, and ended with the engine, however that ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from selam_cli.errors import SelamError

START_WITHIN_S: Final = 30.0
"""One that fails is known at once; from a cold disk it takes its time."""

LEAVE_WITHIN_S: Final = 2.5


class AgentProcess:
    """An agent on a free loopback port. Its key is made for this run: others share loopback on a server.

    The child watches its standard input: the pipe closes when this process ends, even when it is killed.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, port: int, api_key: str, on_exit: Callable[[int], None] | None
    ) -> None:
        self._process = process
        self._stopping = False
        self.url = f"ws://127.0.0.1:{port}"
        self.api_key = api_key
        self._watch = asyncio.create_task(self._tell_of_its_end(on_exit))

    @classmethod
    async def start(
        cls,
        arguments: Sequence[str] = ("-m", "selam_cli", "serve", "--child"),
        *,
        on_exit: Callable[[int], None] | None = None,
    ) -> AgentProcess:
        """Start an agent and wait for its port. Raises SelamError where it does not come up in time.

        `on_exit` is called with its exit status (negative: the signal) when it ends without having been stopped.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            **_own_group(),
        )
        api_key = f"sk-selam-local-{secrets.token_urlsafe(24)}"
        try:
            port = await asyncio.wait_for(_introduce(process, api_key), START_WITHIN_S)
        except (TimeoutError, OSError, ValueError, KeyError, TypeError):
            await _end(process)
            raise SelamError(
                "The embedded agent did not start.", "Run selam-voice serve to see why, or use --server."
            ) from None
        except asyncio.CancelledError:
            await _end(process)
            raise
        return cls(process, port, api_key, on_exit)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The agent's process id."""
        return self._process.pid

    async def stop(self) -> None:
        """Close its standard input, which is its sign to leave; end it where it does not."""
        self._stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), LEAVE_WITHIN_S)
        except TimeoutError:
            await _end(self._process)

    async def _tell_of_its_end(self, on_exit: Callable[[int], None] | None) -> None:
        status = await self._process.wait()
        if on_exit is not None and not self._stopping:
            on_exit(status)


async def _introduce(process: asyncio.subprocess.Process, api_key: str) -> int:
    """Hand the key over by pipe, where no process list shows it, and return the port that the agent took."""
    assert process.stdin is not None  # noqa: S101  # made with PIPE
    assert process.stdout is not None  # noqa: S101  # made with PIPE
    process.stdin.write(f"{api_key}\n".encode())
    await process.stdin.drain()
    return int(json.loads(await process.stdout.readline())["port"])


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _own_group() -> dict[str, Any]:
    # Ctrl+C must reach the engine alone, which ends the session before the agent. (uvloop knows no `process_group`.)
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
