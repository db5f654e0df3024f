"""The embedded agent of one engine: a process started on demand, and ended with the engine, however that ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from selam_cli.errors import SelamError

START_WITHIN_S: Final = 10.0
LEAVE_WITHIN_S: Final = 2.5


class AgentProcess:
    """An agent on a free loopback port. Its key is made for this run: others share loopback on a server.

    The child watches its standard input: the pipe closes when this process ends, even when it is killed.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int, api_key: str) -> None:
        self._process = process
        self.url = f"ws://127.0.0.1:{port}"
        self.api_key = api_key

    @classmethod
    async def start(cls, arguments: Sequence[str] = ("-m", "selam_cli", "serve", "--child")) -> AgentProcess:
        """Start an agent and wait for its port. Raises SelamError where it does not come up in time."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            **_own_group(),
        )
        api_key = f"sk-selam-local-{secrets.token_urlsafe(24)}"
        agent = cls(process, 0, api_key)
        try:
            port = await asyncio.wait_for(agent._introduce(), START_WITHIN_S)
        except (TimeoutError, OSError, ValueError, KeyError, TypeError):
            await agent.stop()
            raise SelamError(
                "The embedded agent did not start.", "Run selam-voice serve to see why, or use --server."
            ) from None
        return cls(process, port, api_key)

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
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), LEAVE_WITHIN_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _introduce(self) -> int:
        assert self._process.stdin is not None  # noqa: S101  # made with PIPE
        assert self._process.stdout is not None  # noqa: S101  # made with PIPE
        self._process.stdin.write(f"{self.api_key}\n".encode())
        await self._process.stdin.drain()
        return int(json.loads(await self._process.stdout.readline())["port"])


def _own_group() -> dict[str, Any]:
    # Ctrl+C must reach the engine alone, which ends the session before the agent. (uvloop knows no `process_group`.)
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
