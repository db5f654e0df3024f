"""Whatever can stand at an address, for real: each has its own sentence, remedy and exit status."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys

import pytest
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.core.events import ErrorRaised, SessionStarted
from selam_cli.core.protocol import ErrorReport, StartSession
from selam_cli.engine.link import connection
from selam_cli.engine.link.callbacks import LinkCallbacks
from selam_cli.engine.link.link import Link
from selam_cli.engine.link.refusals import SessionOver, is_final
from selam_cli.errors import (
    AuthenticationError,
    AuthorizationError,
    ConnectionFailed,
    SelamError,
    ServiceError,
    SessionError,
    ValidationError,
)
from selam_cli.net.tunnel import ProxyFault, ProxyRefused
from selam_cli.sound.files import write_wav
from tests.support.certificates import certificate
from tests.support.node import node_command
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server

SECRET = "sk-selam-test-canary"


async def failure_at(url):
    """Return the error that one attempt at this address ends with."""

    async def address():
        return f"{url}?api_key={SECRET}&voice=mekdes"

    ignored = LinkCallbacks(**{name: lambda *_: None for name in LinkCallbacks.__dataclass_fields__})
    with pytest.raises(SelamError) as caught:
        await asyncio.wait_for(Link(address, lambda: StartSession("mekdes"), ignored, attempts=1).run(), 30)
    error = caught.value
    assert error.remedy
    assert SECRET not in f"{error!r} {error.__cause__!r} {error.remedy}"
    return error


# --- what listens there -----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def tcp(converse, tls=None):
    """A server of bare TCP (or TLS) that holds `converse` with each client, and the client's end of it open."""
    gone = asyncio.Event()

    async def on_client(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await converse(reader, writer)
            await gone.wait()
        writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        gone.set()
        server.close()


async def silence(reader, writer):
    """Say nothing, for ever."""


async def ssh(reader, writer):
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")


async def hang_up(reader, writer):
    writer.close()


async def reset(reader, writer):
    linger = b"\1\0\0\0\0\0\0\0"
    writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def http(status):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nhi".encode())

    return answer


@contextlib.asynccontextmanager
async def websocket(*said, and_then=lambda: None):
    """A WebSocket that says this and nothing more."""

    async def answer(request):
        peer = web.WebSocketResponse()
        await peer.prepare(request)
        for text in said:
            await peer.send_str(text)
        and_then()
        with contextlib.suppress(Exception):
            await peer.receive()
            await asyncio.sleep(60)
        return peer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_key_does_not_follow_a_redirect(status):
    """As a proxy would send one on: to another host, the whole query along."""
    visitors = []

    async def elsewhere(reader, _):
        visitors.append(await reader.readuntil(b"\r\n\r\n"))

    async def send_on(reader, writer):
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        writer.write(f"HTTP/1.1 {status} X\r\nLocation: {other}{asked}\r\nContent-Length: 0\r\n\r\n".encode())

    async with tcp(elsewhere) as address, tcp(send_on) as url:
        other = address.replace("ws://", "http://")
        error = await failure_at(url)
    assert (error.type, error.exit_code) == ("connection_error", 4)
    assert re.search(rf"sends one on to {re.escape(other)}.*, and the key does not go along", error.reason)
    assert visitors == []


@pytest.mark.parametrize(
    ("converse", "kind", "exit_code", "said"),
    [
        (silence, "connection_error", 4, "did not answer in time"),
        (ssh, "connection_error", 4, "no web server, so no Voice Agent"),
        (hang_up, "connection_error", 4, "breaks the connection off"),
        (reset, "connection_error", 4, "breaks the connection off"),
        (http(200), "connection_error", 4, r"web server without a Voice Agent \(200\)"),
        (http(400), "connection_error", 4, r"web server without a Voice Agent \(400\)"),
        (http(401), "authentication_error", 3, r"does not accept the API key \(401\)"),
        (http(403), "authorization_error", 3, r"does not let this account use the Voice Agent \(403\)"),
        (http(404), "connection_error", 4, r"has no Voice Agent \(404\)"),
        (http(429), "connection_error", 4, r"has too much to do \(429\)"),
        (http(500), "connection_error", 4, "HTTP status 500"),
        (http(502), "connection_error", 4, r"is not running \(502\)"),
    ],
    ids=["silent", "ssh", "hang up", "reset", "200", "400", "401", "403", "404", "429", "500", "502"],
)
async def test_what_is_no_socketio_server_is_told_for_what_it_is(converse, kind, exit_code, said, monkeypatch):
    if converse is silence:
        monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.5)
    async with tcp(converse) as url:
        error = await failure_at(url)
    assert (error.type, error.exit_code) == (kind, exit_code)
    assert re.search(said, error.reason), error.reason


OPEN = '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'


@pytest.mark.parametrize(
    ("said", "kind", "exit_code", "sentence"),
    [
        ([], "connection_error", 4, "did not answer in time"),
        (["hello"], "connection_error", 4, "no Socket.IO server"),
        ([OPEN], "connection_error", 4, "did not answer in time"),
        ([OPEN, '40/v1/audio/agent,{"sid":"y"}'], "session_error", 6, "never said connected"),
    ],
    ids=["silent", "hello", "no namespace", "no connected"],
)
async def test_a_websocket_that_goes_no_further_is_told_by_how_far_it_went(
    said, kind, exit_code, sentence, monkeypatch
):
    def hurry():
        monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.5)

    if "in time" in sentence:
        hurry()
    async with websocket(*said, and_then=hurry) as url:
        error = await failure_at(url)
    assert (error.type, error.exit_code) == (kind, exit_code)
    assert sentence in error.reason


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://127.0.0.1:1", "Nothing answers"),
        ("ws://no-such-host.invalid", "host of"),
    ],
)
async def test_what_is_not_there_is_told_by_what_is_missing(url, said):
    error = await failure_at(url)
    assert (error.type, error.exit_code) == ("connection_error", 4)
    assert said in error.reason


async def test_tls_where_there_is_none():
    async with tcp(ssh) as url:
        error = await failure_at(url.replace("ws://", "wss://"))
    assert "does not speak TLS" in error.reason
    assert "wss://" in error.remedy


FIVE = {
    "authentication_error": 3, "authorization_error": 3, "validation_error": 6, "session_error": 6, "audio_error": 6,
}  # fmt: skip

SHAPES = {
    "code and object": lambda kind: Refused(kind, {"type": kind, "message": "No."}),
    "code alone": Refused,
    "text": lambda kind: Refused(f"{kind}: No."),
    "object": lambda kind: Refused({"type": kind, "message": "No."}),
    "the REST side's": lambda kind: Refused({"error": {"type": kind, "message": "No.", "code": 4}}),
    "JSON in a text": lambda kind: Refused(json.dumps({"error": {"type": kind, "message": "No."}})),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", FIVE)
async def test_each_type_of_the_guide_is_refused_in_every_shape(kind, shape):
    async with voice_server() as server:

        def refuse():
            raise SHAPES[shape](kind)

        server.refuse = refuse
        error = await failure_at(server.url)
    assert (error.type, error.exit_code) == (kind, FIVE[kind])
    assert error.reason in {"No.", f"The service reported {kind.replace('_', ' ')}."}


@pytest.mark.parametrize("kind", FIVE)
async def test_each_type_may_come_in_place_of_the_greeting(kind):
    async with voice_server() as server:
        server.greets = False
        failing = asyncio.create_task(failure_at(server.url))
        await server.until(lambda: server.sids)
        await server.send(ErrorReport(kind, "No."))
        error = await failing
    assert (error.type, error.reason) == (kind, "No.")


async def test_a_python_server_without_the_namespace_is_told():
    async with voice_server() as server:
        server.sio.handlers.clear()
        server.sio.on("connect", lambda *_: None, namespace="/other")
        error = await failure_at(server.url)
    assert error.exit_code == 6
    assert "does not know /v1/audio/agent" in error.reason


@contextlib.asynccontextmanager
async def node(script, *arguments):
    command, environment = node_command(script, *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield f"ws://127.0.0.1:{json.loads(await asyncio.wait_for(process.stdout.readline(), 30))['port']}"
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


async def test_nodes_own_refusals_are_understood():
    async with node("elsewhere.mjs") as url:
        error = await failure_at(url)
    assert (error.type, error.exit_code) == ("session_error", 6)
    assert "does not know /v1/audio/agent" in error.reason


# --- as a user meets them ---------------------------------------------------------------------------------------------


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), tone(0.5), 16_000)
    return str(path)


async def asked(question, url, *, trusting=None, key=SECRET):
    """Ask in JSON lines; return the exit status, the fatal error's line and what stands on standard error."""
    environment = {**os.environ, "SELAM_API_KEY": key}
    if trusting is not None:
        environment["SSL_CERT_FILE"] = str(trusting.file)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", "ask", question, "--json", "--server", url,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert SECRET.encode() not in output + errors
    fatal = [line for line in map(json.loads, output.splitlines()) if line["event"] == "error" and line["fatal"]]
    return process.returncode, fatal[-1], errors.decode()


async def test_certificates_and_their_faults_reach_the_user_in_lines_in_words_and_as_a_status(question, tmp_path):
    expired = certificate(tmp_path / "expired", "localhost", until="20210101000000Z")
    elsewhere = certificate(tmp_path / "elsewhere", "voice.example.org")
    unknown = certificate(tmp_path / "unknown", "localhost")
    async with (
        tcp(silence, expired.context) as first,
        tcp(silence, elsewhere.context) as second,
        tcp(silence, unknown.context) as third,
    ):
        servers = [url.replace("ws://127.0.0.1", "wss://localhost") for url in (first, second, third)]
        outcomes = await asyncio.gather(
            asked(question, servers[0], trusting=expired),
            asked(question, servers[1], trusting=elsewhere),
            asked(question, servers[2]),
        )
    said = ["has expired", "belongs to another host", "is signed by itself"]
    for (status, line, errors), sentence in zip(outcomes, said, strict=True):
        assert status == 4
        assert (line["type"], line["fatal"]) == ("connection_error", True)
        assert sentence in line["message"]
        assert line["remedy"]
        assert errors == f"{line['message']} {line['remedy']}\n"


async def test_nodes_refusal_of_a_key_reaches_the_user_in_lines_in_words_and_as_a_status(question):
    async with node("server.mjs") as url:
        status, line, errors = await asked(question, url, key="sk-selam-test-bad")
    assert status == 3
    assert (line["type"], line["message"]) == ("authentication_error", "Invalid API key")
    assert errors.startswith("Invalid API key")


# --- a path before Socket.IO's own ------------------------------------------------------------------------------------


async def test_a_path_in_the_address_goes_before_socketios_own_as_nodes_server_takes_it(question):
    async with node("server.mjs", "", "/voices/am%20et/socket.io/") as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "selam_cli", "ask", question, "--server", f"{url}/voices/am%20et/",
            env={**os.environ, "SELAM_API_KEY": SECRET}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        output, errors = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, errors) == (0, b"")
        assert b"You said hello world." in output
        for ending in ("/socket.io/?voice=ameha", "/v1/audio/agent"):
            async with talker(f"{url}/voices/am%20et{ending}") as someone:
                await someone.until(SessionStarted)


async def test_a_server_at_another_path_is_not_taken_for_the_one_that_was_named():
    async with node("server.mjs") as url, talker(f"{url}/voice", attempts=1) as someone:
        error = await someone.until(ErrorRaised)
    assert "/voice" in error.message
    assert someone.status == 4


# --- which of them are final ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (ConnectionFailed("lost"), False),
        (ProxyFault("the proxy does not answer"), False),
        (ProxyRefused("the proxy wants a password"), True),
        (SessionError("no session came"), False),
        (SessionOver("idle"), True),
        (AuthenticationError("no such key"), True),
        (AuthorizationError("not this account"), True),
        (ValidationError("no such voice"), True),
        (ServiceError("something else"), True),
        (SelamError("the embedded agent does not start"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_decided_is_final_and_what_may_pass_is_tried_again(error, final):
    assert is_final(error) is final
