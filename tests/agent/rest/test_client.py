"""Calls to a server: who is asked, who is not, and what a user is told where there is no answer."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import subprocess
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest import client as client_module
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.listing import chat_models, read_json, voices
from tests.support.needs import need_programs
from tests.support.openai_server import in_turn, openai_server, refuses, replies
from tests.support.proxies import proxy

KEY = "sk-selam-test-4711"


def call(endpoint: Endpoint, path: str = "models") -> Call:
    return Call(endpoint, path, "session_error")


async def fault_of(rest: RestClient, endpoint: Endpoint) -> EngineFault:
    with pytest.raises(EngineFault) as raised:
        await read_json(rest, call(endpoint))
    assert KEY not in raised.value.message
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, nor can anybody begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# --- no server --------------------------------------------------------------------------------------------------------


async def test_nobody_there(rest, closed_port):
    fault = await fault_of(rest, Endpoint(f"http://127.0.0.1:{closed_port}/v1", KEY))
    assert fault.type == "session_error"
    assert "Nothing answers at 127.0.0.1" in fault.message


async def test_a_host_that_nobody_knows(rest):
    assert "is not known" in (await fault_of(rest, Endpoint("https://models.invalid/v1", KEY))).message


async def test_an_address_that_is_none_is_not_asked(rest):
    fault = await fault_of(rest, Endpoint("models/v1", KEY))
    assert fault.type == "validation_error"


async def test_a_server_that_takes_no_connection_in_time():
    rest = RestClient(TimeOuts(connect_s=0.2))
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):  # nobody accepts: its queue is full
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        fault = await fault_of(rest, Endpoint(f"http://127.0.0.1:{full.getsockname()[1]}/v1", KEY))
        for filler in fillers:
            filler.close()
    assert "did not answer in time" in fault.message
    await rest.close()


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"\0\xff"]
)
async def test_a_server_of_another_kind(rest, said):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        fault = await fault_of(rest, Endpoint(f"http://127.0.0.1:{port}/v1", KEY))
    assert fault.type == "session_error"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    need_programs("openssl")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


async def test_a_certificate_that_nobody_vouches_for(rest, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context) as secure:
        port = secure.sockets[0].getsockname()[1]
        fault = await fault_of(rest, Endpoint(f"https://localhost:{port}/v1", KEY))
    assert "certificate" in fault.message


async def test_a_server_without_tls(rest, server):
    fault = await fault_of(rest, Endpoint(server.base_url.replace("http:", "https:"), KEY))
    assert "TLS" in fault.message


# --- who is asked -----------------------------------------------------------------------------------------------------


async def test_a_key_never_follows_to_another_host(rest, server):
    async with openai_server() as other:
        for status in (301, 302, 303, 307, 308):
            server.answers["models"] = replies("", status, {"Location": f"{other.base_url}/models?key={KEY}"})
            fault = await fault_of(rest, server.endpoint())
            assert fault.type == "validation_error"
            assert f"sends its callers on to {other.root_url}." in fault.message
        assert other.received == []


async def test_a_server_may_send_on_within_itself(rest, server):
    server.answers["models"] = replies("", 308, {"Location": "/v1/models/"})
    server.answers["models/"] = replies([1])
    assert await read_json(rest, call(server.endpoint())) == [1]
    assert server.received[1].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("status", "location", "words"),
    [
        (308, "/v1/models", "HTTP status 308"),
        (302, "/login", "/login"),
        (308, "http://[", "none of the OpenAI protocol's"),
        (308, "mailto:x@example.com", "none of the OpenAI protocol's"),
    ],
)
async def test_a_redirection_that_leads_nowhere(rest, server, status, location, words):
    server.answers["models"] = replies("", status, {"Location": location})
    assert words in (await fault_of(rest, server.endpoint())).message


async def test_a_user_in_the_address_is_told_to_the_server_alone(rest, server):
    server.answers["models"] = in_turn(replies([1]), refuses(500, "me:hunter2 failed"))
    endpoint = Endpoint(server.base_url.replace("http://", "http://me:hunter2@"))
    assert await read_json(rest, call(endpoint)) == [1]
    assert server.received[0].headers["Authorization"].startswith("Basic ")
    assert "hunter2" not in (await fault_of(rest, endpoint)).message


async def test_a_proxy_is_used_except_for_this_machine(rest, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.root_url)
    monkeypatch.delenv("no_proxy", raising=False)
    async with openai_server() as direct:
        direct.answers["models"] = replies([1])
        assert await read_json(rest, call(direct.endpoint())) == [1]
    assert server.received == []
    await fault_of(rest, Endpoint("http://models.invalid/v1"))
    assert server.received[0].headers["Host"] == "models.invalid"


LOGIN = ("me", "pass:w\u00f6rd")
OF_LOGIN = "me:pass%3Aw%C3%B6rd@"


async def test_a_proxy_is_given_a_plain_request_as_a_whole_and_its_login(rest, server, monkeypatch):
    server.answers["models"] = replies([1])
    async with proxy(URL(server.root_url).port, login=LOGIN) as between:
        monkeypatch.setenv("HTTP_PROXY", f"http://{OF_LOGIN}127.0.0.1:{between.port}")
        assert await read_json(rest, call(Endpoint("http://models.invalid/v1", insecure=True))) == [1]
        monkeypatch.setenv("HTTP_PROXY", f"http://me:wrong-word@127.0.0.1:{between.port}")
        between.logins.clear()
        await rest.close()  # with its connection to the proxy, which has let that one in
        another = RestClient()
        fault = await fault_of(another, Endpoint("http://models.invalid/v1"))
        await another.close()
    assert between.asked == ["http://models.invalid/v1/models"]
    assert f"The proxy 127.0.0.1:{between.port} does not accept the user name and password." in fault.message
    assert "wrong-word" not in fault.message


@pytest.mark.parametrize("kind", ["http", "socks5h", "socks5"])
async def test_a_key_goes_through_a_tunnel_and_the_proxy_does_not_see_it(rest, certificate, monkeypatch, kind):
    async def answer(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]")

    heads = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusted = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    trusted.check_hostname = False
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as secure,
        proxy(secure.sockets[0].getsockname()[1], socks=kind != "http") as between,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"{kind}://127.0.0.1:{between.port}")
        host = "10.255.0.1" if kind == "socks5" else "models.invalid"  # socks5 looks names up on this machine
        endpoint = Endpoint(f"https://{host}/v1", KEY)
        assert "certificate" in (await fault_of(rest, endpoint)).message
        monkeypatch.setattr(aiohttp.TCPConnector, "_get_ssl_context", lambda *_: trusted)
        assert await read_json(rest, call(endpoint)) == [1]
    assert f"Bearer {KEY}" in heads[-1]
    assert set(between.asked) == {f"{host}:443"}
    assert KEY not in "".join(between.heads)


async def test_a_proxy_that_is_none_or_not_there_is_named(rest, monkeypatch):
    service = Endpoint("https://models.invalid/v1", KEY)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret-word@127.0.0.1:1")
    assert "Nothing answers at the proxy 127.0.0.1:1. Check HTTPS_PROXY" in (await fault_of(rest, service)).message
    monkeypatch.setenv("http_proxy", "http://me:secret-word@127.0.0.1:1")
    plain = Endpoint("http://models.invalid/v1")
    assert "Nothing answers at the proxy 127.0.0.1:1. Check http_proxy" in (await fault_of(rest, plain)).message
    monkeypatch.setenv("HTTPS_PROXY", "gopher://me:secret-word@127.0.0.1:1")
    fault = await fault_of(rest, service)
    assert fault.type == "validation_error"
    assert "HTTPS_PROXY names a kind of proxy that is not known" in fault.message
    assert "secret-word" not in fault.message


async def test_no_cookie_is_kept(rest, server):
    server.answers["models"] = replies([1], headers={"Set-Cookie": "who=you; Path=/"})
    for _ in range(2):
        await read_json(rest, call(server.endpoint()))
    assert "Cookie" not in server.received[1].headers


# --- how much ---------------------------------------------------------------------------------------------------------


async def test_a_body_without_an_end_is_cut_off(rest, server, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_BODY_BYTES", 100_000)

    async def endless(request, _):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 50_000)

    server.answers["models"] = endless
    assert "more than anybody can use" in (await fault_of(rest, server.endpoint())).message
    await asyncio.wait_for(server.received[0].gone.wait(), 60)


async def test_a_refusal_whose_text_hangs_is_told_all_the_same(rest, server, monkeypatch):
    monkeypatch.setattr(client_module, "ERROR_WITHIN_S", 0.2)

    async def half(request, _):
        response = web.StreamResponse(status=403)
        await response.prepare(request)
        await response.write(b"not for ")
        await asyncio.Event().wait()

    server.answers["models"] = half
    assert (await fault_of(rest, server.endpoint())).type == "authorization_error"


async def test_nothing_of_a_call_is_logged_with_its_key(rest, server, caplog, closed_port):
    caplog.set_level(logging.DEBUG)
    server.answers["models"] = refuses(401, KEY)
    await fault_of(rest, server.endpoint())
    await fault_of(rest, Endpoint(f"http://me:{KEY}@127.0.0.1:{closed_port}/v1?key={KEY}"))
    assert KEY not in caplog.text


# --- what a server has ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "models"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "text-embedding-3"}, {"id": "whisper-1"}]}, ("a",)),
        ({"models": ["a", "b"]}, ("a", "b")),
        ([{"name": "a"}], ("a",)),
        ({"data": [5, {}, {"id": 7}, None]}, ()),
        ({"data": "x"}, ()),
        (5, ()),
    ],
)
async def test_models(rest, server, listed, models):
    server.answers["models"] = replies(listed)
    assert await chat_models(rest, server.endpoint()) == models


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ({"voices": ["mekdes", "ubax", "nobody"]}, {"am": ("mekdes",), "so": ("ubax",), "en": ("nobody",)}),
        ([{"id": "x", "language": "am-ET"}, {"name": "y", "language": "Somali"}], {"am": ("x",), "so": ("y",)}),
        ({"data": [{"voice_id": "x", "locale": "eng"}, {"id": "z", "language": "fr"}]}, {"en": ("x",)}),
        ({"voices": {"x": {"language": "tigrinya"}, "y": None}}, {"ti": ("x",), "en": ("y",)}),
        (
            {"voices": ["en_US-lessac", "fr_FR-siwis", "so_SO-x"]},
            {"en": ("en_US-lessac", "fr_FR-siwis"), "so": ("so_SO-x",)},
        ),
        ({"voices": 5}, {}),
    ],
)
async def test_voices(rest, server, listed, found):
    server.answers["audio/voices"] = replies(listed)
    assert await voices(rest, server.endpoint()) == found
