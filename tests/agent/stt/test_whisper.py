"""faster-whisper, the real library, up to the door of a model, which it would have to download."""

import asyncio

import numpy as np
import pytest

from selam_cli.agent.responder import EngineFault, SpokenAudio
from selam_cli.agent.stt import in_workers, whisper
from tests.support.needs import need


@pytest.fixture
async def fault_with(tmp_path, monkeypatch):
    """What a user is told who speaks to a whisper with such a model, where no hub can be reached."""
    need("faster-whisper", in_workers.installed("faster_whisper"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    made = []

    async def told(model):
        made.append(whisper.hearer(model))
        listening = made[-1].begin("en", lambda _: None)
        with pytest.raises(EngineFault) as fault:
            await asyncio.wait_for(listening.heard(SpokenAudio(b"")), 100)
        return fault.value

    yield told
    for hearer in made:
        await hearer.close()


async def test_a_model_that_is_not_here_and_cannot_be_downloaded_is_told(fault_with):
    fault = await fault_with("tiny")
    assert fault.type == "session_error"
    assert "'tiny' of faster-whisper cannot be loaded" in fault.message
    assert "Download it once" in fault.message


async def test_a_model_that_nobody_knows_is_told(fault_with):
    assert "knows no model 'gigantic'" in (await fault_with("gigantic")).message


@pytest.mark.parametrize("damage", ["empty folder", "noise", "truncated"])
async def test_a_damaged_model_is_told(fault_with, tmp_path, damage):
    folder = tmp_path / "model"
    folder.mkdir()
    if damage != "empty folder":
        model = np.random.default_rng(1).bytes(10_000) if damage == "noise" else b"\6\0\0\0"
        (folder / "model.bin").write_bytes(model)
        (folder / "config.json").write_text("{}")
    fault = await fault_with(str(folder))
    assert fault.type == "session_error"
    assert "cannot be loaded" in fault.message
    assert "Traceback" not in fault.message


def test_where_it_is_missing_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(whisper, "installed", lambda _: False)
    assert "pip install 'selam-voice[whisper]'" in whisper.available()
