"""The agent behind nginx with TLS, as the README shows it."""

import asyncio
import os
import ssl
import subprocess
import sys

import aiohttp
import pytest

from selam_cli.sound.files import read_speech, write_wav
from tests.agent.test_official_client import assert_whole_conversation
from tests.agent.test_process import serving
from tests.agent.test_server import KEY, sentence
from tests.doctor.examined import examine
from tests.support.nginx import nginx_before
from tests.support.node import heard_by_node
from tests.support.speech import correlation, trimmed
from tests.test_ask import ask


@pytest.fixture
def front(tmp_path):
    """An agent for strangers, with nginx before it."""
    keys, folder = tmp_path / "keys", tmp_path / "nginx"
    keys.write_text(f"{KEY}\n")
    folder.mkdir()
    with (
        serving("--keys-file", str(keys), "--limits", "--max-sessions", "20") as url,
        nginx_before(int(url.rpartition(":")[2]), folder) as nginx,
    ):
        yield nginx


@pytest.mark.parametrize("transports", ["websocket", "default"])
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
    command = [sys.executable, "-m", "selam_cli", "ask", str(question), "--out", str(answer),
               "--server", front.url.replace("https", "wss")]  # fmt: skip

    async def ask(**environment):
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, "SELAM_API_KEY": KEY, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        output, errors = await asyncio.wait_for(process.communicate(), 90)
        return process.returncode, output.decode() + errors.decode()

    status, said = await ask()
    assert status == 4
    assert "is signed by itself" in said
    status, said = await ask(SSL_CERT_FILE=str(front.certificate))
    assert status == 0, said
    assert correlation(trimmed(sentence()), read_speech(str(answer)))[0] >= 0.99


async def test_below_a_path_it_is_reached_by_its_whole_address_and_the_doctor_goes_there_too(tmp_path):
    keys, folder = tmp_path / "keys", tmp_path / "nginx"
    keys.write_text(f"{KEY}\n")
    folder.mkdir()
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    write_wav(str(question), sentence(), 16_000)
    with (
        serving("--keys-file", str(keys)) as url,
        nginx_before(int(url.rpartition(":")[2]), folder, "/voice") as front,
    ):
        address = front.url.replace("https", "wss") + "/voice"
        environment = {"SELAM_API_KEY": KEY, "SSL_CERT_FILE": str(front.certificate)}
        status, _, errors = await ask(str(question), "--out", str(answer), "--server", address, environment=environment)
        assert (status, errors) == (0, "")
        examined = await examine("--server", address, environment=environment)
        assert examined.status_of("server.session") == "ok"
        assert f"go to {address}." in examined.said("server.address")
        login = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "selam_cli", "login", "--server", address,
            env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(login.communicate(KEY.encode()), 60)
        assert f"{address} accepted the key." in said.decode()
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
