"""Voices that are there and silent: whichever engine it is, they are no voices, and that is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from selam_cli.agent.stt import in_workers
from selam_cli.sound.files import write_wav
from tests.agent.conftest import server  # noqa: F401  # a fixture
from tests.doctor.examined import look_at
from tests.support.needs import need
from tests.support.openai_server import replies, streams


@pytest.fixture
def with_table(tmp_path):
    def write(**table):
        lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
        path = tmp_path / "config.toml"
        path.write_text("\n".join(['voice = "aria"', "[agent]", *lines]), encoding="utf-8")
        return {"SELAM_CONFIG": str(path), "OLLAMA_HOST": "127.0.0.1:9"}

    return write


async def test_a_model_that_loads_and_is_silent_is_told_with_what_helps(tmp_path, with_table):
    need("sherpa-onnx", in_workers.installed("sherpa_onnx"))
    from tests.support.tiny_voice import write_tiny_voice  # it loads onnx

    folder = tmp_path / "piper"
    (folder / "espeak-ng-data").mkdir(parents=True)
    write_tiny_voice(folder, level=0.0)
    settings = with_table(tts="sherpa", tts_model=str(folder), tts_language="en")
    seen = await look_at("agent", local=True, environment=settings)
    assert seen.status_of("agent.settings") == "warning"
    assert "is silent" in seen.said("agent.settings")
    assert "Piper" in seen.said("agent.settings")
    assert "sherpa-onnx" not in seen.said("agent.speaking"), "it is none of those that speak"


@pytest.fixture
def with_voice(server, tmp_path, with_table):  # noqa: F811
    """A server whose voice is so loud, as the settings that name it."""

    def speaks(level):
        sound = tmp_path / "sound.wav"
        write_wav(str(sound), np.full(16_000, level, np.int16), 16_000)
        server.answers = {
            "audio/speech": streams(sound.read_bytes(), content_type="audio/wav"), "models": replies({"data": []}),
        }  # fmt: skip
        return with_table(tts_url=server.base_url)

    return speaks


@pytest.mark.parametrize(("level", "status"), [(0, "warning"), (9_000, "ok")])
async def test_a_servers_voice_is_heard_before_it_is_called_one(with_voice, level, status):
    seen = await look_at("agent", local=True, environment=with_voice(level))
    assert seen.status_of("agent.speaking.voice") == status, seen.raw
    assert ("makes no sound of English" in seen.said("agent.speaking.voice")) == (status == "warning")


async def test_the_agent_itself_which_the_doctor_starts_asks_a_service_for_nothing(with_voice, server):  # noqa: F811
    seen = await look_at("server", "agent", local=True, environment=with_voice(9_000))
    assert [seen.status_of(f"server.{name}") for name in ("process", "session", "round_trip")] == ["ok"] * 3
    assert [request.path for request in server.received if request.path.endswith("audio/speech")] == [
        "/v1/audio/speech"
    ]
