"""Leaving, whoever asks and whatever the server does meanwhile; and that no process survives the one it serves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("signals and a pseudo-terminal are POSIX things", allow_module_level=True)

from selam_cli.sound.files import write_wav
from tests.support.lines import talk_json
from tests.support.needs import need_programs
from tests.support.speech import spoken
from tests.support.terminal import Terminal, left_as_found

PATIENCE_S = 60
IS_SOAK = os.environ.get("SELAM_SOAK") == "1"
WITH_THE_SERVER = pytest.mark.xdist_group("a server that can be stopped")

KEY_STORE_THAT_HANGS = """
import pathlib, time
from keyring.backend import KeyringBackend
class Hangs(KeyringBackend):
    priority = 9
    def get_password(self, service, username):
        pathlib.Path(__file__).with_name("asked").touch()
        time.sleep(600)
    set_password = delete_password = get_password
"""


@pytest.fixture
def question(tmp_path: Path) -> str:
    need_programs("flite", "espeak-ng")
    path = tmp_path / "question.wav"
    write_wav(str(path), spoken("How do plants make food from sunlight?", "rms"), 16_000)
    return str(path)


@pytest.fixture(scope="module")
def server() -> Iterator[psutil.Popen]:
    """An agent for other clients, as a process that can be stopped."""
    process = psutil.Popen([sys.executable, "-m", "selam_cli", "serve", "--port", "0"], stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def url(server: psutil.Popen) -> str:
    for line in server.stderr:
        if found := re.search(rb"Listening on (ws://[0-9.:]+)", line):
            return found[1].decode()
    raise AssertionError("it did not begin to listen")


@contextmanager
def hanging(server: psutil.Popen) -> Iterator[None]:
    """A server that takes connections and does nothing."""
    server.suspend()
    try:
        yield
    finally:
        server.resume()


@WITH_THE_SERVER
async def test_a_server_that_hangs_is_left_after_a_moment_and_that_is_told(question, server, url):
    async with talk_json("--server", url, "--input", question, "--output", "null") as engine:
        await engine.until("session_started")
        with hanging(server):
            engine.send("quit")
            assert await engine.ended() == 0
    assert [line["code"] for line in engine.events("notice")][-1] == "no_goodbye"
    assert engine.written[-1]["event"] == "session_ended"
    assert engine.written[-1]["status"] == "unconfirmed"


@WITH_THE_SERVER
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if IS_SOAK else [signal.SIGINT])
async def test_the_second_signal_leaves_at_once(question, server, url, number):
    options = ("--input", question, "--output", "null")
    async with talk_json("--server", url, *options, module="tests.support.patient") as engine:
        await engine.until("session_started")
        with hanging(server):
            engine.process.send_signal(number)
            await engine.until("state", lambda line: line["phase"] == "ended")
            engine.process.send_signal(number)
            assert await engine.ended() == 128 + number
    assert engine.events("session_ended") == [], "it waited for the goodbye"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, *[signal.SIGINT] * IS_SOAK])
async def test_a_connection_that_never_comes_about_holds_nobody_up(question, number):
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with silent, talk_json("--server", url, "--input", question, "--output", "null") as engine:
        await engine.until("connecting")
        engine.process.send_signal(number)
        assert await engine.ended() == 128 + number
    assert engine.events("session_started") == []


@WITH_THE_SERVER
async def test_ctrl_c_twice_on_the_screen_leaves_it_and_the_terminal_as_it_was(question, server, url):
    program = [sys.executable, "-m", "selam_cli", "talk", "--server", url, "--input", question, "--output", "null"]
    with Terminal(program, kitty=True) as terminal:
        await asyncio.to_thread(terminal.wait_for_text, "READY")
        [engine] = psutil.Process(terminal.process.pid).children()
        with hanging(server):
            terminal.press("ctrl+c")
            await asyncio.to_thread(terminal.wait_for, lambda: left_as_found(terminal), "the terminal given back")
            terminal.press("ctrl+c")
            assert await asyncio.to_thread(terminal.wait_for_exit) == 130
            assert left_as_found(terminal)
            await asyncio.to_thread(engine.wait, PATIENCE_S)


async def test_no_process_survives_the_one_that_it_serves(question):
    """One after the other is killed: the agent, the engine, the screen; what served it ends, what it served goes on."""
    program = [sys.executable, "-m", "selam_cli", "talk", "--local", "--voice", "aria", "--input", question,
               "--output", "null"]  # fmt: skip
    with Terminal(program, kitty=True, columns=100, rows=30) as terminal:
        said = asyncio.to_thread
        await said(terminal.wait_for_text, "READY")
        await said(terminal.hold, " ", 3.0)
        await said(terminal.wait_for_text, "You said:")
        screen = psutil.Process(terminal.process.pid)
        _, agent, *workers = await serving(terminal, screen)
        await killed(agent, [agent, *workers])
        await said(terminal.wait_for_text, "The connection is back, and a new session")
        engine, *others = await serving(terminal, screen)
        assert agent not in others
        await killed(engine, [engine, *others])
        await said(terminal.wait_for_text, "t starts it again")
        terminal.tap("t")
        family = await serving(terminal, screen)
        assert engine not in family
        await killed(screen, [screen, *family])


async def serving(terminal: Terminal, screen: psutil.Process) -> list[psutil.Process]:
    """The engine of a screen, its agent, and that one's own engines, which are processes too; waits for all of them."""

    found: list[psutil.Process] = []

    def all_are_there() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            for engine in screen.children():
                for agent in engine.children():
                    found[:] = [engine, agent, *agent.children(recursive=True)]
        return len(found) > 2

    await asyncio.to_thread(terminal.wait_for, all_are_there, "the engine, its agent and the agent's engines")
    return found


async def killed(victim: psutil.Process, doomed: list[psutil.Process]) -> None:
    victim.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, doomed, PATIENCE_S)
    assert alive == []


SLOW_TO_LOAD = """
import sys, time
class Slow:
    def find_spec(self, name, *_):
        if name == "selam_cli.cli":
            print("loading", flush=True)
            time.sleep(600)
sys.meta_path.insert(0, Slow())
from selam_cli.__main__ import main
main()
"""


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback():
    process = subprocess.Popen([sys.executable, "-c", SLOW_TO_LOAD], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (-signal.SIGINT, b"")


async def test_a_key_store_that_hangs_does_not_outlive_whoever_asked_it(tmp_path):
    (tmp_path / "hanging_store.py").write_text(KEY_STORE_THAT_HANGS)
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from selam_cli.credentials.keyring_client import KeyStore; KeyStore(600).get('ws://example.org')",
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "hanging_store.Hangs"},
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        while not (tmp_path / "asked").exists():
            await asyncio.sleep(0.01)
    [store] = psutil.Process(asking.pid).children()
    asking.kill()
    await asking.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [store], PATIENCE_S)
    assert alive == []
