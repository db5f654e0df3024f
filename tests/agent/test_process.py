"""The agent as a process: started on demand, and gone when its parent is, however that ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import aiohttp
import psutil
import pytest

from selam_cli.agent.limits import NO_LIMITS, PUBLIC, Limits
from selam_cli.agent.process import chosen_limits
from selam_cli.agent.server import ServeSettings
from selam_cli.agent.workers import as_line, worker_settings
from selam_cli.engine.agent_process import AgentProcess
from selam_cli.errors import SelamError
from tests.agent.test_server import caller
from tests.support.processes import is_gone

PARENT = """
import asyncio, sys
from selam_cli.engine.agent_process import AgentProcess
async def main():
    agent = await AgentProcess.start()
    print(agent.pid, agent.url, agent.api_key, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def gone(pid):
    async with asyncio.timeout(20):
        while not is_gone(pid):
            await asyncio.sleep(0.02)


async def test_it_answers_to_its_own_key_only_and_stops_when_told():
    agent = await AgentProcess.start()
    try:
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
    assert not agent.alive


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
async def test_it_does_not_survive_its_parent(name):
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=subprocess.PIPE)
    pid = int((await parent.stdout.readline()).split()[0])
    assert psutil.pid_exists(pid)
    parent.send_signal(getattr(signal, name))
    await parent.wait()
    await gone(pid)


async def test_ctrl_c_is_its_parents_affair():
    agent = await AgentProcess.start()
    try:
        os.kill(agent.pid, signal.SIGINT)
        async with caller(agent.url, api_key=agent.api_key) as user:
            await user.until("connected")
    finally:
        await agent.stop()


async def test_an_end_that_nobody_asked_for_is_told_and_no_other():
    ended = asyncio.get_running_loop().create_future()
    agent = await AgentProcess.start(on_exit=ended.set_result)
    os.kill(agent.pid, signal.SIGKILL)
    assert await asyncio.wait_for(ended, 20) == -signal.SIGKILL
    told = []
    agent = await AgentProcess.start(on_exit=told.append)
    await agent.stop()
    await asyncio.sleep(0)
    assert told == []


async def test_a_start_that_is_given_up_leaves_no_process():
    mine = psutil.Process()
    others = set(mine.children())
    starting = asyncio.create_task(AgentProcess.start(["-c", "import time; time.sleep(60)"]))
    async with asyncio.timeout(20):
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
    output, errors = child.communicate(timeout=20)
    assert child.returncode == 0
    assert "sk-selam" not in output + errors


async def test_an_agent_that_does_not_come_up_is_told():
    with pytest.raises(SelamError, match="did not start"):
        await AgentProcess.start(["-c", "print('hello')"])


def serve(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "selam_cli", "serve", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@contextmanager
def serving(*arguments):
    """A `serve` of its own; gives the address, and ends it."""
    process = serve("--port", "0", *arguments)
    try:
        yield process.stderr.readline().split()[2].replace("ws://", "http://")
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_serve_says_where_it_listens_and_leaves_on_a_signal(name, status):
    process = serve("--port", "0")
    assert "Listening on ws://127.0.0.1:" in process.stderr.readline()
    process.send_signal(getattr(signal, name))
    assert process.wait(20) == status
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--keys-file"),
        (["--keys-file", "/nowhere/keys"], "cannot be read"),
        (["--workers", "3", "--max-sessions", "2"], "--max-sessions"),
    ],
)
def test_serve_refuses_what_does_not_go_together(arguments, said):
    process = serve("--port", "0", *arguments)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said in errors
    assert "Traceback" not in errors


def test_serve_takes_its_keys_from_a_file(tmp_path):
    keys = tmp_path / "keys"
    keys.write_bytes('\ufeff# team\r\nsk-selam-test-one\r\n\r\n"sk-selam-test-two"\r\n'.encode("utf-16"))
    process = serve("--port", "0", "--keys-file", str(keys))
    try:
        url = process.stderr.readline().split()[2].replace("ws://", "http://")

        async def try_keys():
            async with caller(url, api_key="sk-selam-test-two") as user:
                await user.until("connected")
            with pytest.raises(Exception, match="namespaces failed"):
                async with caller(url, api_key="# team"):
                    pass

        asyncio.run(try_keys())
    finally:
        process.terminate()
        process.wait(20)


def test_workers_share_a_port_take_websocket_only_and_leave_together():
    process = serve("--port", "0", "--workers", "2")
    address = process.stderr.readline().split()[2]
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2

    async def use():
        for _ in range(8):
            async with caller(address.replace("ws://", "http://")) as user:
                await user.until("connected")
        async with aiohttp.ClientSession() as http:
            answer = await http.get(address.replace("ws://", "http://") + "/socket.io/?EIO=4&transport=polling")
            assert answer.status == 400
            assert "WebSocket only" in await answer.text()

    asyncio.run(use())
    process.terminate()
    assert process.wait(20) == 143
    assert not any(worker.is_running() for worker in workers)


async def test_workers_do_not_survive_their_parent_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = serve("--port", "0", "--workers", "2")
    process.stderr.readline()
    workers = psutil.Process(process.pid).children()
    process.kill()
    process.wait(20)
    for worker in workers:
        await gone(worker.pid)
    assert not list(tmp_path.glob("selam-voice-figures-*"))


def test_a_worker_that_dies_ends_the_agent_with_a_sentence():
    process = serve("--port", "0", "--workers", "2")
    process.stderr.readline()
    workers = psutil.Process(process.pid).children()
    workers[0].kill()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "A worker ended by itself" in errors
    assert not workers[1].is_running()


def test_a_signal_ends_it_while_its_workers_start():
    process = serve("--port", "0", "--workers", "2")
    while not (workers := psutil.Process(process.pid).children()):
        time.sleep(0.01)
    workers[0].suspend()
    process.terminate()
    assert process.wait(20) == 143
    assert not any(worker.is_running() for worker in workers)


def test_workers_take_no_port_that_others_have():
    first = serve("--port", "0", "--workers", "2")
    try:
        port = first.stderr.readline().split()[2].rpartition(":")[2]
        second = serve("--port", port, "--workers", "2")
        _, errors = second.communicate(timeout=20)
        assert second.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in errors
    finally:
        first.terminate()
        first.wait(20)


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
    program = f"import sys, selam_cli.agent.process; print({loads})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
