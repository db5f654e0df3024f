"""The screen on another machine: a kitty-like terminal here, OpenSSH on a slow link, a shell there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.support.faulty_link import faulty_link
from tests.support.needs import need_programs
from tests.support.shell_run import ShellRun, until
from tests.support.ssh import PROGRAMS, ssh_server
from tests.support.terminal import EVENT_TYPES, KITTY, Profile, Terminal

DELAY_S = 0.15
"""Each way."""


@asynccontextmanager
async def screen_over_ssh(folder: Path, profile: Profile) -> AsyncIterator[tuple[ShellRun, Terminal]]:
    need_programs(*PROGRAMS)
    (there := folder / "there").mkdir()
    run = ShellRun(there)
    with ssh_server(folder) as server:
        async with faulty_link(f"ssh://127.0.0.1:{server.port}") as link:
            port = int(link.url.rpartition(":")[2])
            with Terminal(server.command(port, run.program), profile=profile) as terminal:
                await asyncio.to_thread(terminal.wait_for, lambda: terminal.flags & EVENT_TYPES, "event types")
                link.slow(1_000_000, DELAY_S)
                await asyncio.to_thread(terminal.wait_for_text, "hold space  ")
                yield run, terminal


async def test_a_hold_is_one_utterance_and_leaving_leaves_the_shell_alone(tmp_path):
    async with screen_over_ssh(tmp_path, KITTY) as (run, terminal):
        await asyncio.to_thread(terminal.hold, " ", 1.2)
        await asyncio.to_thread(terminal.wait_for, lambda: run.commands[1:] == ["press", "release"], "one utterance")
        await asyncio.to_thread(terminal.tap, "q")
        await asyncio.to_thread(terminal.wait_for_text, "the shell> ")
        await asyncio.to_thread(terminal.type, "echo\r")
        await asyncio.to_thread(terminal.wait_for, lambda: run.typed is not None, "a line for the shell")
        assert run.typed == "echo"
        assert run.status == 0
        assert run.modes_kept


async def test_a_connection_that_breaks_ends_the_screen_in_mid_hold(tmp_path):
    async with screen_over_ssh(tmp_path, KITTY) as (run, terminal):
        await asyncio.to_thread(terminal.press, " ")
        await asyncio.to_thread(terminal.wait_for, lambda: "press" in run.commands, "press")
        screen = run.screen
        terminal.process.kill()
        await asyncio.to_thread(run.wait_for_command, "quit")
        await asyncio.to_thread(until, lambda: not screen.is_running(), lambda: "the screen's end")
