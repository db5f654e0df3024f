"""What is left of a terminal by a program that was killed: as it was found, unless the shell has it again."""

from __future__ import annotations

import asyncio
import os
import sys

import numpy as np
import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

import termios

from selam_cli.engine.host.terminal_modes import at_a_prompt
from selam_cli.sound.files import write_wav
from tests.support.needs import need_programs
from tests.support.terminal import Terminal, left_as_found
from tests.support.voice_server import voice_server

SCREEN = """
import json, os, subprocess, sys, tty
from selam_cli.engine.host import terminal_modes

engine = subprocess.Popen(
    [sys.executable, "-m", "tests.support.patient", "talk", "--json", *sys.argv[1:]],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **terminal_modes.remembered()}, process_group=0,
)
tty.setraw(0)
print("\\x1b[?1049h\\x1b[?1000h", flush=True)
for line in engine.stdout:
    print(json.loads(line)["event"], end="\\r\\n", flush=True)
"""

RESTORED_LATER = """
import os, subprocess, sys, time, tty
from selam_cli.engine.host import terminal_modes

RESTORE = (
    "import os, sys; from selam_cli.engine.host import terminal_modes; open(sys.argv[1]).read();"
    "terminal_modes.restore(os.environ[terminal_modes.VARIABLE]); os.unlink(sys.argv[1])"
)
environment = {**os.environ, **terminal_modes.remembered()}
subprocess.Popen([sys.executable, "-c", RESTORE, sys.argv[1]], env=environment, process_group=0)
tty.setraw(0)
print("\\x1b[?1049h\\x1b[?1000hdrawn", flush=True)
time.sleep(600)
"""

ECHO, ICANON, ISIG = termios.ECHO, termios.ICANON, termios.ISIG


@pytest.mark.parametrize(
    ("local_modes", "shell"),
    [
        (ECHO | ICANON | ISIG, True),  # a shell that has the driver edit its lines
        (ISIG, True),  # one that edits them itself
        (ICANON | ISIG, False),  # a key was asked for
        (0, False),  # a screen
        (ECHO | ICANON, False),
        (ECHO | ISIG, False),
    ],
)
def test_a_prompt_is_known_by_the_modes_that_shells_set(local_modes, shell):
    assert at_a_prompt(local_modes | termios.ECHOE | termios.IEXTEN) is shell


async def test_the_engine_restores_the_terminal_of_a_killed_screen_before_it_says_goodbye(tmp_path):
    write_wav(str(question := tmp_path / "question.wav"), np.zeros(16_000, np.int16), 16_000)
    async with voice_server() as server:
        server.ends = False
        program = ["/bin/sh", "-c", '"$@"; cat', "sh", sys.executable, "-c", SCREEN, "--server", server.url]
        with Terminal([*program, "--input", str(question), "--output", "null"]) as shell:
            await asyncio.to_thread(shell.wait_for_text, "session_started")
            assert not left_as_found(shell)
            [screen] = psutil.Process(shell.process.pid).children()
            [engine] = screen.children()
            screen.kill()
            try:
                await asyncio.to_thread(shell.wait_for, lambda: left_as_found(shell), "restored")
                assert engine.is_running()
            finally:
                engine.kill()


@pytest.mark.parametrize(("shell", "sets_modes"), [("bash --norc --noprofile -i", True), ("dash -i", False)])
def test_a_shell_that_has_the_terminal_again_keeps_the_modes_of_its_prompt(tmp_path, shell, sets_modes):
    program, *options = shell.split()
    need_programs(program)
    (tmp_path / "screen.py").write_text(RESTORED_LATER)
    os.mkfifo(due := tmp_path / "due")
    with Terminal([f"/bin/{program}", *options], environment={"PS1": "the shell> "}) as terminal:
        terminal.wait_for_text("the shell> ")
        terminal.send(f"{sys.executable} {tmp_path}/screen.py {due}\n".encode())
        terminal.wait_for_text("drawn")
        [screen] = psutil.Process(terminal.process.pid).children()
        screen.kill()
        terminal.send(b"echo ba''ck\n")
        terminal.wait_for(lambda: "the shell> " in terminal.text.partition("back")[2], "the prompt")
        at_the_prompt = terminal.modes
        due.write_bytes(b"")
        terminal.wait_for(lambda: not terminal.alternate, "the main screen")
        terminal.wait_for(lambda: not due.exists(), "its end")
        assert terminal.modes == (at_the_prompt if sets_modes else terminal.modes_before)
