"""The agent as a process: started on demand, and gone when its parent is, however that ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import aiohttp
import psutil
import pytest

from selam_cli.agent.limits import NO_LIMITS, PUBLIC, Limits
from selam_cli.agent.serve_settings import ServeSettings
from selam_cli.agent.workers import as_line, serve_with_workers, worker_settings
from selam_cli.commands import serve as process
from selam_cli.commands.serve import chosen_limits
from selam_cli.engine.embedded_agent import AgentProcess
from selam_cli.errors import SelamError
from tests.agent.test_server import caller
from tests.support.embedded_agent import two_workers
from tests.support.in_process import Ended, run_here
from tests.support.processes import is_gone

PARENT = """
import asyncio, sys
from selam_cli.engine.embedded_agent import AgentProcess
async def main():
    agent = await AgentProcess.start()
    print(agent.pid, agent.url, agent.api_key, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def gone(pid):
    async with asyncio.timeout(60):
        while not is_gone(pid):
            await asyncio.sleep(0.02)


async def test_it_answers_to_its_own_key_only_whatever_ctrl_c_says_and_stops_when_told():
    ends = []
    agent = await AgentProcess.start(on_exit=ends.append)
    try:
        os.kill(agent.pid, signal.SIGINT)  # its parent's affair
        async with caller(agent.url, api_key=agent.api_key) as user:
            greeting = await user.until("connected")
        assert "plays back what you said" in greeting["message"]
        with pytest.raises(Exception, match="namespaces failed"):
            async with caller(agent.url, api_key="sk-selam-test-guess"):
                pass
        command_line = " ".join(psutil.Process(agent.pid).cmdline())
        assert agent.api_key not in command_line
        assert agent.api_key not in str(psutil.Process(agent.pid).environ())
    finally:
        await agent.stop()
    await asyncio.sleep(0)
    assert not agent.alive
    assert ends == [], "only an end that nobody asked for is told"


@pytest.mark.parametrize("name", ["SIGKILL", pytest.param("SIGTERM", marks=pytest.mark.soak)])
async def test_it_does_not_survive_its_parent(name):
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=subprocess.PIPE)
    pid = int((await parent.stdout.readline()).split()[0])
    assert psutil.pid_exists(pid)
    parent.send_signal(getattr(signal, name))
    await parent.wait()
    await gone(pid)


async def test_an_end_that_nobody_asked_for_is_told():
    ended = asyncio.get_running_loop().create_future()
    agent = await AgentProcess.start(on_exit=ended.set_result)
    os.kill(agent.pid, signal.SIGKILL)
    assert await asyncio.wait_for(ended, 60) == -signal.SIGKILL


async def test_a_start_that_is_given_up_leaves_no_process():
    mine = psutil.Process()
    others = set(mine.children())
    starting = asyncio.create_task(AgentProcess.start(["-c", "import time; time.sleep(60)"]))
    async with asyncio.timeout(60):
        while not (children := set(mine.children()) - others):
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(child.is_running() for child in children)


def test_no_key_is_printed_whatever_a_client_does():
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "selam_cli", "serve", "--child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    child.stdin.write("sk-selam-test-secret\n")
    child.stdin.flush()
    url = f"http://127.0.0.1:{json.loads(child.stdout.readline())['port']}"

    async def misbehave():
        async with caller(url, api_key="sk-selam-test-secret") as user:
            await user.emit("control", "nonsense")
            await user.until("error")
        for query in ("transport=tin-can", "transport=websocket", "EIO=9", "EIO=4&transport=polling&sid=nobody"):
            async with aiohttp.ClientSession() as http:
                answer = await http.get(f"{url}/socket.io/?api_key=sk-selam-test-secret&voice=mekdes&{query}")
                assert answer.status == 400
        with pytest.raises(Exception, match="namespaces failed"):
            async with caller(url, api_key="sk-selam-test-guess"):
                pass

    asyncio.run(misbehave())
    output, errors = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "sk-selam" not in output + errors


async def test_an_agent_that_does_not_come_up_is_told():
    with pytest.raises(SelamError, match="did not start"):
        await AgentProcess.start(["-c", "print('hello')"])


def serve(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "selam_cli", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@contextmanager
def serving(*arguments):
    """A `serve` of its own; gives the address, and ends it."""
    parent = serve(*arguments)
    try:
        yield parent.stderr.readline().split()[2].replace("ws://", "http://")
    finally:
        parent.terminate()
        _, errors = parent.communicate(timeout=60)
    assert parent.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors


def test_serve_takes_its_keys_from_a_file(tmp_path):
    keys = tmp_path / "keys"
    keys.write_bytes('\ufeff# team\r\nsk-selam-test-one\r\n\r\n"sk-selam-test-two"\r\n'.encode("utf-16"))

    async def try_keys(url):
        async with caller(url, api_key="sk-selam-test-two") as user:
            await user.until("connected")
        with pytest.raises(Exception, match="namespaces failed"):
            async with caller(url, api_key="# team"):
                pass

    with serving("--keys-file", str(keys)) as url:
        assert url.startswith("http://127.0.0.1:")
        asyncio.run(try_keys(url))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_serve_leaves_on_a_signal(name, monkeypatch):
    number = getattr(signal, name)
    monkeypatch.setattr(process, "_say", lambda _sentence: os.kill(os.getpid(), number))  # as soon as it listens
    assert run_here("serve", "--port", "0") == Ended(128 + number, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], b"--keys-file"),
        (["--keys-file", "/nowhere/keys"], b"cannot be read"),
        (["--workers", "3", "--max-sessions", "2"], b"--max-sessions"),
    ],
)
def test_serve_refuses_what_does_not_go_together(arguments, said):
    status, _, errors = run_here("serve", "--port", "0", *arguments)
    assert status == 2
    assert said in errors
    assert b"Traceback" not in errors


async def test_workers_share_a_port_that_no_others_get_take_websocket_only_and_leave_together():
    before = psutil.Process().children()
    async with two_workers() as url:
        workers = [child for child in psutil.Process().children() if child not in before]
        assert len(workers) == 2
        for _ in range(8):
            async with caller(url) as user:
                await user.until("connected")
        async with aiohttp.ClientSession() as http:
            answer = await http.get(f"{url}/socket.io/?EIO=4&transport=polling")
            assert answer.status == 400
            assert "WebSocket only" in await answer.text()
        port = url.rpartition(":")[2]
        with pytest.raises(SelamError, match=f"cannot listen on 127.0.0.1:{port}"):
            await serve_with_workers(ServeSettings(port=int(port)), 2, on_ready=print, stop=asyncio.Event())
    assert not any(worker.is_running() for worker in workers)


async def test_a_worker_that_dies_ends_the_agent_with_a_sentence():
    before = psutil.Process().children()

    async def lose_one():
        async with two_workers():
            workers = [child for child in psutil.Process().children() if child not in before]
            workers[0].kill()
            await gone(workers[1].pid)

    with pytest.raises(SelamError, match=r"A worker ended by itself, with status -9\."):
        await lose_one()


async def test_workers_do_not_survive_their_parent_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    parent = serve("--workers", "2")
    parent.stderr.readline()
    workers = psutil.Process(parent.pid).children()
    assert len(workers) == 2
    parent.kill()
    parent.wait(60)
    for worker in workers:
        await gone(worker.pid)
    assert not list(tmp_path.glob("selam-voice-figures-*"))


def test_a_signal_ends_it_while_its_workers_start():
    parent = serve("--workers", "2")
    while not (workers := workers_at_work(parent)):
        time.sleep(0.01)
    workers[0].suspend()
    parent.terminate()
    assert parent.wait(60) == 128 + signal.SIGTERM
    assert not any(worker.is_running() for worker in workers)


def workers_at_work(parent):
    """Return those of a process' workers that run their program.

    One that is stopped before that stops its parent as well, which waits until the program is loaded.
    """
    found = []
    for child in psutil.Process(parent.pid).children():
        with suppress(psutil.NoSuchProcess):
            if any("run_worker" in argument for argument in child.cmdline()):
                found.append(child)
    return found


@pytest.mark.parametrize(
    ("host", "limited", "minutes", "limits"),
    [
        ("127.0.0.1", None, {}, NO_LIMITS),
        ("::1", None, {}, NO_LIMITS),
        ("0.0.0.0", None, {}, PUBLIC),
        ("voice.example.org", None, {}, PUBLIC),
        ("127.0.0.1", True, {}, PUBLIC),
        ("0.0.0.0", False, {}, NO_LIMITS),
        ("localhost", None, {"idle_minutes": 2.0}, Limits(idle_s=120)),
        ("localhost", None, {"max_session_minutes": 0.5}, Limits(session_s=30)),
        ("0.0.0.0", None, {"idle_minutes": 2.0}, replace(PUBLIC, idle_s=120)),
    ],
)
def test_limits_hold_for_strangers_and_where_they_are_asked_for(host, limited, minutes, limits):
    assert chosen_limits(host, limited, **{"max_session_minutes": None, "idle_minutes": None, **minutes}) == limits


def test_a_worker_is_told_every_setting():
    settings = ServeSettings("0.0.0.0", 8765, frozenset({"one", "two"}), ("https://good.example",), 7, limits=PUBLIC)
    assert worker_settings(as_line(settings)) == replace(settings, shares_port=True)
    open_to_all = ServeSettings()
    assert worker_settings(as_line(open_to_all)) == replace(open_to_all, shares_port=True)


def test_the_agent_loads_no_screen_no_sound_card_and_no_engine():
    heavy = ("textual", "sounddevice", "miniaudio", "selam_cli.engine", "prometheus_client")
    loads = f"[name for name in sys.modules if name in {heavy!r}]"
    program = f"import sys, selam_cli.commands.serve; print({loads})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
