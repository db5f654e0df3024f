"""What the library itself is relied on for."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from tests.support.speech import correlation, spoken

echo = pytest.importorskip("selam_cli.sound.webrtc_apm", reason="livekit has no wheel for this machine")

SWITCHES = ("echo_cancellation", "noise_suppression", "gain_control")


def through(samples, **switches):
    wanted = {**dict.fromkeys(SWITCHES, False), **switches}
    processor = echo.VoiceProcessor(**wanted)
    whole = len(samples) // echo.FRAME * echo.FRAME
    frames = [processor.process(samples[at : at + echo.FRAME]) for at in range(0, whole, echo.FRAME)]
    return processor, np.concatenate(frames)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples.astype(float)))))


@pytest.mark.parametrize("on", list(product([False, True], repeat=3)))
def test_its_delay_is_known_to_the_sample(on):
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(48_000) * 3_000)
    spectrum[: 3 * 1_000] = 0  # the high-pass moves what is deep
    samples = np.fft.irfft(spectrum).astype(np.int16)
    processor, out = through(samples, **dict(zip(SWITCHES, on, strict=True)))
    likeness, place = correlation(samples[16_000:32_000], out)
    assert likeness > 0.9
    assert place - 16_000 == processor.delay_samples


def test_all_switched_off_it_changes_nothing():
    samples = spoken("Nothing is to happen to this.")
    _, out = through(samples)
    assert np.array_equal(out, samples[: len(out)])


def test_noise_suppression_takes_the_room_away():
    hum = (np.random.default_rng(4).standard_normal(48_000) * 400).astype(np.int16)
    _, out = through(hum, noise_suppression=True)
    assert rms(out[32_000:]) < rms(hum[32_000:]) / 2


def test_gain_control_lifts_a_soft_voice():
    soft = (np.tile(spoken("A soft voice far away."), 3) // 8).astype(np.int16)
    _, out = through(soft, gain_control=True)
    assert rms(out) > 1.5 * rms(soft)


def test_nobody_loads_it_who_does_not_use_it():
    program = "import sys, selam_cli.engine.engine, selam_cli.commands.talk_json; print('livekit' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
