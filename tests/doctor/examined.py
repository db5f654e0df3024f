"""Runs `selam-voice doctor --json` as a process, or some of its topics in this one, and keeps what it said."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from unittest.mock import patch

from selam_cli.core.redaction import secrets_of_environment
from selam_cli.doctor import command
from selam_cli.doctor.examination import examine as examine_topics
from selam_cli.doctor.report import JsonFace, Report

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


async def examine(*arguments: str, environment: Mapping[str, str] | None = None) -> Examined:
    """Run it to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", "doctor", "--json", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
    raw = output.decode()
    return Examined(process.returncode, [json.loads(line) for line in raw.splitlines()], raw, errors.decode())


async def look_at(
    *topics: str,
    environment: Mapping[str, str] | None = None,
    speak: bool = False,
    on_asked: Callable[[], object] = lambda: None,
    **flags: object,
) -> Examined:
    """Have these topics examined in this process, as the command does; the flags are the command's options.

    Where somebody is to speak, that is measured as well, and `on_asked` is called when they are asked to.
    """

    class Face(JsonFace):
        def ask(self, sentence: str, seconds: float) -> None:
            super().ask(sentence, seconds)
            on_asked()

    told = io.StringIO()
    with patch.dict(os.environ, environment or {}), contextlib.redirect_stdout(told):
        report = Report(Face(), secrets_of_environment(os.environ))
        case = await command._case(command.Wish(flags, as_json=True, speak=speak), report)
        await examine_topics([topic for topic in command.TOPICS if topic.id in topics], case, report)
        if speak:
            report.tell(await command._level(case, report))
        report.closing()
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    return Examined(report.exit_status, lines, told.getvalue())
