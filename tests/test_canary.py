"""A canary key, planted in every source, is found in no output, log, file, argument or message but the handshake."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import numpy as np
import pytest
from socketio.exceptions import ConnectionRefusedError as Refused

if sys.platform == "win32":
    pytest.skip("the screen's part needs a pseudo-terminal", allow_module_level=True)

from selam_cli.core import protocol
from selam_cli.sound.files import write_wav
from tests.support.canary import CANARY, leaks, leaks_in_files, own_folders, watched_arguments
from tests.support.in_process import run_beside, run_here
from tests.support.key_stores import FILE_BACKED
from tests.support.lines import talk_json
from tests.support.openai_server import event, openai_server, refuses, replies, streams
from tests.support.proxies import proxy
from tests.support.terminal import Terminal
from tests.support.voice_server import VoiceServer, voice_server
from tests.support.wire import Recorded, recording

SAID_BACK = " ".join(
    (CANARY, base64.b64encode(b"?" + CANARY.encode()).decode(), "".join(f"%{byte:02x}" for byte in CANARY.encode()))
)
PROGRAM = [sys.executable, "-m", "selam_cli"]
SOURCES = ["environment", "key store", "file"]
IN_A_SOAK = os.environ.get("SELAM_SOAK") == "1"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Every folder is below `tmp_path`, the debug log is on, and each variable that may hold a key holds the canary."""
    folders = own_folders(tmp_path)
    parts = {f"SELAM_{part}_KEY": CANARY for part in ("STT", "LLM", "TTS")}
    planted = {**folders, **parts, "SELAM_TOKEN": CANARY, "SELAM_DEBUG": "1", "OLLAMA_HOST": "127.0.0.1:9"}
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    return planted


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), np.full(8_000, 2_000, np.int16), 16_000)
    return str(path)


@pytest.fixture(autouse=True)
def nothing_leaks(tmp_path):
    """Whatever a test does: no process shows the key among its arguments, and no file below its folder holds it."""
    with watched_arguments() as shown:
        yield
    assert shown == []
    assert leaks_in_files([tmp_path]) == []


async def run(*arguments, stdin=b"", environment=None):
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(stdin), 60)
    return process.returncode, output, errors


@asynccontextmanager
async def parrot():
    """A server that says the key back in every field it has, behind a recorder of the wire."""
    async with voice_server() as server, recording(server.url) as (url, wire):
        server.starts = False
        server.on_message = lambda name, message: answer(server, name, message)
        yield server, url, wire


async def answer(server: VoiceServer, name: str, message: object) -> None:
    said = SAID_BACK
    if name == "audio_chunk" and not any(message.audio):
        await server.emit("response", {"text": f"Again: {said}!"})
        await server.emit("error", {"type": "audio_error", "message": said})
        await server.emit("audio_end", {"total_chunks": 0})
    if name != "start_session":
        return
    await server.emit("connected", {"status": "connected", "sid": said, "voice": said, "message": said})
    await server.emit("session_started", {"session_id": said})
    await server.emit("transcription", {"text": f"You said {said}", "is_final": True})
    await server.emit("response", {"text": f"Your key is {said}!"})
    await server.emit("control_ack", {"action": said, "status": said})
    await server.emit("transcription", {"text": 5, "is_final": said})
    await server.emit(f"event_{CANARY}", {said: said})
    await server.emit("error", {"type": "audio_error", "message": said})
    await server.emit("error", f"api_key={said}")
    await server.emit("error", {"error": {"type": said, "message": said, "code": said}})
    await server.emit("audio_chunk", {"audio": said, "format": said, "sample_rate": said})
    await server.emit("audio_end", {"total_chunks": 0})


def check_wire(wire: list[Recorded]) -> None:
    """The key goes out in the handshake's address, and in nothing else."""
    assert wire
    for connection in wire:
        query = parse_qs(urlsplit(connection.request_line.split()[1].decode()).query)
        assert query["api_key"] == [CANARY]
        assert leaks(connection.headers) == []
        assert connection.messages, "nothing was read from the wire"
        assert [message for message in connection.messages if leaks(message)] == []


async def planted(source: str, url: str, environment: dict[str, str]) -> dict[str, str]:
    """Put the canary into one of its sources, by `login`'s standard input; return the environment of the runs after."""
    if source == "environment":
        return {**environment, "SELAM_API_KEY": CANARY}
    if source == "key store":
        environment = {**environment, **FILE_BACKED}
    arguments = ("login", "--server", url)
    status, output, errors = await run_beside(*arguments, stdin=CANARY.encode(), environment=environment)
    assert (status, leaks(output + errors)) == (0, [])
    assert source.encode() in output
    return environment


# --- what it says and sends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES if IN_A_SOAK else ["environment", "file"])
async def test_talk_in_lines(environment, question, source):
    async with parrot() as (server, url, wire):
        environment = await planted(source, url, environment)
        arguments = ("--server", url, "--input", question, "--output", "null")
        async with talk_json(*arguments, environment=environment) as engine:
            await engine.until("error", count=3)
            engine.send("press")
            await engine.until("talk_started")
            engine.send("release")
            await server.drop()
            await engine.until("session_started", count=2)
            engine.send("quit")
            await engine.ended()
    lines = "\n".join(json.dumps(line, ensure_ascii=False) for line in engine.written)
    assert "Your key is [hidden]" in lines
    assert leaks(lines) == []
    assert leaks(engine.errors) == []
    check_wire(wire)


@pytest.mark.parametrize("as_json", [False, True])
async def test_ask(environment, question, as_json):
    async with parrot() as (_, url, wire):
        environment = await planted("file", url, environment)
        options = ["--json"] if as_json else []
        _, output, errors = await run_beside("ask", question, "--server", url, *options, environment=environment)
    assert b"Your key is [hidden]" in output
    assert leaks(output + errors) == []
    check_wire(wire)


@pytest.mark.parametrize("source", SOURCES if IN_A_SOAK else ["environment", "key store"])
async def test_the_screen(environment, question, source):
    async with parrot() as (_, url, wire):
        environment = await planted(source, url, environment)
        program = [*PROGRAM, "talk", "--server", url, "--input", question, "--output", "null"]
        with Terminal(program, kitty=True, columns=100, rows=30, environment=environment) as terminal:
            await asyncio.to_thread(terminal.wait_for_text, "Your key is [hidden]")
            for sheet in ("s", "d", "?"):
                terminal.tap(sheet)
                await asyncio.to_thread(terminal.play_for, 0.3)
                terminal.tap("escape")
            terminal.tap("q")
            await asyncio.to_thread(terminal.wait_for_exit)
            assert leaks(bytes(terminal.written)) == []
            assert leaks(terminal.text) == []
    check_wire(wire)


async def test_a_refusal_that_says_the_key_back(environment, question):
    environment["SELAM_API_KEY"] = CANARY
    async with voice_server() as server:
        for data in (SAID_BACK, {"type": "authentication_error", "message": SAID_BACK}, {SAID_BACK: SAID_BACK}):

            def refuse(data=data):
                raise Refused(data)

            server.refuse = refuse
            arguments = ("login", "--server", server.url)
            status, output, errors = await run_beside(*arguments, stdin=CANARY.encode(), environment=environment)
            assert status in {3, 6}
            assert leaks(output + errors) == []
        server.refuse = lambda: refuse({"type": "authorization_error", "message": SAID_BACK})
        for option in ([], ["--json"]):
            arguments = ("ask", question, "--server", server.url, *option)
            status, output, errors = await run_beside(*arguments, environment=environment)
            assert status == 3
            assert leaks(output + errors) == []


# --- addresses --------------------------------------------------------------------------------------------------------


NOWHERE = [
    f"ws://user:{quote(CANARY, safe='')}@127.0.0.1:1",
    f"ws://127.0.0.1:1/?api_key={quote(CANARY, safe='')}",
]
MALFORMED = [f"ws://[{CANARY}", f"ws://{CANARY}@127.0.0.1:99999", CANARY]


@pytest.mark.parametrize("address", [*NOWHERE, *MALFORMED])
def test_an_address_that_holds_it(environment, question, tmp_path, address):
    settings = tmp_path.parent / f"{tmp_path.name}.toml"  # the user's own file: it is not looked through
    settings.write_text(f"server = {json.dumps(address)}\n")
    environment["SELAM_API_KEY"] = CANARY
    for place in ({"SELAM_SERVER": address}, {"SELAM_CONFIG": str(settings)}):
        commands = ["login"], ["talk", "--json", "--input", question, "--output", "null"]
        for command in commands[: 2 if address in MALFORMED else 1]:
            status, output, errors = run_here(*command, stdin=CANARY.encode(), environment={**environment, **place})
            assert status == (2 if address in MALFORMED else 4)
            assert leaks(output + errors) == []
    settings.unlink()


async def test_an_address_that_holds_it_and_where_nothing_answers(environment, question):
    _, output, errors = await run("ask", question, "--json", environment={**environment, "SELAM_SERVER": NOWHERE[0]})
    assert b'"reconnecting"' in output
    assert leaks(output + errors) == []


NO_SOUND = ("--input", "none.wav", "--output", "null")


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("kind", ["http", "socks5h"])
async def test_a_proxys_login(environment, question, kind, refuses):
    """A user name by itself is a key as well, as of services that sell proxies."""
    secret = CANARY if kind == "http" else CANARY[:-1]  # what SOCKS takes is ASCII

    async def refuse(reader, writer):
        await reader.read(4_096)
        said = f"HTTP/1.1 407 {SAID_BACK}\r\nProxy-Authenticate: {CANARY}\r\nX: {SAID_BACK}\r\n\r\n{SAID_BACK}"
        writer.write(said.encode() if kind == "http" else b"\5\2\1\1")

    async with (
        parrot() as (_, url, _),
        proxy(urlsplit(url).port, socks=kind != "http", answer=refuse if refuses else None) as between,
    ):
        place = f"127.0.0.1:{between.port}"
        logins = [f"{kind}://user:{quote(secret, safe='')}@{place}", f"{kind}://{quote(secret, safe='')}:x@{place}"]
        far = ("--server", "ws://voice.invalid", "--insecure")
        for address in logins[: 1 if refuses else 2]:
            proxies = {**environment, "ALL_PROXY": address, "SELAM_API_KEY": CANARY}
            ended = [await run_beside("ask", question, *far, "--json", environment=proxies)]
            if IN_A_SOAK or (kind, address) in {("http", logins[0]), ("socks5h", logins[1])}:
                ended.append(await run("doctor", "--json", *far, *NO_SOUND, environment=proxies))
            for status, output, errors in ended:
                assert leaks(output + errors) == []
                assert leaks(output + errors, secret) == []
                assert not refuses or (status == 4 and place.encode() in output)


# --- the embedded agent -----------------------------------------------------------------------------------------------


def offline(environment: dict[str, str], **table: str) -> str:
    """Write settings with which the agent asks no server but these."""
    table = {"llm": "none", "tts": "none", "stt": "none", **table}
    path = Path(environment["HOME"]) / "config.toml"
    path.write_text("[agent]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items()))
    return str(path)


@pytest.mark.parametrize("refused", [False, True])
async def test_the_embedded_agent_and_servers_that_say_its_keys_back(environment, question, refused):
    async with openai_server() as server:
        message = {"error": {"message": SAID_BACK, "code": SAID_BACK, "type": SAID_BACK}}
        server.answers = {
            "audio/transcriptions": replies({"text": f"Hello {SAID_BACK}", "language": "english"}),
            "chat/completions": refuses(401, message) if refused else streams(event(SAID_BACK), b"data: [DONE]\n\n"),
        }
        table = {"stt": "openai", "stt_url": server.base_url, "llm": "openai", "llm_model": "m"}
        environment["SELAM_CONFIG"] = offline(environment, **table, llm_url=server.base_url)
        environment["SELAM_API_KEY"] = CANARY
        arguments = ("ask", question, "--local", "--voice", "aria", "--json")
        _, output, errors = await run_beside(*arguments, environment=environment)
    assert [request.headers["Authorization"] for request in server.received] == [f"Bearer {CANARY}"] * 2
    assert b'"session_started"' in output
    assert leaks(output + errors) == []


async def test_serve(environment, tmp_path):
    keys = tmp_path.parent / f"{tmp_path.name}.keys"
    keys.write_text(f"{CANARY}\n")
    environment["SELAM_CONFIG"] = offline(environment)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "serve", "--port", "0", "--keys-file", str(keys), env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        ready = await asyncio.wait_for(process.stderr.readline(), 30)
        url = ready.decode().split()[2].replace("ws://", "http://")
        query = {"api_key": CANARY, "voice": "mekdes", "EIO": "4"}
        async with aiohttp.ClientSession() as http:
            for wrong in (
                {"transport": "tin-can"},
                {"transport": "polling", "sid": "nobody"},
                {"transport": "websocket"},
            ):
                async with http.get(f"{url}/socket.io/", params={**query, **wrong}) as answer:
                    assert leaks(await answer.read()) == []
            async with http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {CANARY}"}) as answer:
                assert answer.status == 200
                assert leaks(await answer.read()) == []
            async with http.ws_connect(f"{url}/socket.io/", params={**query, "transport": "websocket"}) as socket:
                await socket.receive()
                await socket.send_str(f"40{protocol.NAMESPACE},")
                await socket.send_str(f'42{protocol.NAMESPACE},["control",{{"action":"{CANARY}"}}]')
                await socket.send_str(f'42{protocol.NAMESPACE},["{CANARY}",{{"{CANARY}":["')
                async for message in socket:
                    if b"error" in str(message.data).encode() or message.type is not aiohttp.WSMsgType.TEXT:
                        break
    finally:
        process.terminate()
        output, errors = await asyncio.wait_for(process.communicate(), 30)
    keys.unlink()
    assert process.returncode == 143
    assert leaks(output + ready + errors) == []
