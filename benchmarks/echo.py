"""What the echo canceller takes away and what it costs: the agent's voice, later and softer, in the microphone."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np

from benchmarks.figures import Figure
from selam_cli.core.endpointing import FRAME_BYTES, Framer
from selam_cli.sound.front_end import FRAME, FrontEnd, Processor
from selam_cli.sound.reference import RenderReference
from selam_cli.sound.voiced import VoiceDetector
from tests.support.speech import correlation, spoken

RATE_HZ = 16_000
DELAYS_MS = (20, 60, 120, 250)
LEVELS_DB = (-6.0, -20.0)
BARGE_IN_FRAMES = 8
VAD_THRESHOLD = 600
ANSWER = (
    "A rainbow is a division of white light into many beautiful colors. The light bends in every drop of rain, and so "
    "you see a bow that has no end. People look, but no one ever finds it."
)
OBJECTION = "Please stop now, and tell me about the weather in Addis Ababa."


async def measure() -> list[Figure]:
    """Echo alone at several delays and levels, a voice over the echo, and the time a frame takes."""
    if find_spec("livekit") is None:
        return [Figure("echo", "not measured", "it needs the extra aec")]
    far = np.tile(spoken(ANSWER, "rms"), 2)
    removed, runs_before, runs_after = [], 0, 0
    for delay_ms in DELAYS_MS:
        for level_db in LEVELS_DB:
            heard = _int16(_echo(far, delay_ms, level_db))
            clean = _cleaned(far, heard)
            removed.append(_level_db(heard[RATE_HZ:]) - _level_db(clean[RATE_HZ:]))
            runs_before += _barge_ins(heard)
            runs_after += _barge_ins(clean)
    conditions = f"{len(removed)} rooms: {DELAYS_MS} ms, {LEVELS_DB} dB"
    return [
        Figure("echo removed", f"least {min(removed):.0f} dB, median {np.median(removed):.0f} dB", conditions,
               "≥ 20 dB", min(removed) >= 20),
        Figure("false barge-ins by echo", f"{runs_after}", f"{runs_before} without the canceller", "0",
               runs_after == 0),
        _double_talk(far),
        *_cost(far),
    ]  # fmt: skip


def _double_talk(far: np.ndarray) -> Figure:
    near, at = spoken(OBJECTION), len(far) // 2
    voice = np.zeros(len(far))
    voice[at : at + len(near)] = near
    span = slice(at, at + len(near))
    alone = _cleaned(np.ones(len(far), np.int16), _int16(voice))[span]
    both = _cleaned(far, _int16(voice + _echo(far, 60, -12.0)))[span]
    likeness = correlation(alone, both)[0]
    return Figure(
        "a voice over the echo", f"{_level_db(both) - _level_db(alone):+.1f} dB, correlation {likeness:.2f}",
        f"{_barge_ins(both)} runs of speech, {_barge_ins(alone)} without the echo", "heard", _barge_ins(both) > 0,
    )  # fmt: skip


def _cost(far: np.ndarray) -> list[Figure]:
    figures = []
    for noise, gain in ((False, False), (True, True)):
        processor = _processor(noise_suppression=noise, gain_control=gain)
        frames = [far[at : at + FRAME] for at in range(0, len(far) // FRAME * FRAME, FRAME)]
        for _ in range(2):  # the first time through warms up
            began = time.process_time()
            for frame in frames:
                processor.render(frame)
                processor.process(frame)
            took_s = (time.process_time() - began) / len(frames)
        what = "all three switches" if noise else "echo cancellation"
        figures.append(
            Figure(f"CPU of a 10 ms frame, {what}", f"{took_s * 1e6:.0f} µs", f"{took_s * 1e4:.2f} % of a core")
        )
    return figures


def _cleaned(far: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Play and hear in blocks of 20 ms through the front end, as the engine does."""
    now = [0.0]
    reference = RenderReference(lambda: now[0])
    front, out = FrontEnd(_processor(), reference), []
    for at in range(0, len(heard) // 320 * 320, 320):
        now[0] += 0.02
        reference.rendered(far[at : at + 320], RATE_HZ)
        out.append(front.process(heard[at : at + 320], now[0])[0])
    return np.concatenate(out)


def _processor(*, noise_suppression: bool = False, gain_control: bool = False) -> Processor:
    from selam_cli.sound.webrtc_apm import VoiceProcessor  # an extra; the other benchmarks need none

    return VoiceProcessor(echo_cancellation=True, noise_suppression=noise_suppression, gain_control=gain_control)


def _echo(far: np.ndarray, delay_ms: int, level_db: float) -> np.ndarray:
    rng = np.random.default_rng(delay_ms)
    delay, reverberation = delay_ms * RATE_HZ // 1_000, RATE_HZ // 4
    room = np.zeros(delay + reverberation)
    room[delay:] = rng.standard_normal(reverberation) * np.exp(-np.arange(reverberation) / RATE_HZ * 28) * 0.08
    room[delay] = 1.0
    return np.convolve(far.astype(float), room)[: len(far)] * 10 ** (level_db / 20) + rng.standard_normal(len(far)) * 10


def _barge_ins(samples: np.ndarray) -> int:
    """Count the runs of 20 ms frames that a server takes for somebody speaking over the agent."""
    detector, found, run = VoiceDetector(), 0, 0
    for frame in [*Framer().feed(samples.astype("<i2").tobytes()), bytes(FRAME_BYTES)]:
        loud = np.sqrt(np.mean(np.square(np.frombuffer(frame, "<i2"), dtype=np.float64))) > VAD_THRESHOLD
        if loud and detector.is_voiced(frame):
            run += 1
        else:
            found += run >= BARGE_IN_FRAMES
            run = 0
    return found


def _int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)


def _level_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))) + 1e-9))
