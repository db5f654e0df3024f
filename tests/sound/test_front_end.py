"""The microphone's front end with the real processor: framing, times, what is touched and what is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.sound.front_end import ECHO_FRAMES, FRAME, FrontEnd
from selam_cli.sound.reference import RenderReference
from tests.support.sound_libraries import IN_A_SOAK
from tests.support.speech import correlation, spoken

echo = pytest.importorskip("selam_cli.sound.webrtc_apm", reason="livekit has no wheel for this machine")

RATE = 16_000
FAR = "A rainbow is a division of white light into many beautiful colors. People look, but no one ever finds it."
NEAR = "Please stop now, and tell me about the weather in Addis Ababa."


def processor(**switches):
    wanted = {"echo_cancellation": True, "noise_suppression": False, "gain_control": False, **switches}
    return echo.VoiceProcessor(**wanted)


def front_end(**switches):
    return FrontEnd(processor(**switches), RenderReference())


def noise(seconds, seed=1, level=3_000):
    return (np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * level).astype(np.int16)


def in_blocks(front, samples, sizes):
    """Feed samples in blocks of these sizes, again and again; return everything that came out, and the last time."""
    out, at, number, until = [], 0, 0, 0.0
    while at < len(samples):
        block = samples[at : at + sizes[number % len(sizes)]]
        at, number = at + len(block), number + 1
        ready, until = front.process(block, 100.0 + at / RATE)
        out.append(ready)
    return np.concatenate(out), until


class Room:
    """A speaker and a microphone that hears it, on a clock of their own; `late` blocks are heard at once."""

    def __init__(self, *, rate_hz=RATE, **switches):
        self.now = 0.0
        self.reference = RenderReference(lambda: self.now)
        self.front = FrontEnd(processor(**switches), self.reference)
        self.rate_hz = rate_hz

    def hear(self, played, heard, late=1):
        """Play and hear in blocks of 20 ms; the microphone's are handed over `late` at a time."""
        out, waiting = [], []
        played_block, heard_block = self.rate_hz // 50, RATE // 50
        for number in range(len(heard) // heard_block):
            self.now += 0.02
            block = played[number * played_block : (number + 1) * played_block]
            self.reference.rendered(np.pad(block, (0, played_block - len(block))), self.rate_hz)
            waiting.append((heard[number * heard_block : (number + 1) * heard_block], self.now))
            if len(waiting) == late:
                out += [self.front.process(*one)[0] for one in waiting]
                waiting = []
        return np.concatenate(out)


def echo_of(played, delay_ms, level_db=-12.0):
    """What a room gives back: the sound itself, later and softer, and 0.2 s of reverberation."""
    rng = np.random.default_rng(3)
    delay = delay_ms * RATE // 1_000
    answer = np.zeros(delay + RATE // 5)
    t = np.arange(RATE // 5) / RATE
    answer[delay:] = rng.standard_normal(len(t)) * np.exp(-t * 35) * 0.08
    answer[delay] = 1.0
    heard = np.convolve(played.astype(float), answer)[: len(played)] * 10 ** (level_db / 20)
    return heard + rng.standard_normal(len(played)) * 10


def as_int16(samples):
    return np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)


def level_db(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples.astype(float)))) + 1e-9)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 1_700), min_size=1, max_size=8), count=st.integers(1, 5_000))
def test_blocks_of_any_size_lose_nothing_and_come_out_bit_by_bit_while_nothing_sounds(sizes, count):
    front, samples = front_end(), noise(1)[:count]
    out, until = in_blocks(front, samples, sizes)
    assert np.array_equal(out, samples[: len(out)])
    held = len(samples) - len(out)
    assert held < FRAME + echo.ECHO_DELAY + 1
    if len(out):
        assert until == pytest.approx(100.0 + len(out) / RATE, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 1_700), min_size=1, max_size=8))
def test_the_blocks_make_no_difference_to_what_is_changed(sizes):
    switches = {"noise_suppression": True, "gain_control": True}
    samples = noise(0.5)
    whole, _ = in_blocks(front_end(**switches), samples, [len(samples)])
    cut, _ = in_blocks(front_end(**switches), samples, sizes)
    assert np.array_equal(whole, cut)
    assert not np.array_equal(whole, samples[: len(whole)])


def test_after_a_gap_nothing_of_what_was_before_comes_out():
    front = front_end()
    front.process(np.full(400, 9, np.int16), 1.0)
    out = np.concatenate([front.process(np.full(400, 5, np.int16), 3.0 + n * 0.025)[0] for n in range(4)])
    assert len(out)
    assert set(out) == {5}


@pytest.mark.parametrize(
    ("delay_ms", "rate_hz"),
    [(delay_ms, rate_hz) for delay_ms in (40, 120) for rate_hz in (16_000, 44_100, 48_000)]
    if IN_A_SOAK
    else [(40, 44_100), (120, 48_000)],
)
def test_the_echo_is_removed(delay_ms, rate_hz):
    far = np.tile(spoken(FAR, "rms"), 2)
    t = np.arange(len(far) * rate_hz // RATE) * RATE / rate_hz
    heard = as_int16(echo_of(far, delay_ms))
    out = Room(rate_hz=rate_hz).hear(as_int16(np.interp(t, np.arange(len(far)), far)), heard)
    assert level_db(heard[RATE // 2 :]) - level_db(out[RATE // 2 :]) >= 20


def test_a_voice_over_the_echo_is_kept():
    far, near = np.tile(spoken(FAR, "rms"), 2), spoken(NEAR)
    voice = np.zeros(len(far))
    voice[len(far) // 2 : len(far) // 2 + len(near)] = near
    alone = Room().hear(np.full(len(far), 1, np.int16), as_int16(voice))  # as the canceller's high-pass leaves it
    both = Room().hear(far, as_int16(voice + echo_of(far, 60)))
    span = slice(len(far) // 2, len(far) // 2 + len(near))
    assert correlation(alone[span], both[span])[0] >= 0.8
    assert abs(level_db(both[span]) - level_db(alone[span])) < 3


def test_a_loop_that_was_held_up_cancels_as_well():
    far = spoken(FAR, "rms")
    heard = as_int16(echo_of(far, 60))
    in_time, late = Room().hear(far, heard), Room().hear(far, heard, late=10)
    assert np.array_equal(in_time[: len(late)], late)


def test_when_the_speaker_is_silent_again_the_voice_passes_as_it_is():
    room, voice = Room(), noise(2)
    room.hear(noise(1, seed=2), voice[:RATE])
    out = room.hear(np.zeros(RATE, np.int16), voice[RATE:])
    settled = (ECHO_FRAMES + 4) * FRAME
    assert np.array_equal(out[settled:], voice[RATE - echo.ECHO_DELAY :][settled : len(out)])
    assert not np.array_equal(out[: settled // 2], voice[RATE - echo.ECHO_DELAY :][: settled // 2])


def test_going_over_to_the_canceller_and_back_clicks_not():
    t = np.arange(2 * RATE) / RATE
    tone = (8_000 * np.sin(2 * np.pi * 1_000 * t)).astype(np.int16)
    played = np.zeros(2 * RATE, np.int16)
    played[RATE // 2 : RATE // 2 + 800] = noise(0.05, seed=2, level=200)
    room = Room()
    out = room.hear(played, tone)
    assert np.abs(np.diff(out.astype(int))).max() < 1.3 * np.abs(np.diff(tone.astype(int))).max()
