"""What happens when nothing happens: each of the protocol's time-outs, shortened."""

import pytest

from selam_cli.core import events, protocol
from selam_cli.core.conversation import context, controls
from selam_cli.core.protocol import ReplyChunk, Response
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.link import connection
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server


@pytest.fixture
async def server():
    async with voice_server() as started:
        yield started


async def test_a_server_that_never_greets_is_a_session_error_and_is_tried_again(server, monkeypatch):
    # From the moment on at which it has let one in: how long that took is no matter.
    server.refuse = lambda: monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.2)
    server.greets = False
    async with talker(server.url) as user:
        await user.until(events.Reconnecting)
    (error,) = user.of(events.ErrorRaised)
    assert error.type == "session_error"
    assert "never said connected" in error.message
    assert user.status == 6


async def test_a_session_that_never_starts_is_a_session_error(server, monkeypatch):
    server.starts = False
    greeting = VoiceEngine._greeting

    def greet(engine):  # from this moment on: how long connecting took is no matter
        monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.2)
        return greeting(engine)

    monkeypatch.setattr(VoiceEngine, "_greeting", greet)
    async with talker(server.url) as user:
        await user.until(events.Reconnecting)
    assert "did not start the session" in user.of(events.ErrorRaised)[0].message


async def test_a_control_without_an_acknowledgement_is_told(server, monkeypatch):
    monkeypatch.setattr(controls, "NO_ACK_S", 0.1)
    server.acknowledges = False
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("pause")
        notice = await user.until(events.Notice)
    assert notice.code == "no_ack"
    assert "pause" in notice.message
    assert not user.of(events.StateChanged)[-1].paused


async def test_no_answer_is_told_and_the_conversation_is_ready_again(server, monkeypatch):
    monkeypatch.setattr(context, "NO_ANSWER_S", 0.2)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await user.until(events.TurnEnded)
    assert [notice.code for notice in user.of(events.Notice)] == ["no_answer"]
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "failed")]
    assert user.phases[-2:] == ["ready", "ended"]


async def test_a_reply_without_an_end_ends_when_nothing_more_comes(server, monkeypatch):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await user.until(events.ControlAck)
        await server.send(Response("And then"))
        await server.send(ReplyChunk(tone(0.1).tobytes()))
        await user.until(events.Audio)
        monkeypatch.setattr(context, "REPLY_STALL_S", 0.2)
        await user.until(events.TurnEnded)
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "answered")]


async def test_leaving_does_not_wait_for_ever_for_a_goodbye(server, monkeypatch):
    monkeypatch.setattr(connection, "GOODBYE_TIMEOUT_S", 0.1)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        monkeypatch.setattr(server, "send", lambda _: nothing())
    assert user.told[-1] == events.SessionEnded("session-1", "unconfirmed")
    assert [notice.code for notice in user.of(events.Notice)] == ["no_goodbye"]


async def nothing():
    """Say nothing at all."""


async def test_a_late_end_of_an_interrupted_reply_does_not_end_the_next_turn(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await user.until(events.ControlAck)
        await server.send(protocol.AudioEnd(0))
        await server.send(protocol.Transcription("hello"))
        await user.until(events.Transcription)
        assert user.of(events.StateChanged)[-1].phase == "thinking"
    assert not user.of(events.AudioEnd)
