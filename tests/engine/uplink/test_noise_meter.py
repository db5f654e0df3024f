"""A room measured by what the microphone delivers, in its own time."""

import numpy as np
import pytest

from selam_cli.engine.uplink.noise_meter import NoiseMeter
from tests.support.speech import spoken, trimmed


def measured(sound):
    meter = NoiseMeter()
    for at in range(0, len(sound), 320):
        meter.feed(sound[at : at + 320].astype(np.int16), 0.0)
    return meter.verdict


def noise(rms, seconds=2.5):
    return np.random.default_rng(2).normal(0, rms, round(seconds * 16_000))


@pytest.mark.parametrize(("rms", "proposal"), [(20, 200), (120, 370), (400, 1_240), (1_200, 3_720)])
def test_three_times_the_noise_is_proposed(rms, proposal):
    verdict = measured(noise(rms))
    assert (verdict.severity, verdict.code) == ("info", "calibrated")
    assert int(verdict.remedy.removeprefix("vad-threshold ")) == pytest.approx(proposal, rel=0.05)


@pytest.mark.parametrize(
    ("sound", "told"),
    [
        (np.zeros(0), "no sound"),
        (np.zeros(40_000), "silent"),
        (noise(2_000), "too loud"),
        (np.concatenate((noise(30, 1.5), noise(900, 0.6), noise(30, 0.6))), "not steadily"),
    ],
)
def test_nothing_is_proposed_where_it_cannot_be_known(sound, told):
    verdict = measured(sound)
    assert verdict.severity == "warning"
    assert told in verdict.message
    assert "vad-threshold" not in verdict.remedy


def test_somebody_who_speaks_is_not_taken_for_the_room():
    word, pause = trimmed(spoken("Yes.")), np.zeros(11_200)
    verdict = measured(np.concatenate([pause, word] * 3))
    assert (verdict.severity, verdict.remedy) == ("warning", "Try again in quiet.")
    assert "somebody spoke" in verdict.message


async def test_it_is_over_as_soon_as_enough_was_heard():
    meter = NoiseMeter()
    for _ in range(111):
        meter.feed(noise(100, 0.02).astype(np.int16), 0.0)
    await meter.listen()


def test_the_click_of_a_microphone_that_opens_does_not_count():
    opening = np.concatenate((np.zeros(1_600), np.full(1_500, 20_000)))
    assert measured(np.concatenate((opening, noise(120)))).severity == "info"
