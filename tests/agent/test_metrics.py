"""What an agent tells of itself at /metrics, and of each turn."""

import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import suppress

import aiohttp
import psutil
import pytest
import socketio
from prometheus_client.parser import text_string_to_metric_families

from selam_cli.agent.metrics import SHARED_FOLDER, Metrics
from selam_cli.agent.prometheus import PrometheusMetrics
from selam_cli.agent.responder import EngineFault, Speech
from selam_cli.core.protocol import Action, AudioChunk, AudioEnd, Control, EndSession, Response, StartSession
from tests.agent.test_server import CLOSING, KEY, Caller, agent, caller, chunks, remark, sentence
from tests.agent.test_session import Session, on_a_jumping_clock, seconds_of_sound
from tests.support.embedded_agent import two_workers


async def figures(url, key=KEY):
    """Return what a scrape reads: each sample's name with its labels, and its value."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession() as http:
        answer = await http.get(f"{url}/metrics", headers=headers)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(await answer.text())
        return {
            (sample.name.removeprefix("selam_voice_"), *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


async def test_a_turn_and_an_interruption_are_counted_and_timed():
    async with agent(metrics=PrometheusMetrics()) as (url, _):
        async with caller(url, StartSession("mekdes")) as user:
            assert (await figures(url))["sessions",] == 1
            await user.say(*chunks(sentence()), AudioChunk(CLOSING))
            await user.until("audio_end")
            await user.say(*chunks(remark()), AudioChunk(CLOSING))
            await user.until("audio_chunk", len(user.payloads("audio_chunk")) + 1)
            await user.say(Control(Action.INTERRUPT), EndSession())
            await user.until("session_ended")
            told = await figures(url)
        assert (told["connections",], told["sessions",]) == (1, 0)
        assert told["turns_total", "answered"] == told["turns_total", "interrupted"] == 1
        assert told["sessions_started_total",] == told["sessions_ended_total", "ended"] == 1
        for kind in ("transcription", "first_token", "first_sound"):
            assert told[f"{kind}_seconds_count",] == 2
            assert 0 <= told[f"{kind}_seconds_sum",] < 60
        assert told["first_token_seconds_sum",] <= told["first_sound_seconds_sum",]
        spoken_bytes = (sentence().nbytes + remark().nbytes) * 4 / 3
        assert spoken_bytes < told["received_bytes_total",] < 2 * spoken_bytes
        assert sentence().nbytes * 4 / 3 < told["sent_bytes_total",] < spoken_bytes


async def test_refusals_are_counted_by_their_reason():
    page = {"Origin": "https://evil.example"}
    async with agent(max_sessions=1, metrics=PrometheusMetrics()) as (url, _), caller(url) as first:
        await first.until("connected")
        for refused in ({"api_key": "sk-selam-test-other"}, {"voice": None}, {}, {"headers": page}):
            with pytest.raises(socketio.exceptions.ConnectionError):
                await Caller().connect(url, **refused)
        told = await figures(url)
    assert {key[1]: value for key, value in told.items() if key[0] == "refused_total"} == {
        "key": 1, "voice": 1, "full": 1, "origin": 1,
    }  # fmt: skip


async def test_a_session_whose_client_vanishes_is_counted_as_gone():
    async with agent(metrics=PrometheusMetrics()) as (url, _):
        async with caller(url, StartSession("mekdes")):
            pass
        while (told := await figures(url))["connections",]:
            pass
    assert told["sessions",] == 0
    assert told["sessions_ended_total", "gone"] == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sk-selam-test-other"}, {"Authorization": "Bearer"}])
async def test_where_keys_are_asked_for_the_figures_want_one(headers):
    async with agent(metrics=PrometheusMetrics()) as (url, _), aiohttp.ClientSession() as http:
        answer = await http.get(f"{url}/metrics", headers=headers)
        assert answer.status == 401
        assert "Authorization: Bearer KEY" in await answer.text()


async def test_an_agent_that_keeps_no_figures_says_so():
    async with agent() as (url, _), aiohttp.ClientSession() as http:
        answer = await http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status == 404


def listening_at(url):
    """Return one of the processes that take connections there."""
    port = int(url.rpartition(":")[2])
    workers = [child for child in psutil.Process().children(recursive=True) if listens(child, port)]
    assert len(workers) == 2
    return workers[0]


def listens(process, port):
    return any(at.status == psutil.CONN_LISTEN and at.laddr.port == port for at in process.net_connections())


async def is_told(url, expected):
    """Wait until a load balancer is told that, status first; the worker that is dealt a request may be silent."""
    patience = aiohttp.ClientTimeout(total=1.0)
    async with asyncio.timeout(60), aiohttp.ClientSession(timeout=patience) as http:
        while True:
            with suppress(TimeoutError):
                answer = await http.get(f"{url}/healthz", headers={"Connection": "close"})  # the next may reach another
                if (answer.status, await answer.json()) == expected:
                    return
            await asyncio.sleep(0.1)


async def test_any_of_several_workers_tells_of_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with two_workers() as url:
        worker = listening_at(url)
        async with caller(url, StartSession("mekdes")) as one, caller(url, StartSession("mekdes")) as two:
            for user in (one, two):
                await user.say(*chunks(sentence()), AudioChunk(CLOSING))
            for user in (one, two):
                await user.until("audio_end")
            for _ in range(8):  # each of them may reach either worker
                told = await figures(url, key=None)
                assert told["sessions",] == told["turns_total", "answered"] == 2
                assert told["first_sound_seconds_count",] == 2
                await is_told(url, (200, {"status": "ok", "sessions": 2}))
            worker.suspend()
            await is_told(url, (503, {"status": "degraded", "sessions": 2, "workers_stuck": 1}))
            worker.resume()
            await is_told(url, (200, {"status": "ok", "sessions": 2}))
        assert list(tmp_path.glob("selam-voice-figures-*"))
    assert not list(tmp_path.glob("selam-voice-figures-*")), "the folder that they share is removed"


def test_a_worker_that_has_only_just_started_is_not_taken_for_stuck(tmp_path):
    starts = "from selam_cli.agent.prometheus import PrometheusMetrics as M; print(M().workers_stuck())"
    environment = {**os.environ, SHARED_FOLDER: str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", starts], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "0\n"


class Noted(Metrics):
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def transcribed(self, seconds):
        self.told.append(("transcribed", round(seconds, 3)))

    def first_token(self, seconds):
        self.told.append(("first token", round(seconds, 3)))

    def first_sound(self, seconds):
        self.told.append(("first sound", round(seconds, 3)))

    def turn(self, outcome):
        self.told.append(outcome)


@on_a_jumping_clock
async def test_the_times_of_a_turn_are_from_the_end_of_speech_and_each_is_told_once():
    sound = Speech(seconds_of_sound(1))
    noted = Noted()
    session = Session(0.25, Response("One."), 0.5, sound, Response("Two."), sound, metrics=noted)
    session.speak()
    await session.until(AudioEnd)
    assert noted.told == [("transcribed", 0.0), ("first token", 0.25), ("first sound", 0.75), "answered"]


@pytest.mark.parametrize(
    ("parts", "words", "outcome"),
    [
        ((), ("",), "no_words"),
        ((), (EngineFault("audio_error", "The engine broke."),), "failed"),
        ((Response("I"), EngineFault("audio_error", "The engine broke.")), ("hello",), "failed"),
        ((Response("I"), ValueError()), ("hello",), "failed"),
    ],
)
@on_a_jumping_clock
async def test_a_turn_that_comes_to_nothing_is_told_as_such(parts, words, outcome):
    noted = Noted()
    session = Session(*parts, words=words, metrics=noted)
    session.speak()
    await session.until(AudioEnd)
    assert noted.told[-1] == outcome
    assert [told for told in noted.told if isinstance(told, str)] == [outcome]


@on_a_jumping_clock
async def test_a_turn_whose_session_ends_is_dropped():
    noted = Noted()
    session = Session(Response("I"), Speech(seconds_of_sound(60)), metrics=noted)
    session.speak()
    await session.until(Response)
    session.conversation.end()
    assert noted.told[-1] == "dropped"
