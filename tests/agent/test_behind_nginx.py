"""The agent behind nginx with TLS, as docs/serve.md shows it."""

import ssl
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import patch

import aiohttp
import pytest

from selam_cli.agent.limits import PUBLIC
from selam_cli.sound.files import read_speech, write_wav
from tests.agent.test_official_client import assert_whole_conversation
from tests.agent.test_server import KEY, agent, sentence
from tests.doctor.examined import examine
from tests.support.in_process import run_beside
from tests.support.nginx import nginx_before
from tests.support.node import heard_by_node
from tests.support.speech import correlation, trimmed
from tests.test_ask import ask, ask_as_a_process


@asynccontextmanager
async def agent_behind(folder, path=""):
    """An agent for strangers, with nginx before it."""
    folder.mkdir()
    async with agent(limits=PUBLIC, max_sessions=20) as (url, _):
        with nginx_before(int(url.rpartition(":")[2]), folder, path) as nginx:
            yield nginx


@contextmanager
def trusting(nginx):
    """Have commands in this process trust it: aiohttp has read SSL_CERT_FILE as it was loaded."""
    with patch.object(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=nginx.certificate)):
        yield


@pytest.fixture
async def front(tmp_path):
    async with agent_behind(tmp_path / "nginx") as nginx:
        yield nginx


@pytest.mark.parametrize("transports", ["default", pytest.param("websocket", marks=pytest.mark.soak)])
async def test_the_official_client_holds_a_whole_conversation_through_it(front, tmp_path, transports):
    speech = tmp_path / "speech.raw"
    speech.write_bytes(sentence().tobytes())
    status, heard = await heard_by_node(
        "client.mjs", front.url, KEY, str(speech), transports, NODE_EXTRA_CA_CERTS=str(front.certificate)
    )
    assert_whole_conversation(status, heard)
    assert KEY not in await front.logged("/socket.io/")


async def test_our_own_client_talks_through_it_and_trusts_only_a_certificate_that_it_knows(front, tmp_path):
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    write_wav(str(question), sentence(), 16_000)
    arguments = (str(question), "--out", str(answer), "--server", front.url.replace("https", "wss"))
    status, _, errors = await ask(*arguments, environment={"SELAM_API_KEY": KEY})
    assert status == 4
    assert "is signed by itself" in errors
    environment = {"SELAM_API_KEY": KEY, "SSL_CERT_FILE": str(front.certificate)}
    status, _, errors = await ask_as_a_process(*arguments, environment=environment)
    assert (status, errors) == (0, "")
    assert correlation(trimmed(sentence()), read_speech(str(answer)))[0] >= 0.99


async def test_below_a_path_it_is_reached_by_its_whole_address_and_the_doctor_goes_there_too(tmp_path):
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    write_wav(str(question), sentence(), 16_000)
    async with agent_behind(tmp_path / "nginx", "/voice") as front:
        address = front.url.replace("https", "wss") + "/voice"
        environment = {"SELAM_API_KEY": KEY, "SSL_CERT_FILE": str(front.certificate)}
        examined = await examine("--server", address, environment=environment)
        assert examined.status_of("server.session") == "ok"
        assert f"go to {address}." in examined.said("server.address")
        with trusting(front):
            to_file = ("--out", str(answer))
            status, _, errors = await ask(str(question), *to_file, "--server", address, environment=environment)
            assert (status, errors) == (0, "")
            login = await run_beside("login", "--server", address, stdin=KEY.encode(), environment=environment)
            assert f"{address} accepted the key." in login.output.decode()
            status, _, errors = await ask(str(question), "--server", front.url, environment=environment)
            assert status == 4, "at the root there is none"
            assert "404" in errors
    assert correlation(trimmed(sentence()), read_speech(str(answer)))[0] >= 0.99


async def test_it_shows_the_health_page_and_keeps_the_figures_to_itself(front):
    trusted = ssl.create_default_context(cafile=str(front.certificate))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as http:
        assert (await http.get(f"{front.url}/healthz")).status == 200
        assert (await http.get(f"{front.url}/metrics")).status == 404


async def test_no_key_is_logged_when_nothing_answers_behind_it(tmp_path):
    with nginx_before(1, tmp_path) as front:
        trusted = ssl.create_default_context(cafile=str(front.certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as http:
            answer = await http.get(f"{front.url}/socket.io/?EIO=4&transport=polling&api_key={KEY}&voice=mekdes")
            assert answer.status == 502
        assert KEY not in await front.logged(" 502 ")
