"""A canary key, in the hands of whatever crashes, is found in no traceback, on a terminal, in a pipe or in the log."""

# ruff: noqa: F811  # fixtures of another file are arguments here

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the screen's part needs a pseudo-terminal", allow_module_level=True)

from tests.support.canary import CANARY, leaks
from tests.support.in_process import run_beside
from tests.support.terminal import Terminal
from tests.test_canary import environment, nothing_leaks, question  # noqa: F401  # fixtures

CRASHES = {
    "a command": "import selam_cli.commands.listings as m\nm.show_voices = broken",
    "a thread": "import selam_cli.commands.listings as m, threading\n"
    "def show(**_):\n    t = threading.Thread(target=broken); t.start(); t.join()\nm.show_voices = show",
    "a destructor": "import selam_cli.commands.listings as m\nclass Bad:\n    __del__ = broken\n"
    "m.show_voices = lambda **_: Bad() and None",
    "a coroutine": "import selam_cli.commands.listings as m, asyncio\n"
    "async def work():\n    raise RuntimeError(KEY) from ValueError(KEY)\n"
    "m.show_voices = lambda **_: asyncio.run(work())",
}


@pytest.mark.parametrize("place", CRASHES)
async def test_a_traceback(environment, place):
    code = (
        "import os, sys\nKEY = os.environ['SELAM_API_KEY']\n"
        "def broken(*_, **__):\n    raise RuntimeError(f'with {KEY}')\n"
        f"{CRASHES[place]}\nfrom selam_cli.__main__ import main\nsys.argv = ['selam-voice', 'voices']\nmain()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env={**environment, "SELAM_API_KEY": CANARY},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" in errors
    assert b"[hidden]" in errors
    assert leaks(output + errors) == []


ENGINE_CRASH = """
import sys
from selam_cli.engine.link.link import Link
from selam_cli.engine.{module} import {name}
async def broken(self, *_, **__):
    raise RuntimeError(repr(await self._url()))
def broken_now(self, *_, **__):
    raise RuntimeError(self._target.handshake_url("mekdes"))
{name}.{method} = {replacement}
from selam_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "name", "method", "replacement"),
    [("link.link", "Link", "_attempt", "broken"), ("engine", "VoiceEngine", "_start_link", "broken_now")],
)
async def test_a_crash_of_the_engine(environment, question, module, name, method, replacement):
    code = ENGINE_CRASH.format(module=module, name=name, method=method, replacement=replacement)
    arguments = ["talk", "--json", "--server", "ws://127.0.0.1:1", "--input", question, "--output", "null"]
    planting = ("login", "--untried", "--server", "ws://127.0.0.1:1")
    assert (await run_beside(*planting, stdin=CANARY.encode(), environment=environment)).status == 0
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(b"quit\n"), 60)
    assert process.returncode == 1
    assert leaks(output + errors) == []
    [log] = Path(environment["XDG_STATE_HOME"]).rglob("selam-voice.log")
    assert "RuntimeError" in log.read_text(), "what was kept from leaking is there"
    assert "api_key=[hidden]" in log.read_text()


async def test_a_crash_of_the_screen(environment, question):
    code = (
        "import os, sys\nfrom selam_cli.tui.app import SelamScreen\n"
        "def broken(self):\n    key = os.environ['SELAM_API_KEY']\n    raise RuntimeError(f'with {key}')\n"
        "SelamScreen.on_mount = broken\nfrom selam_cli.__main__ import main\nmain()\n"
    )
    arguments = ["talk", "--server", "ws://127.0.0.1:1", "--input", question, "--output", "null"]
    environment["SELAM_API_KEY"] = CANARY
    with Terminal([sys.executable, "-c", code, *arguments], columns=160, rows=60, environment=environment) as terminal:
        assert await asyncio.to_thread(terminal.wait_for_exit) == 1
        assert "Traceback" in terminal.text
        assert "with [hidden]" in terminal.text
        assert leaks(bytes(terminal.written)) == []
        assert leaks(terminal.text) == []
