"""A server's process that is killed, and started again, at each point of a conversation."""

import asyncio
import os
import subprocess
import sys

import psutil
import pytest

from tests.faults.person import holds, person, unaccounted
from tests.support.recording_server import RecordingServer

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"


async def test_killed_in_mid_utterance_it_hears_the_whole_once_it_is_back(server, tmp_path):
    async with person(tmp_path, server.url) as someone:
        await someone.engine.until("session_started")
        turn = await someone.press()
        await server.until(lambda: server.sessions[-1])
        server.kill()
        await someone.engine.until("notice", lambda line: line["code"] == "recorded")
        await server.start()
        await someone.do("retry")
        await someone.engine.until("session_started", count=2)
        await someone.release()
        await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")
        await someone.leave()
    assert [line["outcome"] for line in someone.engine.events("utterance")] == ["resent"]
    assert server.sessions[1].startswith(someone.voice.said[turn][:3_200]), "from its first sample"
    assert unaccounted(someone, server) == []


async def test_killed_before_it_answered_it_is_asked_again(server, tmp_path):
    async with person(tmp_path, server.url) as someone:
        await someone.engine.until("session_started")
        await someone.press()
        await server.until(lambda: server.sessions[-1])
        with server.standing_still():
            await someone.release()
            await someone.engine.until("utterance", lambda line: line["outcome"] == "sent")
            server.kill()
        await server.start()
        await someone.do("retry")
        await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")
        await someone.leave()
    assert [line["outcome"] for line in someone.engine.events("utterance")] == ["sent", "resent"]
    assert unaccounted(someone, server) == []


async def test_killed_in_mid_reply_what_was_heard_stays_and_the_next_turn_is_answered(tmp_path):
    server = RecordingServer(tmp_path)
    await server.start("--reply-s=2")
    try:
        async with person(tmp_path, server.url) as someone:
            await someone.engine.until("session_started")
            await someone.press()
            await server.until(lambda: server.sessions[-1])
            await someone.release()
            await someone.engine.until("playout", lambda line: line["heard_seconds"] > 0.1)
            server.kill()
            ended = await someone.engine.until("turn_ended")
            assert ended["outcome"] == "failed"
            assert someone.state["reply_text"] == "This is an answer."
            await server.start()
            await someone.do("retry")
            await someone.engine.until("session_started", count=2)
            await someone.press()
            await server.until(lambda: server.sessions[-1])
            await someone.release()
            await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")
            await someone.leave()
    finally:
        server.close()
    assert [line["outcome"] for line in someone.engine.events("utterance")] == ["sent", "sent"]
    assert unaccounted(someone, server) == []


@pytest.mark.parametrize("silent_at", ["start", *["connect"] * IS_SOAK])
async def test_killed_in_mid_handshake_it_is_connected_to_again(tmp_path, silent_at):
    server = RecordingServer(tmp_path)
    await server.start(f"--silent-at={silent_at}")
    try:
        async with person(tmp_path, server.url) as someone:
            await server.until(lambda: server.of("connect" if silent_at == "connect" else "start_session"))
            await someone.press()
            server.kill()
            await someone.engine.until("reconnecting")
            assert someone.state["phase"] == "listening", "the microphone records"
            await server.start()
            await someone.do("retry")
            await someone.engine.until("session_started")
            await someone.release()
            await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")
            await someone.leave()
    finally:
        server.close()
    assert unaccounted(someone, server) == []


async def test_killed_before_the_handshake_is_answered_it_is_connected_to_again(tmp_path):
    """Something takes the connection and dies before it has said a word."""
    server = RecordingServer(tmp_path)
    mute = subprocess.Popen(
        [sys.executable, "-c", "import socket, sys; from tests.support.ports import SHARED;"
         "s = socket.create_server(('127.0.0.1', int(sys.argv[1])), reuse_port=bool(SHARED));"
         "print(flush=True); c, _ = s.accept(); print(flush=True); s.accept()", str(server.port)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        await asyncio.to_thread(mute.stdout.readline)
        async with person(tmp_path, server.url) as someone:
            await asyncio.to_thread(mute.stdout.readline)
            mute.kill()
            mute.wait()
            await someone.engine.until("reconnecting")
            await server.start()
            await someone.do("retry")
            await someone.engine.until("session_started")
            await someone.leave()
    finally:
        mute.kill()
        mute.wait()
        server.close()


async def test_the_embedded_agent_that_is_killed_in_mid_utterance_is_started_again(tmp_path):
    """`--local`: the agent is the engine's own child, and its death is the engine's to mend."""
    async with person(tmp_path, None) as someone:
        await someone.engine.until("session_started")
        await someone.press()
        await someone.engine.until("latency", lambda line: line["press_to_wire_ms"] is not None)
        for agent in psutil.Process(someone.engine.process.pid).children():
            agent.kill()
        await someone.engine.until("session_started", count=2)
        await someone.release()
        await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")
        await someone.leave()
    assert [line["outcome"] for line in someone.engine.events("utterance")] == ["resent"]


@pytest.mark.skipif(not IS_SOAK, reason="takes the ten seconds after which a peer is lost")
async def test_half_open_connections_are_told_and_the_speech_goes_to_the_next(server, link, tmp_path):
    """The cable is out: no byte comes, no connection breaks. The server's end of it dies meanwhile, unheard."""
    async with person(tmp_path, link.url) as someone:
        await someone.engine.until("session_started")
        turn = await someone.press()
        await server.until(lambda: server.sessions[-1])
        link.freeze()
        stalled = await someone.engine.until("notice", lambda line: line["code"] == "stalled")
        assert stalled["severity"] == "warning"
        await someone.release()
        await someone.engine.until("error", lambda line: "stopped reading" in line["message"])
        await link.mend()
        await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")
        await someone.leave()
    said = someone.voice.said[turn][:16_000]
    assert holds(server.sessions[1], said)
    assert unaccounted(someone, server) == []
