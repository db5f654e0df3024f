"""What follows from the sound that a real engine's microphone delivers: nothing at all, and a room's hum.

Which sound means what, tests/engine/uplink/test_noise_meter.py and tests/engine/test_silent_microphone.py show.
"""

import numpy as np
import pytest

from tests.support.conversations import conversation, notice
from tests.support.sound_libraries import IN_A_SOAK, libraries, library_environment

PER_TURN = 'microphone = "per_turn"\n'


def vad_threshold(measured):
    assert measured["severity"] == "info", measured
    assert "dBFS: a vad_threshold of" in measured["message"]
    return int(measured["remedy"].removeprefix("vad-threshold "))


@pytest.mark.parametrize(
    ("library", "settings"),
    [(library, settings) for library in libraries("both") for settings in ("", PER_TURN)]
    if IN_A_SOAK
    else [("portaudio", ""), ("miniaudio", PER_TURN)],
)
async def test_a_room_is_measured_by_its_sound(sound_card, library, settings):
    hum = np.random.default_rng(1).normal(0, 500, 60 * 16_000).astype(np.int16)
    async with conversation(sound_card, library_environment(library), settings=settings) as (engine, _):
        with sound_card.humming(hum):
            engine.send("calibrate")
            measured = await notice(engine, "calibrated")
    assert 1_300 <= vad_threshold(measured) <= 1_600


async def test_a_silent_microphone_is_told_to_who_talks_and_to_who_measures_the_room(sound_card):
    async with conversation(sound_card, library_environment("both")) as (engine, _):
        engine.send("press")
        assert "mute switch" in (await notice(engine, "microphone_silent"))["remedy"]
        engine.send("discard")
        await engine.until("talk_ended")
        engine.send("calibrate")
        measured = await notice(engine, "calibrated")
        assert (measured["severity"], "silent" in measured["message"]) == ("warning", True)
