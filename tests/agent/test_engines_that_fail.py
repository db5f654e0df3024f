"""An engine's process that dies, hangs or goes mad costs the turn it was at: no other turn, no other session."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from selam_cli.agent.pipeline import Engines
from selam_cli.agent.providers import Heard
from selam_cli.agent.stt.in_workers import HearerInWorkers
from selam_cli.agent.tts import espeak_process
from selam_cli.agent.tts.espeak import Espeak
from selam_cli.agent.tts.espeak_process import EspeakLibrary
from selam_cli.agent.tts.espeak_program import EspeakProgram
from selam_cli.agent.worker.process import Program
from selam_cli.core.protocol import AudioChunk, StartSession
from tests.agent.test_pipeline import Ears
from tests.agent.test_server import CLOSING, caller, chunks
from tests.support.embedded_agent import embedded_with
from tests.support.jumping_clock import while_time_flies
from tests.support.needs import need
from tests.support.speech import spoken, trimmed
from tests.support.troubled import TROUBLE_FILE, TROUBLES

SESSION = StartSession("aria")
LONG_REMARK = "the birch canoe slid on the smooth planks and we glued the sheet to the dark blue background"
"""One sentence: it is made at once, and nothing of it is left to meet with a trouble that is meant for others."""


@pytest.fixture
def order(tmp_path, monkeypatch):
    """Order a trouble; the processes of the engines find the tests' modules, and the order."""
    place = tmp_path / "trouble"
    monkeypatch.setenv(TROUBLE_FILE, str(place))
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    return place.write_text


@asynccontextmanager
async def two_sessions(hearer, voice):
    engines = Engines(hearers=(hearer,), synthesizers=(voice,))
    async with (
        embedded_with(engines) as agent,
        caller(agent.url, SESSION) as one,
        caller(agent.url, SESSION) as other,
    ):
        yield one, other


def reliable_hearer():
    """Hear the long remark, and then so many greetings as there are troubles, and one more."""
    return Ears(*(Heard(text, "en") for text in (LONG_REMARK, *["hello there"] * (len(TROUBLES) + 1))))


class Talks:
    """One session's turns, each counted from where the last one was over."""

    def __init__(self, user):
        self._user = user
        self._seen = 0

    async def turn(self):
        """Say hello; return what was understood, what was told of errors and how many chunks of answer there were."""
        self._seen = len(self._user.heard)
        await self._user.say(*chunks(spoken("Hello there.")), AudioChunk(CLOSING))
        await self._user.until("audio_end", len(self._user.payloads("audio_end")) + 1)
        heard = self._user.heard[self._seen :]
        final = [payload["text"] for event, payload in heard if event == "transcription" and payload["is_final"]]
        errors = [(payload["type"], payload["message"]) for event, payload in heard if event == "error"]
        (chunk_count,) = [payload["total_chunks"] for event, payload in heard if event == "audio_end"]
        return final, errors, chunk_count


def somebody_stands_still():
    """Say whether a process of an engine has been stopped, so that nothing but a time-out goes on."""
    states = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            states.append(process.status())
    return psutil.STATUS_STOPPED in states


async def test_hearing(order):
    program = Program("a scripted engine", "tests.support.troubled:TroubledRecogniser")
    hearer = HearerInWorkers(program, frozenset({"en"}), workers=2)
    async with two_sessions(hearer, Espeak.installed()) as (one, other):
        question = spoken("What time is it in London right now?")
        await other.say(*chunks(question)[:15])
        await other.until("transcription")  # the other's worker is at it
        talks = Talks(one)
        for trouble in TROUBLES:
            order(trouble)
            understood, ((error_type, message),), sound = await while_time_flies(talks.turn(), somebody_stands_still)
            assert (understood, error_type, sound) == ([], "audio_error", 0), trouble
            assert message.startswith("The hearing (a scripted engine)")
        (understood,), errors, sound = await talks.turn()
        assert int(understood) >= trimmed(spoken("Hello there.")).nbytes
        assert errors == []
        assert sound > 5
        await other.say(*chunks(question)[15:], AudioChunk(CLOSING))
        await other.until("response")
        assert int(other.payloads("transcription")[-1]["text"]) >= trimmed(question).nbytes, "not a word is lost"
        assert other.payloads("error") == []


async def test_speaking_by_the_library(order, monkeypatch):
    monkeypatch.setattr(espeak_process, "_PROGRAM", "tests.support.troubled")
    found = EspeakLibrary.installed()
    need("espeakng-loader", found)
    library = EspeakLibrary(found.languages)
    async with two_sessions(reliable_hearer(), Espeak([library])) as (one, other):
        await other.say(*chunks(spoken(LONG_REMARK)), AudioChunk(CLOSING))
        await other.until("audio_chunk")
        async with asyncio.timeout(60):
            while not library._idle:  # the other's sound has been made, and is on its way
                await asyncio.sleep(0.01)
        talks, cut_short = Talks(one), 0
        for trouble in TROUBLES:
            order(trouble)
            understood, ((error_type, message),), sound = await while_time_flies(talks.turn(), somebody_stands_still)
            assert (understood, error_type) == (["hello there"], "audio_error"), trouble
            assert message.startswith("The voice espeak-ng failed: ")
            assert "You said: hello there" in one.payloads("response")[-1]["text"]
            cut_short = max(cut_short, sound)
        understood, errors, sound = await talks.turn()
        assert (understood, errors) == (["hello there"], [])
        assert sound > cut_short
        await other.until("audio_end")
        assert len(other.payloads("audio_chunk")) > 30, "the whole answer"
        assert other.payloads("error") == []


async def test_speaking_by_the_program(tmp_path):
    real = EspeakProgram.installed()
    need("espeak-ng", real)
    trouble, program = tmp_path / "trouble", tmp_path / "espeak-ng"
    program.write_text(f'#!/bin/sh\nif [ -e {trouble} ]; then . {trouble}; fi\nexec {real._path} "$@"\n')
    program.chmod(0o755)
    voice = Espeak([EspeakProgram(str(program), real.languages)])
    async with two_sessions(reliable_hearer(), voice) as (one, other):
        await other.say(*chunks(spoken(LONG_REMARK)), AudioChunk(CLOSING))
        await other.until("audio_chunk", 5)
        talks = Talks(one)
        for does, says in (
            ("kill -KILL $$", "ended with status"),
            ("kill -STOP $$", "stood still"),
            ("head -c 4000 /dev/urandom; exit", "another rate"),
            ("head -c 30 /dev/zero; exit", "broke off"),
        ):
            trouble.write_text(does)
            understood, ((error_type, message),), sound = await while_time_flies(talks.turn(), somebody_stands_still)
            assert (understood, error_type, sound) == (["hello there"], "audio_error", 0), does
            assert says in message
        trouble.unlink()
        understood, errors, sound = await talks.turn()
        assert (understood, errors) == (["hello there"], [])
        assert sound > 5
        await other.until("audio_end")
        assert len(other.payloads("audio_chunk")) > 30, "the whole answer"
        assert other.payloads("error") == []
