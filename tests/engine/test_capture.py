"""What of the microphone's sound goes into an utterance, in the microphone's own time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from selam_cli.core.pcm import samples_in
from selam_cli.engine.capture import Capture, Utterance


class Microphone:
    """A capture, and noise that is heard in it in blocks of 20 ms from `begin` on."""

    def __init__(self, **options: int) -> None:
        self.ended: list[Utterance] = []
        self.capture = Capture(on_growth=lambda _: None, on_complete=self.ended.append, **options)
        self.begin = time.monotonic()
        self.spoken = np.random.default_rng(3).integers(-9_000, 9_000, samples_in(4_000)).astype(np.int16)
        self._heard = 0

    def hear_until(self, seconds: float) -> None:
        size = samples_in(20)
        while self._heard < samples_in(seconds * 1_000):
            self._heard += size
            self.capture.on_block(self.spoken[self._heard - size : self._heard], self.begin + self._heard / 16_000)

    def between(self, first_s: float, last_s: float) -> bytes:
        return self.spoken[samples_in(first_s * 1_000) : samples_in(last_s * 1_000)].tobytes()


@pytest.mark.parametrize("offset_ms", [1, 7, 13, 19, 20])
async def test_an_utterance_that_follows_at_once_begins_where_the_one_before_ended(offset_ms):
    """The end falls within a block: what is left of that block belongs to the next utterance's pre-roll."""
    microphone = Microphone(pre_roll_ms=300, tail_ms=0)
    end_s = 1.0 + offset_ms / 1_000
    microphone.capture.start(1, microphone.begin)
    microphone.hear_until(0.9)
    microphone.capture.stop(microphone.begin + end_s)
    microphone.hear_until(1.04)
    second = microphone.capture.start(2, microphone.begin + 1.04)
    microphone.hear_until(1.2)
    assert bytes(microphone.ended[0].audio) == microphone.between(0.0, end_s)
    assert bytes(second.audio) == microphone.between(end_s, 1.2)
    microphone.capture.abandon()


async def test_an_open_microphone_goes_on_where_the_utterance_ended():
    microphone, overheard = Microphone(pre_roll_ms=0, tail_ms=0), []
    microphone.capture.on_open = lambda samples, _ended_at: overheard.append(samples)
    microphone.capture.start(1, microphone.begin)
    microphone.capture.stop(microphone.begin + 0.507)
    microphone.hear_until(0.6)
    assert np.concatenate(overheard).tobytes() == microphone.between(0.507, 0.6)
