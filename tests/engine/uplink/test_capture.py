"""What of the microphone's sound goes into an utterance, in the microphone's own time."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest

from selam_cli.core.pcm import samples_in
from selam_cli.engine.uplink.capture import Capture, Recording
from selam_cli.sound import microphone as microphones


class Microphone:
    """A capture, and noise that is heard in it in blocks of 20 ms from `begin` on."""

    def __init__(self, **options: int) -> None:
        self.ended: list[Recording] = []
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
    microphone.capture.listen(lambda samples, _ended_at: overheard.append(samples))
    microphone.capture.start(1, microphone.begin)
    microphone.capture.stop(microphone.begin + 0.507)
    microphone.hear_until(0.6)
    assert np.concatenate(overheard).tobytes() == microphone.between(0.507, 0.6)


@pytest.mark.parametrize("end", ["watchdog", "end_now", "abandon"])
async def test_what_comes_late_of_an_utterance_does_not_open_the_next(end):
    """A sound server that was held up hands on the end of what was said when the utterance is over."""
    microphone = Microphone(pre_roll_ms=1_000, tail_ms=0)
    microphone.begin = time.monotonic() - 1.0
    microphone.capture.start(1, microphone.begin)
    microphone.hear_until(0.5)
    if end == "watchdog":
        microphone.capture.stop(microphone.begin + 1.0)
        async with asyncio.timeout(20):
            while microphone.capture.talking:
                await asyncio.sleep(0.01)
    else:
        getattr(microphone.capture, end)()
    ended_s = 1.0 if end == "watchdog" else time.monotonic() - microphone.begin
    microphone.hear_until(1.6)
    second = microphone.capture.start(2, microphone.begin + 1.6)
    microphone.capture.abandon()
    assert len(second.audio) / 32_000 == pytest.approx(1.6 - ended_s, abs=0.02)
    assert microphone.between(0.0, 1.6).endswith(bytes(second.audio))


async def test_what_a_busy_machine_hands_on_late_is_of_the_time_at_which_it_was_said(monkeypatch):
    """Held up before the key, it is no more than the pre-roll; held up at the release, it is in the utterance."""
    heard = Microphone(pre_roll_ms=300, tail_ms=200)
    begin = heard.begin = time.monotonic() - 10
    device = SimpleNamespace(rate_hz=16_000)
    backend = SimpleNamespace(
        follows_default=lambda: True, open_input=lambda _device, on_samples, *_: opened.append(on_samples) or device
    )
    opened: list = []
    monkeypatch.setattr(
        microphones, "find_device", lambda *_, **__: (backend, SimpleNamespace(name="VMic", is_default=True))
    )
    microphones.open_microphone(None, heard.capture.on_block, pytest.fail, loop=asyncio.get_running_loop())

    def deliver(first_s: float, last_s: float, held_up_until_s: float = 0.0) -> None:
        for n in range(round(first_s * 50), round(last_s * 50)):
            came_at = begin + max((n + 1) * 0.02, held_up_until_s)
            opened[0](heard.spoken[n * 320 : n * 320 + 320], 16_000, came_at)

    deliver(0.0, 1.0)
    deliver(1.0, 1.5, held_up_until_s=1.5)
    heard.capture.start(1, begin + 1.5)
    deliver(1.5, 2.0)
    heard.capture.stop(begin + 2.1)
    deliver(2.0, 2.6, held_up_until_s=2.4)
    assert bytes(heard.ended[0].audio) == heard.between(1.2, 2.3)
