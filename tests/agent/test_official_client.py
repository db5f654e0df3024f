"""The embedded agent, spoken to by the official JavaScript client."""

import json

import numpy as np
import pytest

from tests.agent.test_server import KEY, agent, sentence
from tests.support.embedded_agent import two_workers
from tests.support.node import heard_by_node
from tests.support.speech import correlation, spoken, trimmed


def assert_whole_conversation(status, heard):
    """A turn, an interrupted turn, every control action, and the end, in the order of the protocol."""
    assert status == 0, heard
    events = [line["event"] for line in heard]
    runs = [event for event, before in zip(events, [None, *events], strict=False) if event != before]
    turn = ["transcription", "response", "audio_chunk", "audio_end"]
    assert runs == ["connected", "session_started", *turn, *turn, "control_ack", "session_ended"]
    assert [line["action"] for line in heard if line["event"] == "control_ack"] == [
        "interrupt", "pause", "resume", "stop_listening", "start_listening",
    ]  # fmt: skip
    whole, cut = [line["total"] for line in heard if line["event"] == "audio_end"]
    assert cut < 3 * whole, "of four times as much"
    assert events.count("audio_chunk") == whole + cut


@pytest.mark.parametrize("transports", ["websocket", "default", "polling"])
async def test_the_official_client_holds_a_whole_conversation(tmp_path, transports):
    speech = tmp_path / "speech.raw"
    speech.write_bytes(sentence().tobytes())
    async with agent() as (url, _):
        assert_whole_conversation(*await heard_by_node("client.mjs", url, KEY, str(speech), transports))


async def test_the_official_client_is_told_why_it_is_refused(tmp_path):
    speech = tmp_path / "speech.raw"
    speech.write_bytes(b"")
    async with agent() as (url, _):
        status, heard = await heard_by_node("client.mjs", url, "sk-selam-test-wrong", str(speech), "websocket")
    assert status == 3
    assert "authentication_error" in json.dumps(heard[0])


@pytest.mark.parametrize("transports", [pytest.param("websocket", marks=pytest.mark.soak), "default", "polling"])
async def test_whatever_the_official_client_sends_is_a_validation_error_and_the_session_goes_on(transports):
    async with agent() as (url, _):
        status, heard = await heard_by_node("rough.mjs", url, KEY, transports)
    assert status == 0, heard
    *errors, last = heard
    assert {error["type"] for error in errors} == {"validation_error"}, errors
    assert all(error["message"] for error in errors)
    assert "at most 20 s" in next(error["message"] for error in errors if error["name"] == "2 MB")
    assert last == {"name": "the session goes on", "action": "interrupt", "status": "executed"}


async def test_five_conversations_at_once_are_kept_apart(tmp_path):
    said = [
        spoken(text)
        for text in (
            "The birch canoe slid on the smooth planks.",
            "Glue the sheet to the dark blue background.",
            "It is easy to tell the depth of a well.",
            "These days a chicken leg is a rare dish.",
            "Rice is often served in round bowls.",
        )
    ]
    for number, samples in enumerate(said):
        (tmp_path / f"{number}.raw").write_bytes(samples.tobytes())
    async with agent() as (url, _):
        status, heard = await heard_by_node("five.mjs", url, KEY, str(tmp_path), "5")
    assert status == 0, heard
    assert sorted(line["number"] for line in heard) == [0, 1, 2, 3, 4]
    assert all(line["chunks"] == line["total_chunks"] and line["status"] == "ended" for line in heard)
    for number, samples in enumerate(said):
        reply = np.frombuffer((tmp_path / f"{number}.reply").read_bytes(), "<i2")
        assert correlation(trimmed(samples), reply)[0] >= 0.99


async def test_with_several_workers_a_client_that_polls_first_is_told_what_to_do(tmp_path):
    speech = tmp_path / "speech.raw"
    speech.write_bytes(sentence().tobytes())
    async with two_workers() as url:
        status, heard = await heard_by_node("client.mjs", url, KEY, str(speech), "default")
        assert status == 3
        assert "takes WebSocket only" in heard[0]["said"]
        assert_whole_conversation(*await heard_by_node("client.mjs", url, KEY, str(speech), "websocket"))
