"""The agent as a process: started on demand, and gone when its parent is, however that ends."""

import asyncio
import os
import signal
import subprocess
import sys

import psutil
import pytest

from selam_cli.engine.agent_process import AgentProcess
from selam_cli.errors import SelamError
from tests.agent.test_server import caller

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
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
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


async def test_an_agent_that_does_not_come_up_is_told():
    with pytest.raises(SelamError, match="did not start"):
        await AgentProcess.start(["-c", "print('hello')"])


def serve(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "selam_cli", "serve", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


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
        (["--workers", "2"], "--workers"),
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
    keys.write_text("# team\nsk-selam-test-one\n\nsk-selam-test-two\n")
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
