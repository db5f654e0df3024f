"""Voices of sherpa-onnx: the real library up to the door of a real voice, alone and through the whole agent."""

import asyncio
import os
import signal

import numpy as np
import pytest

from selam_cli.agent.pipeline import Pipeline
from selam_cli.agent.provider_choice import choose_engines
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.stt import in_workers
from selam_cli.agent.tts import sherpa
from selam_cli.agent.tts.espeak import Espeak
from selam_cli.agent.tts.sherpa import SherpaVoice
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.core.protocol import AudioChunk, StartSession
from selam_cli.credentials.handshake import Credentials
from tests.agent.conftest import server  # noqa: F401  # a fixture
from tests.agent.test_server import CLOSING, caller, chunks
from tests.support.damage import damage_file
from tests.support.embedded_agent import NOBODY, embedded_agent
from tests.support.needs import need, need_programs
from tests.support.openai_server import replies, says
from tests.support.speech import spoken

SENTENCE = "waan ku salaamayaa"
DAMAGES = ("truncated", "of noise", "empty", "of another kind", "without marks", "no tokens")


@pytest.fixture
def library():
    need("sherpa-onnx", in_workers.installed("sherpa_onnx"))


@pytest.fixture
def tiny_voice(library, tmp_path):
    from tests.support.tiny_voice import write_tiny_voice  # it loads onnx

    folder = tmp_path / "vits-tiny"
    folder.mkdir()
    write_tiny_voice(folder)
    return folder


def damaged(folder, damage):
    from tests.support.tiny_model import write_another_model  # it loads onnx
    from tests.support.tiny_voice import write_tiny_voice

    model = folder / "model.onnx"
    match damage:
        case "of another kind":
            write_another_model(folder)
            (folder / "model.int8.onnx").replace(model)
        case "without marks":  # with these the library ends its process
            write_tiny_voice(folder, marks={})
        case "no tokens":
            (folder / "tokens.txt").write_text("")
        case _:
            damage_file(model, damage)


@pytest.fixture
async def voice(tiny_voice):
    made = SherpaVoice(tiny_voice, "so", workers=1)
    yield made
    await made.close()


async def said(voice, text, language="so"):
    pieces = [piece async for piece in voice.speak(text, language, "ubax")]
    return np.frombuffer(b"".join(pieces), "<i2")


async def test_the_library_speaks_with_a_voice_of_the_real_ones_shape(voice):
    samples = await said(voice, SENTENCE)
    assert len(samples) >= len(SENTENCE.replace(" ", "")) * 800
    assert np.abs(samples).max() == pytest.approx(0.4 * 32_767, abs=200)
    assert len(await said(voice, SENTENCE * 2)) > len(samples)
    assert len(await said(voice, f"{SENTENCE} " * 40)) > 30 * len(samples)


async def test_what_the_voice_has_no_letters_for_is_silent_and_costs_nothing(voice):
    assert len(await said(voice, "ሰላም")) == 0
    assert len(await said(voice, SENTENCE)) > 0


async def test_another_language_is_refused_by_name(voice):
    with pytest.raises(EngineFault, match="speaks Somali only"):
        await said(voice, "Hello", "en")


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_model_that_is_not_one_is_a_plain_sentence(tiny_voice, voice, damage):
    damaged(tiny_voice, damage)
    for _ in range(2 if damage == DAMAGES[0] else 1):  # it says so every time
        with pytest.raises(EngineFault) as fault:
            await said(voice, SENTENCE)
        assert (fault.value.type, fault.value.message) == ("session_error", sherpa.unusable(tiny_voice))
    assert voice.pool.pids == []


async def test_a_voice_that_dies_or_hangs_costs_its_sentence(voice):
    await said(voice, SENTENCE)
    (worker,) = voice.pool._all
    os.kill(worker.pid, signal.SIGSTOP)
    beginning = asyncio.ensure_future(anext(voice.speak(SENTENCE, "so", "ubax")))
    while not worker._answers:  # until it has been asked
        await asyncio.sleep(0)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineFault, match=r"The voice \(sherpa-onnx\) stopped unexpectedly\. Ask again\."):
        await beginning
    assert len(await said(voice, SENTENCE)) > 0


def test_what_is_missing_is_said_without_loading_anything(library, tmp_path, monkeypatch):
    assert "tts_model" in sherpa.available(None, "so")
    assert "no folder" in sherpa.available(tmp_path / "nowhere", "so")
    assert ".onnx" in sherpa.available(tmp_path, "so")
    (tmp_path / "so_SO-voice.onnx").write_bytes(b"x")
    assert "tokens.txt" in sherpa.available(tmp_path, "so")
    (tmp_path / "tokens.txt").write_bytes(b"x")
    assert "tts_language" in sherpa.available(tmp_path, None)
    assert sherpa.available(tmp_path, "so") is None
    monkeypatch.setattr(sherpa, "installed", lambda _: False)
    assert "pip install 'selam-voice[sherpa]'" in sherpa.available(tmp_path, "so")


async def test_the_agent_answers_in_somali_with_it(tiny_voice, server):  # noqa: F811
    server.answers = {
        "audio/transcriptions": replies({"text": "Sidee tahay maanta?"}), "chat/completions": says("Waan fiicanahay."),
    }  # fmt: skip
    settings = AgentSettings(
        stt_url=server.base_url, llm_url=server.base_url, llm_model="m",
        tts="sherpa", tts_model=str(tiny_voice), tts_language="so",
    )  # fmt: skip
    async with embedded_agent(settings) as agent, caller(agent.url, StartSession("ubax", language="so")) as user:
        for turn in (1, 2):
            await user.say(*chunks(spoken("Hello there.")), AudioChunk(CLOSING))
            assert (await user.until("audio_end", turn))["total_chunks"] > 4
            assert user.payloads("response")[-1]["text"] == "Waan fiicanahay."
        assert not user.payloads("error")
        voices = [type(voice) for voice in agent.engines.synthesizers]
    assert voices[0] is SherpaVoice
    assert set(voices) <= {SherpaVoice, Espeak}, "the other languages are espeak-ng's"


@pytest.mark.parametrize("lacks", ["any sound", "its front end", "its marks"])
async def test_a_voice_that_speaks_nothing_is_told_before_anybody_talks_and_the_next_best_speaks(tiny_voice, lacks):
    """As Piper's voices do with sherpa-onnx 2.0, which has no espeak-ng inside: they load, and are silent."""
    from tests.support.tiny_voice import write_tiny_voice  # it loads onnx

    if lacks == "its marks":
        damaged(tiny_voice, "without marks")
    else:
        write_tiny_voice(tiny_voice, level=0.0)
    if lacks == "its front end":
        (tiny_voice / "espeak-ng-data").mkdir()
    settings = AgentSettings(tts="sherpa", tts_model=str(tiny_voice), tts_language="en", stt="none", llm="none")
    engines = await choose_engines(settings, Credentials(), NOBODY)
    try:
        (told,) = engines.missing
        assert told in Pipeline(engines).greeting("aria")
        assert str(tiny_voice) in told
        assert "as tts_model in the settings file" in told
        assert ("Piper" in told) == (lacks == "its front end")
        assert not any(isinstance(voice, SherpaVoice) for voice in engines.synthesizers)
        need_programs("espeak-ng")
        assert isinstance(engines.synthesizer("en"), Espeak)
    finally:
        await engines.close()


async def test_the_agent_says_where_the_model_that_hears_is_none(library, tmp_path, server):  # noqa: F811
    from tests.support.tiny_model import write_another_model, write_tiny_model  # they load onnx

    write_tiny_model(tmp_path)
    settings = AgentSettings(stt="sherpa", stt_model=str(tmp_path), tts="none", llm="none")
    write_another_model(tmp_path)
    async with embedded_agent(settings) as agent, caller(agent.url, StartSession("ubax", language="so")) as user:
        await user.say(*chunks(spoken("Hello there.")), AudioChunk(CLOSING))
        await user.until("audio_end")
        (error,) = user.payloads("error")
        assert error["type"] == "session_error"
        assert str(tmp_path) in error["message"]
