import asyncio
import json
import subprocess

import pytest

from tests.agent.test_server import KEY, agent, sentence
from tests.support.node import node_command


@pytest.mark.parametrize("transports", ["websocket", "default"])
async def test_the_official_client_holds_a_whole_conversation(tmp_path, transports):
    speech = tmp_path / "speech.raw"
    speech.write_bytes(sentence().tobytes())
    async with agent() as (url, _):
        command, environment = node_command("client.mjs", url, KEY, str(speech), transports)
        client = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
        output, _ = await asyncio.wait_for(client.communicate(), 90)
    heard = [json.loads(line) for line in output.splitlines()]
    assert client.returncode == 0, heard
    events = [line["event"] for line in heard]
    runs = [event for event, before in zip(events, [None, *events], strict=False) if event != before]
    turn = ["transcription", "response", "audio_chunk", "audio_end"]
    assert runs == ["connected", "session_started", *turn, *turn, "control_ack", "session_ended"]
    assert [line["action"] for line in heard if line["event"] == "control_ack"] == [
        "interrupt", "pause", "resume", "stop_listening", "start_listening",
    ]  # fmt: skip
    whole, cut = [line["total"] for line in heard if line["event"] == "audio_end"]
    assert cut < whole
    assert events.count("audio_chunk") == whole + cut


async def test_the_official_client_is_told_why_it_is_refused(tmp_path):
    speech = tmp_path / "speech.raw"
    speech.write_bytes(b"")
    async with agent() as (url, _):
        command, environment = node_command("client.mjs", url, "sk-selam-test-wrong", str(speech), "websocket")
        client = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
        output, _ = await asyncio.wait_for(client.communicate(), 60)
    assert client.returncode == 3
    refusal = json.loads(output.splitlines()[0])
    assert "authentication_error" in json.dumps(refusal)
