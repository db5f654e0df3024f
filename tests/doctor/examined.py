"""Runs `selam-voice doctor --json` as a process, and keeps what it said."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

PATIENCE_S = 60.0
NOBODY = ("--server", "ws://127.0.0.1:9")
"""Where nothing listens: a test that is about something else does not wait for an agent."""


@dataclass
class Examined:
    """What a run said."""

    status: int = -1
    lines: list[dict] = field(default_factory=list)
    raw: str = ""
    errors: str = ""

    @property
    def checks(self) -> dict[str, dict]:
        return {line["id"]: line for line in self.lines if line["event"] == "check"}

    def status_of(self, name: str) -> str:
        return self.checks[name]["status"] if name in self.checks else "absent"

    def said(self, name: str) -> str:
        return f"{self.checks[name]['text']} {self.checks[name]['remedy']}"


async def start(*arguments: str, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", "doctor", "--json", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


async def examine(*arguments: str, environment: Mapping[str, str] | None = None) -> Examined:
    """Run it to its end."""
    return await finish(await start(*arguments, environment=environment))


async def finish(process: asyncio.subprocess.Process, before: bytes = b"") -> Examined:
    """Wait for the end of one that was started; `before` is what was read of it already."""
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
    raw = (before + output).decode()
    lines = [json.loads(line) for line in raw.splitlines()]
    return Examined(process.returncode, lines, raw, errors.decode())
