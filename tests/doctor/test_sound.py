"""Sound that is missing, silent, too quiet, or that stands still, caused for real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import numpy as np
import psutil

from selam_cli.doctor import level, sound
from tests.doctor.examined import NOBODY, PATIENCE_S, examine, look_at
from tests.support.needs import need_programs
from tests.support.speech import spoken
from tests.support.voice_server import voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

NO_SERVER = {"PULSE_SERVER": "unix:/nowhere/native"}
SENTENCE = "The weather is fine today, and I would like to go."


async def with_somebody_speaking(card, samples, monkeypatch):
    """Look at the sound, and speak when somebody is asked to."""
    asked = asyncio.Event()

    async def speak():
        await asked.wait()
        await asyncio.to_thread(card.speak, samples)

    speaking = asyncio.create_task(speak())
    monkeypatch.setattr(level, "VOICE_S", 1.0)  # heard so long, it is enough
    seen = await look_at("sound", speak=True, on_asked=asked.set)
    await asyncio.wait_for(speaking, PATIENCE_S)
    return seen


async def test_without_a_sound_server_both_devices_fail_and_the_rest_is_told():
    async with voice_server() as server:
        seen = await look_at("server", "sound", server=server.url, speak=True, environment=NO_SERVER)
    assert seen.status == 5
    assert [seen.status_of(f"sound.{name}") for name in ("microphone", "speaker", "level")] == [
        "failed", "failed", "skipped",
    ]  # fmt: skip
    assert seen.status_of("server.session") == "ok"


async def test_a_sound_server_that_stands_still_is_told_and_holds_nothing_up(sound_card, monkeypatch):
    monkeypatch.setattr(sound, "ANSWER_WITHIN_S", 2.0)
    with sound_card.standing_still():
        seen = await look_at("sound")
    hung = [check for name, check in seen.checks.items() if name.startswith("sound.") and check["status"] == "failed"]
    assert ["does not answer" in check["text"] for check in hung] == [True]
    assert seen.lines[-1]["event"] == "summary"


async def test_a_sound_library_that_crashes_is_told(sound_card):
    with sound_card.standing_still():
        looking = asyncio.create_task(look_at("sound"))
        victim = await asyncio.to_thread(_child_that_looks_at_the_sound, os.getpid())
        victim.kill()
        seen = await looking
    assert "crashed" in "".join(check["text"] for check in seen.checks.values())
    assert seen.lines[-1]["event"] == "summary"


def _child_that_looks_at_the_sound(pid: int) -> psutil.Process:
    while True:
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # another one, which has just ended
                if "selam_cli.doctor.sound_program" in child.cmdline() and child.num_fds() > 3:
                    return child
        time.sleep(0.02)  # a process says nothing of where it stands


async def test_both_devices_open_and_are_named_and_zeros_from_the_microphone_are_a_warning(sound_card):
    seen = await examine(*NOBODY)
    assert "VMic" in seen.said("sound.microphone")
    assert "VSpeaker" in seen.said("sound.speaker")
    assert seen.status_of("sound.speaker") == "ok"
    assert seen.status_of("sound.level") == "skipped"
    assert seen.status_of("sound.microphone") == "warning"
    assert "mute" in seen.said("sound.microphone")


async def test_a_system_that_listens_to_its_own_speaker_is_told(tmp_path):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        card.unplug_microphone()
        seen = await look_at("sound", environment=card.environment)
    finally:
        card.stop()
    assert seen.status_of("sound.microphone") == "warning"
    assert "Monitor of VSpeaker" in seen.said("sound.microphone")
    assert "carries what a speaker plays" in seen.said("sound.microphone")
    assert "There are 1 microphone" not in seen.said("sound.devices")


async def test_a_device_that_there_is_not_fails_with_those_that_there_are(sound_card):
    seen = await look_at("sound", input="headset of nobody", output="loudspeaker of nobody")
    assert "headset of nobody" in seen.said("sound.microphone")
    assert seen.status_of("sound.speaker") == "failed"


async def test_a_microphone_that_delivers_zeros_fails_when_somebody_speaks(sound_card, monkeypatch):
    monkeypatch.setattr(level, "LISTEN_S", 1.0)
    seen = await look_at("sound", speak=True)
    assert seen.status_of("sound.level") == "failed"
    assert "silent" in seen.said("sound.level")


async def test_speech_of_the_right_level_is_good(sound_card, monkeypatch):
    seen = await with_somebody_speaking(sound_card, spoken(SENTENCE), monkeypatch)
    assert seen.status_of("sound.level") == "ok", seen.said("sound.level")
    assert "Your voice is at" in seen.said("sound.level")
    asked = next(line for line in seen.lines if line["event"] == "asked")
    assert asked["seconds"] > 0
    assert asked["message"]


async def test_speech_too_quiet_for_the_threshold_is_told_with_a_remedy(sound_card, monkeypatch):
    seen = await with_somebody_speaking(sound_card, (spoken(SENTENCE) * 0.04).astype(np.int16), monkeypatch)
    assert seen.status_of("sound.level") == "warning"
    assert "too quiet for vad_threshold = 600" in seen.said("sound.level")
    assert "vad_threshold = " in seen.checks["sound.level"]["remedy"]


async def test_a_file_in_the_speakers_place_is_not_written_over(a_file, tmp_path):
    reply = tmp_path / "reply.wav"
    reply.write_bytes(b"precious")
    seen = await look_at("sound", input=a_file[1], output=str(reply))
    assert seen.status_of("sound.speaker") == "ok"
    assert reply.read_bytes() == b"precious"
    lost = await look_at("sound", input=a_file[1], output=str(tmp_path / "none" / "reply.wav"))
    assert lost.status_of("sound.speaker") == "failed"
