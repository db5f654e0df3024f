"""An open microphone in a room where it hears the speaker: the real devices, and nobody at the keyboard."""

import asyncio

import numpy as np
import pytest

from selam_cli.core import protocol
from selam_cli.core.endpointing import FRAME_BYTES, Framer
from selam_cli.core.protocol import Transcription
from selam_cli.sound.voiced import VoiceDetector
from tests.support.conversations import reply
from tests.support.lines import talk_json
from tests.support.speech import spoken, trimmed
from tests.support.voice_server import voice_server

pytestmark = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

ANSWER = "A rainbow is a division of white light into many beautiful colors."
QUESTION = "People look, but no one finds its end."
OBJECTION = "Please stop now, I have understood."
LOUD_ECHO_DB = -6.0
BARGE_IN_FRAMES = 8


def runs(audio, vad_threshold=600):
    """Return the lengths of the runs of 20 ms frames that a server takes for speech, as far as they interrupt."""
    detector, found, run = VoiceDetector(), [], 0
    for frame in [*Framer().feed(audio), bytes(FRAME_BYTES)]:
        samples = np.frombuffer(frame, "<i2").astype(float)
        if np.sqrt(np.mean(samples**2)) > vad_threshold and detector.is_voiced(frame):
            run += 1
        else:
            found += [run] if run >= BARGE_IN_FRAMES else []
            run = 0
    return found


@pytest.fixture
def config(tmp_path, monkeypatch):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        monkeypatch.setenv("SELAM_CONFIG", str(path))

    return write


async def answered(server, lines, answer, turn, during=None):
    """Let the agent answer; return what the client sent meanwhile."""
    await server.send(Transcription("what was heard"))
    before = len(server.audio)
    others = asyncio.create_task(during()) if during is not None else None
    await reply(server, answer)
    await lines.until("turn_ended", lambda line: line["turn"] == turn)
    if others is not None:
        await others
    return server.audio[before:]


async def test_with_echo_cancellation_it_hears_the_user_and_not_the_agent(sound_card):
    pytest.importorskip("selam_cli.sound.webrtc_apm", reason="livekit has no wheel for this machine")
    answer, objection = trimmed(spoken(ANSWER, "rms")), trimmed(spoken(OBJECTION))

    async def object_to_it():
        await lines.until("playout", lambda line: line["turn"] == 2 and line["heard_seconds"] > 1)  # in mid-sentence
        await asyncio.to_thread(sound_card.speak, objection)

    async with voice_server() as server, talk_json("--server", server.url, "--ptt", "open") as lines:
        await lines.until("session_started")
        await lines.until("state", lambda line: "echo_cancellation" in line["processing"])
        with sound_card.echoing(LOUD_ECHO_DB):
            of_the_agent = await answered(server, lines, answer, turn=1)
            of_both = await answered(server, lines, answer, turn=2, during=object_to_it)
        lines.send("quit")
        assert await lines.ended() == 0
    assert any(of_the_agent), "the microphone is not deaf"
    assert runs(of_the_agent) == []
    assert runs(of_both), "a real voice is one"


async def test_without_it_the_agents_own_voice_would_interrupt_and_the_gate_keeps_it_out(sound_card, config):
    config("echo_cancellation = false\n")
    answer = trimmed(spoken(QUESTION, "rms"))
    async with voice_server() as server, talk_json("--server", server.url, "--ptt", "open") as lines:
        await lines.until("session_started")
        with sound_card.echoing(LOUD_ECHO_DB), sound_card.listening() as until_loud:
            hearing = asyncio.create_task(asyncio.to_thread(until_loud))
            sent = await answered(server, lines, answer, turn=1)
            await hearing  # the microphone did hear it
        await measured_by_several_at_once(server, lines)
        at = len(server.audio)
        await asyncio.to_thread(sound_card.speak, trimmed(spoken(OBJECTION)))
        await server.until(lambda: runs(server.audio[at:]))  # and hears on, whatever came before
        lines.send("quit")
        assert await lines.ended() == 0
    assert not any(sent[: 2 * len(answer)]), "not a sample of the agent's voice"
    assert runs(sent) == []
    assert len([line for line in lines.events("notice") if line["code"] == "calibrated"]) == 1


async def measured_by_several_at_once(server, lines):
    """Have the room measured, and ask for it again and again meanwhile."""
    for number in range(3):
        lines.send(f'{{"id": {number}, "command": "calibrate"}}')
        await lines.until("ack", lambda line, number=number: line["id"] == number and line["ok"])
        heard = len(server.audio) + 19_200  # 0.6 s
        await server.until(lambda heard=heard: len(server.audio) >= heard)
    await lines.until("notice", lambda line: line["code"] == "calibrated")


async def test_the_embedded_agent_is_interrupted_by_a_voice_and_not_by_itself(sound_card):
    pytest.importorskip("selam_cli.sound.webrtc_apm", reason="livekit has no wheel for this machine")
    short, long = trimmed(spoken(QUESTION, "rms")), trimmed(spoken(ANSWER, "rms"))
    objection = trimmed(spoken(OBJECTION))
    async with talk_json("--local", "--ptt", "open") as lines:
        await lines.until("session_started")
        await lines.until("state", lambda line: "echo_cancellation" in line["processing"])
        with sound_card.echoing(LOUD_ECHO_DB):
            await asyncio.to_thread(sound_card.speak, short)
            whole = await lines.until("audio_end", lambda line: line["turn"] == 1)
            await lines.until("turn_ended", lambda line: line["turn"] == 1)
            await asyncio.to_thread(sound_card.speak, long)
            await lines.until("audio", lambda line: line["turn"] == 2)
            await asyncio.to_thread(sound_card.speak, objection)
            cut = await lines.until("audio_end", lambda line: line["turn"] == 2)
            await lines.until("transcription", lambda line: line["turn"] == 3)
        lines.send("quit")
        assert await lines.ended() == 0
    assert whole["seconds"] > 0.9 * len(short) / protocol.WIRE_RATE_HZ, "its own voice did not interrupt it"
    assert cut["seconds"] < 0.7 * len(long) / protocol.WIRE_RATE_HZ, "the user's did"
