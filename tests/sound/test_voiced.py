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


def test_quiet_that_was_passed_over_counts_as_background():
    """As with every frame heard: a word that is asked about alone is taken for background itself."""
    word = spoken("Stop, please.", "rms")
    frames = [word[start : start + FRAME] for start in range(0, len(word) - FRAME + 1, FRAME)]
    loud = [np.sqrt(np.mean(frame.astype(float) ** 2)) > 600 for frame in frames]
    every, alone, passing_over = VoiceDetector(), VoiceDetector(), VoiceDetector()
    voiced = {"every": 0, "alone": 0, "passing over": 0}
    for frame, is_loud in zip((frame.tobytes() for frame in frames), loud, strict=True):
        voiced["every"] += every.is_voiced(frame) and is_loud
        if is_loud:
            voiced["alone"] += alone.is_voiced(frame)
            voiced["passing over"] += passing_over.is_voiced(frame)
        else:
            passing_over.pass_over(frame)
    assert voiced["passing over"] == voiced["every"] > voiced["alone"]
