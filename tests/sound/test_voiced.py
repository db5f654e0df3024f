import numpy as np

from selam_cli.sound.voiced import VoiceDetector
from tests.support.speech import spoken, trimmed

FRAME = 320


def share_of_voiced_frames(samples):
    detector = VoiceDetector()
    frames = [samples[start : start + FRAME] for start in range(0, len(samples) - FRAME + 1, FRAME)]
    return sum(detector.is_voiced(frame.tobytes()) for frame in frames) / len(frames)


def test_a_spoken_sentence_is_mostly_voiced():
    assert share_of_voiced_frames(trimmed(spoken("She had your dark suit in greasy wash water all year."))) > 0.7


def test_silence_and_a_quiet_rooms_noise_are_not():
    noise = np.random.default_rng(3).normal(0, 30, 64_000).astype(np.int16)
    assert share_of_voiced_frames(np.zeros(64_000, np.int16)) == 0
    assert share_of_voiced_frames(noise) < 0.05
