"""Servers that cannot be talked with, each in its own way, caused for real."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.doctor import attempt
from selam_cli.engine.link import connection
from tests.doctor.examined import Examined, look_at
from tests.support.needs import need, need_programs
from tests.support.proxies import proxy
from tests.support.voice_server import voice_server

KEY = {"SELAM_API_KEY": "sk-selam-test-1"}


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (Refused("authentication_error", {"type": "authentication_error", "message": "unknown key"}), "unknown key"),
        (Refused({"error": {"type": "authorization_error", "message": "OWNER only", "code": 403}}), "OWNER only"),
    ],
)
async def test_a_refused_key_is_told_apart_from_a_server_that_is_not_there(refusal, said):
    async with voice_server() as server:

        def refuse():
            raise refusal

        server.refuse = refuse
        seen = await look_at("server", server=server.url, environment=KEY)
    assert seen.status == 3
    assert seen.status_of("server.connection") == "ok"
    assert seen.status_of("key.accepted") == "failed"
    assert said in seen.said("key.accepted")


async def test_it_looks_through_the_proxy_and_says_that_there_is_one():
    async with voice_server() as server, proxy(urlsplit(server.url).port, login=("me", "secret-word")) as between:
        place = f"127.0.0.1:{between.port}"
        proxies = {"HTTP_PROXY": f"http://me:secret-word@{place}", "HTTPS_PROXY": "http://127.0.0.1:1"}
        far = {"server": "ws://voice.invalid:8765", "insecure": True}
        seen = await look_at("server", environment={**KEY, **proxies}, **far)
        assert seen.status == 0
        assert f"The way to voice.invalid leads through the proxy {place} (HTTP_PROXY)." in seen.said("server.proxy")
        assert "The proxy opens the way to voice.invalid:8765" in seen.said("server.connection")
        assert seen.status_of("server.session") == "ok"
        asked = len(between.asked)
        near = await look_at("server", server=server.url, environment={**KEY, **proxies})
        assert "no proxy for 127.0.0.1, because it is this machine" in near.said("server.proxy")
        assert near.status_of("server.session") == "ok"
        assert len(between.asked) == asked
        wrong = {"HTTP_PROXY": f"http://me:other-word@{place}"}
        between.logins.clear()
        refused = await look_at("server", environment={**KEY, **wrong}, **far)
    assert refused.status == 4
    assert f"The proxy {place} does not accept the user name and password." in refused.said("server.connection")
    assert "word" not in (seen.raw + near.raw + refused.raw).replace("password", "")


async def test_a_service_that_cannot_be_reached_is_told_where_the_embedded_agent_would_ask_it():
    away = {**KEY, "HTTPS_PROXY": "http://127.0.0.1:1", "OLLAMA_HOST": "127.0.0.1:9"}
    seen = await look_at("agent", local=True, environment=away)
    assert seen.status_of("agent.service") == "warning"
    assert "api.selamgpt.com cannot be reached" in seen.said("agent.service")
    assert "what was understood is repeated" in seen.said("agent.service")


async def test_no_proxy_and_a_variable_that_names_none_are_told():
    far = {"server": "ws://voice.invalid:8765", "insecure": True}
    seen = await look_at("server", environment={"ALL_PROXY": "http://127.0.0.1:1", "NO_PROXY": ".invalid"}, **far)
    wrong = await look_at("server", environment={"ALL_PROXY": "ftp://me:secret-word@127.0.0.1:1"}, **far)
    assert "NO_PROXY excepts it" in seen.said("server.proxy")
    assert seen.status_of("server.name") == "failed"
    assert wrong.status_of("server.proxy") == "failed"
    assert wrong.status == 2
    assert "secret-word" not in wrong.raw


async def test_what_a_server_says_steers_no_terminal():
    async with voice_server() as server:

        def refuse():
            raise Refused(
                "validation_error", {"type": "validation_error", "message": "\x1b]0;owned\x07\u202eno\nok  x"}
            )

        server.refuse = refuse
        seen = await look_at("server", server=server.url)
    assert seen.status == 6
    assert r"\x1b]0;owned\x07\u202eno" in seen.checks["server.session"]["text"]


async def test_a_session_without_acknowledgements_is_a_warning(monkeypatch):
    monkeypatch.setattr(attempt, "ROUND_TRIP_WITHIN_S", 0.1)
    async with voice_server() as server:
        server.acknowledges = False
        seen = await look_at("server", server=server.url)
        ended = [event for event, _ in server.received]
    assert seen.status_of("server.round_trip") == "warning"
    assert seen.status == 0
    assert "end_session" in ended


async def test_nothing_listens(unused_tcp_port_of_ours):
    seen = await look_at("server", server=f"ws://127.0.0.1:{unused_tcp_port_of_ours}", environment=KEY)
    assert seen.status == 4
    assert "Nothing answers" in seen.said("server.connection")
    assert seen.status_of("key.accepted") == "skipped"
    assert "server.session" not in seen.checks


@pytest.fixture
def unused_tcp_port_of_ours():
    """A port that is bound and not listened at: nobody else can take it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_name_that_is_not_known():
    seen = await look_at("server", server="wss://voice.nowhere.invalid")
    assert seen.status == 4
    assert seen.status_of("server.name") == "failed"
    assert "server.connection" not in seen.checks


@asynccontextmanager
async def site(handler, tls: ssl.SSLContext | None = None):
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [200, 404])
async def test_a_web_server_that_is_no_voice_agent(status):
    async def handler(_request):
        return web.Response(status=status, text="<html>")

    async with site(handler) as port:
        seen = await look_at("server", server=f"ws://127.0.0.1:{port}")
    assert seen.status == 4
    assert seen.status_of("server.connection") == "ok"
    assert seen.status_of("server.session") == "failed"


async def test_a_server_that_accepts_and_never_answers(monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.5)

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        seen = await look_at("server", server=f"ws://127.0.0.1:{port}")
    assert seen.status == 4
    assert seen.status_of("server.connection") == "ok"
    assert "in time" in seen.said("server.session")


async def test_a_certificate_that_nobody_vouches_for(tmp_path):
    need_programs("openssl")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def handler(_request):
        return web.Response(status=404)

    async with site(handler, tls) as port:
        distrusted = await look_at("server", server=f"wss://localhost:{port}")
        known = {"SSL_CERT_FILE": str(certificate)}
        trusted = await look_at("server", server=f"wss://localhost:{port}", environment=known)
    assert distrusted.status == 4
    assert [distrusted.status_of(f"server.{name}") for name in ("name", "connection", "tls")] == ["ok", "ok", "failed"]
    assert "certificate" in distrusted.said("server.tls")
    assert "good until" in trusted.said("server.tls")
    assert trusted.status_of("server.session") == "failed"


async def test_a_key_that_would_go_to_another_host_in_plain_text():
    seen = await look_at("server", server="ws://192.0.2.1", environment=KEY)
    assert seen.status == 2
    assert "plain text" in seen.said("server.address")
    assert "server.connection" not in seen.checks


_SILENT_NAME_SERVER = """
import os, socket, subprocess, sys
listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listening.bind(("127.0.0.77", 53))
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""


def test_a_name_server_that_never_answers_holds_nothing_up(a_file, tmp_path):
    need_programs("unshare", "mount")
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.77\noptions timeout:30 attempts:5\n")
    inside = ["unshare", "--mount", sys.executable, "-c", _SILENT_NAME_SERVER, str(resolver)]
    may = subprocess.run([*inside, "true"], capture_output=True, check=False).returncode == 0
    need("leave to give a process a name server of its own", may)
    config = tmp_path / "config.toml"
    config.write_text('[agent]\nllm_url = "https://models.example.org/v1"\n')
    environment = {**os.environ, "SELAM_CONFIG": str(config)}
    environment.pop("RES_OPTIONS", None)  # by which the other tests' lookups end soon
    began_at = time.monotonic()
    ended = subprocess.run(
        [*inside, sys.executable, "-m", "selam_cli", "doctor", "--json", "--server", "wss://voice.example.org",
         *a_file],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert time.monotonic() - began_at < 100, "the lookup takes 150 s"
    seen = Examined(lines=[json.loads(line) for line in ended.stdout.splitlines()])
    assert ended.returncode == 4, ended.stderr
    assert "Looking up the name voice.example.org" in seen.said("server.name")
    assert seen.status_of("agent.thinking.server") == "warning"
    assert seen.lines[-1]["event"] == "summary"
