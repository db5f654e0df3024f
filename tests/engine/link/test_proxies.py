"""A conversation through real proxies on loopback: the way it takes, and what is said of a proxy that gives none."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
from urllib.parse import quote, urlsplit

import pytest

from selam_cli.net import tunnel
from selam_cli.sound.files import write_wav
from tests.engine.link.test_refusals import SECRET, failure_at
from tests.support.certificates import certificate
from tests.support.in_process import run_beside
from tests.support.proxies import proxy
from tests.support.talker import tone
from tests.support.voice_server import voice_server
from tests.test_ask import answer_when_silent

LOGIN = ("me@example.org", "p/s:s@w#rd ü")
ASCII_LOGIN = ("me@example.org", "p/s:s@w#rd")


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), tone(0.5), 16_000)
    return str(path)


def named(kind, port, login=None):
    who = f"{quote(login[0], safe='')}:{quote(login[1], safe='')}@" if login else ""
    return f"{kind}://{who}127.0.0.1:{port}"


def arguments_for(question, url, *options):
    return ("ask", question, "--insecure", "--server", url, *options)


async def ask(question, url, *options, **environment):
    ended = await run_beside(
        *arguments_for(question, url, *options), environment={"SELAM_API_KEY": SECRET, **environment}
    )
    return ended.status, ended.output.decode(), ended.errors.decode()


async def ask_in_a_process(question, url, **environment):
    """Which certificates are trusted is looked up once a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", *arguments_for(question, url),
        env={**os.environ, "SELAM_API_KEY": SECRET, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode(), errors.decode()


# --- through it -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "login", "variable"),
    [("http", LOGIN, "HTTP_PROXY"), ("socks5h", ASCII_LOGIN, "all_proxy"), ("socks4a", None, "http_proxy")],
)
async def test_a_conversation_goes_through_it_and_the_name_is_looked_up_there(question, kind, login, variable):
    async with (
        voice_server() as server,
        proxy(urlsplit(server.url).port, socks=kind.startswith("socks"), login=login) as between,
    ):
        answered = asyncio.create_task(answer_when_silent(server))
        status, output, errors = await ask(
            question, "ws://voice.invalid:8765", **{variable: named(kind, between.port, login)}
        )
        await answered
    assert (status, errors) == (0, "")
    assert "Agent: Time to go." in output
    assert set(between.asked) == {"voice.invalid:8765"}
    assert set(between.logins) == ({login} if login else set())


@pytest.mark.parametrize("kind", ["http", "https"])
async def test_with_tls_the_proxy_sees_nothing_but_where_to_and_the_certificate_is_the_servers(
    question, tmp_path, kind
):
    own = certificate(tmp_path / "own", "voice.example.org", also=",IP:127.0.0.1")
    async with voice_server() as server:
        front = await asyncio.start_server(_unwrap(urlsplit(server.url).port), "127.0.0.1", 0, ssl=own.context)
        async with proxy(front.sockets[0].getsockname()[1], tls=own.context if kind == "https" else None) as between:
            trusting = {"HTTPS_PROXY": named(kind, between.port), "SSL_CERT_FILE": str(own.file)}
            answered = asyncio.create_task(answer_when_silent(server))
            status, output, errors = await ask_in_a_process(question, "wss://voice.example.org", **trusting)
            assert (status, errors) == (0, "")
            await answered
            assert "Agent: Time to go." in output
            assert set(between.asked) == {"voice.example.org:443"}
            assert all("\r\nHost: voice.example.org:443\r\n" in head for head in between.heads)
            assert SECRET not in "".join(between.heads)
            status, _, errors = await ask_in_a_process(question, "wss://elsewhere.example.org", **trusting)
        front.close()
    assert status == 4
    assert "The certificate of wss://elsewhere.example.org belongs to another host." in errors


def _unwrap(port):
    async def on_client(reader, writer):
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)

        async def copy(source, sink):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while piece := await source.read(65_536):
                    sink.write(piece)
                    await sink.drain()
            sink.close()

        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(copy(reader, there), copy(there_reader, writer))

    return on_client


async def test_this_machine_and_what_no_proxy_lists_are_reached_without_one(question):
    async with voice_server() as server, proxy() as between:
        every = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), named("http", between.port))
        answered = asyncio.create_task(answer_when_silent(server))
        status, _, errors = await ask(question, server.url, **every, NO_PROXY="other.example")
        assert (status, errors) == (0, "")
        await answered
        status, _, errors = await ask(question, "ws://voice.invalid:8765", "--json", **every, NO_PROXY="invalid:8765")
        assert status == 4
        assert "The host of ws://voice.invalid:8765 is not known" in errors
    assert between.heads == []


# --- a proxy that gives no way ----------------------------------------------------------------------------------------


def says(*pieces, then_waits=False):
    async def answer(reader, writer):
        await reader.read(4_096)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if then_waits:
            await asyncio.Event().wait()

    return answer


def status(code, *headers):
    return says("\r\n".join([f"HTTP/1.1 {code} X", *headers, "Content-Length: 2", "", "hi"]).encode())


NTLM = status(407, "Proxy-Authenticate: NTLM", "proxy-authenticate: Negotiate")
THERE = "voice.invalid:8765"
CASES = {
    "wants a login": (status(407), "http", None, "wants a user name and a password.", "HTTP_PROXY: http://USER:PASS"),
    "wants another login": (status(407), "http", LOGIN, "does not accept the user name and password.", "as %XX"),
    "wants NTLM": (NTLM, "http", None, "not known here (NTLM, Negotiate).", "cntlm"),
    "forbids": (status(403), "http", None, f"does not allow connections to {THERE} (403).", "NO_PROXY"),
    "is a web server": (status(405), "http", None, f"does not allow connections to {THERE} (405).", "HTTP_PROXY"),
    "wants a browser": (status(302, "Location: http://x"), "http", None, "sends one elsewhere (302).", "browser"),
    "cannot reach it": (status(502), "http", None, f"cannot reach {THERE} (502).", "HTTP_PROXY"),
    "fails": (status(500), "http", None, "failed (500).", "HTTP_PROXY"),
    "is SSH": (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "http", None, "is no HTTP proxy.", "HTTP_PROXY"),
    "is endless": (says(b"HTTP/1.1 200 X\r\nX:" + b"x" * 200_000), "http", None, "is no HTTP proxy.", "HTTP_PROXY"),
    "hangs up": (says(), "http", None, "closed the connection without an answer.", "HTTP_PROXY"),
    "hangs": (says(then_waits=True), "http", None, f"did not open the way to {THERE} in time.", "HTTP_PROXY"),
    "speaks no TLS": (says(b"HTTP/1.1 400 X\r\n\r\n"), "https", None, "does not speak TLS.", "http://"),
    "SOCKS: wants a login": (says(b"\5\xff"), "socks5h", None, "wants a user name and a password.", "socks5h://USER"),
    "SOCKS: wants another": (says(b"\5\2", b"\1\1"), "socks5h", ASCII_LOGIN, "does not accept the user", "as %XX"),
    "SOCKS: not ASCII": (says(b"\5\2", then_waits=True), "socks5h", LOGIN, "in plain ASCII alone.", "HTTP_PROXY"),
    "SOCKS: forbids": (says(b"\5\0\5\2\0"), "socks5h", None, f"does not allow connections to {THERE}", "NO_PROXY"),
    "SOCKS: cannot reach": (says(b"\5\0\5\4\0"), "socks5h", None, f"cannot reach {THERE}", "NO_PROXY"),
    "SOCKS: is a web server": (status(400), "socks5h", None, "is no SOCKS proxy.", "HTTP_PROXY"),
    "SOCKS: hangs up": (says(), "socks5h", None, "closed the connection without an answer.", "HTTP_PROXY"),
    "SOCKS: hangs": (says(then_waits=True), "socks5h", None, "did not open the way", "HTTP_PROXY"),
    "SOCKS 4: refuses": (says(b"\0\x5b\0\0\0\0\0\0"), "socks4a", None, f"cannot reach {THERE}", "NO_PROXY"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_a_proxy_that_gives_no_way_is_named_with_what_to_do(case, monkeypatch):
    answer, kind, login, reason, remedy = CASES[case]
    if "hangs" in case and "up" not in case:
        monkeypatch.setattr(tunnel, "TUNNEL_WITHIN_S", 0.3)
    async with proxy(answer=answer) as between:
        monkeypatch.setenv("HTTP_PROXY", named(kind, between.port, login))
        error = await failure_at("ws://voice.invalid:8765")
    assert (error.type, error.exit_code) == ("connection_error", 4)
    assert reason in error.reason
    assert f"127.0.0.1:{between.port}" in error.reason
    assert remedy in error.remedy
    for secret in LOGIN + ASCII_LOGIN:
        assert secret not in error.reason + error.remedy


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_named(kind, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", f"{kind}://user:secret-word@127.0.0.1:1")
    assert "Nothing answers at the proxy 127.0.0.1:1." in (await failure_at("ws://voice.invalid")).reason
    monkeypatch.setenv("ALL_PROXY", f"{kind}://user:secret-word@proxy.invalid:1")
    error = await failure_at("ws://voice.invalid")
    assert error.reason == "The host of the proxy proxy.invalid:1 is not known."
    assert "ALL_PROXY" in error.remedy


async def test_who_is_refused_by_a_proxy_is_told_once_and_a_failing_one_is_asked_again(question):
    async with proxy(answer=status(407)) as between:
        answer = await ask(question, "ws://voice.invalid", "--json", HTTP_PROXY=named("http", between.port, LOGIN))
    lines = [json.loads(line) for line in answer[1].splitlines()]
    assert answer[0] == 4
    assert [line["type"] for line in lines if line["event"] == "error"] == ["connection_error"]
    assert not [line for line in lines if line["event"] == "reconnecting"]
    assert "does not accept the user name and password" in answer[2]
    async with proxy(answer=status(502)) as between:
        answer = await ask(question, "ws://voice.invalid", "--json", HTTP_PROXY=named("http", between.port))
    assert answer[0] == 4
    assert '"reconnecting"' in answer[1]


async def test_a_variable_that_names_no_proxy_is_wrong_usage(question):
    answer = await ask(question, "ws://voice.invalid", HTTP_PROXY="ftp://user:secret-word@host")
    assert answer[0] == 2
    assert "HTTP_PROXY names a kind of proxy that is not known" in answer[2]
    assert "secret-word" not in answer[1] + answer[2]
