"""The room measured beside what else listens to the microphone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from selam_cli.core import events
from selam_cli.core.conversation.effects import Moment
from selam_cli.core.session import MicrophoneState, SessionState
from selam_cli.engine.calibration import Calibration
from selam_cli.engine.uplink.capture import Capture

BLOCK = 320


class Stand:
    """An open microphone in a room that hums, and who listens there."""

    def __init__(self) -> None:
        self.told: list[events.Notice] = []
        self.sent = 0
        self.needed: list[bool] = []
        self.listeners: list = []
        self.player = SimpleNamespace(sounding=False)
        self.conversation = SimpleNamespace(
            capture=Capture(pre_roll_ms=0, tail_ms=0, on_growth=lambda _: None, on_complete=lambda _: None),
            listen=self.listeners.append,
            state=SessionState(microphone=MicrophoneState("Headset", 16_000, open=True)),
        )
        self.conversation.capture.listen(self._send)
        self.calibration = Calibration(
            self.conversation, self.player, lambda _why, needed: self.needed.append(needed), self.told.append
        )
        self._noise = np.random.default_rng(2)
        self._heard = 0

    def _send(self, samples: np.ndarray, _ended_at: float) -> None:
        self.sent += len(samples)

    async def hear(self, seconds: float, rms: float = 120) -> None:
        """Let so much of the room be heard, and whoever waits for it go on."""
        await asyncio.sleep(0)
        for _ in range(round(seconds * 16_000) // BLOCK):
            self._heard += BLOCK
            block = self._noise.normal(0, rms, BLOCK).astype(np.int16)
            self.conversation.capture.on_block(block, self._heard / 16_000)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def stand():
    someone = Stand()
    yield someone
    someone.calibration.close()
    await asyncio.sleep(0)


async def test_an_open_microphone_hears_on_however_often_the_room_is_measured(stand):
    for _ in range(3):
        stand.calibration.begin()
        await stand.hear(0.8)
    await stand.hear(3.0)
    assert [notice.severity for notice in stand.told] == ["info"], "who asks meanwhile gets the same answer"
    before = stand.sent
    await stand.hear(1.0)
    assert (before, stand.sent) == (round(5.4 * 16_000), round(6.4 * 16_000)), "not a block was missed"
    assert stand.needed == [True, False]


async def test_it_is_measured_anew_once_it_has_been_measured(stand):
    for count in (1, 2):
        stand.calibration.begin()
        await stand.hear(2.3)
        assert len(stand.told) == count


async def test_who_begins_to_talk_is_no_noise_of_the_room(stand):
    stand.calibration.begin()
    await stand.hear(1.0)
    stand.conversation.capture.start(1, 0.0)
    stand.listeners[0](Moment.TALK_BEGINS)
    await stand.hear(0.1, rms=5_000)
    assert [notice.message for notice in stand.told] == ["The room is not measured while you talk."]
    stand.conversation.capture.abandon()


@pytest.mark.parametrize("already", [True, False])
async def test_nor_is_the_agent_that_begins_to_speak(stand, already):
    stand.player.sounding = already
    stand.calibration.begin()
    await stand.hear(1.0)
    stand.player.sounding = True
    await stand.hear(0.1)
    assert [notice.message for notice in stand.told] == ["The room is not measured while the agent speaks."]


async def test_another_microphone_is_measured_from_its_own_beginning(stand):
    stand.calibration.begin()
    await stand.hear(1.5, rms=3_000)
    stand.conversation.state = SessionState(microphone=MicrophoneState("Built-in", 16_000, open=True))
    await stand.hear(1.0)
    assert not stand.told
    await stand.hear(1.5)
    assert 340 <= int(stand.told[0].remedy.removeprefix("vad-threshold ")) <= 400, stand.told


async def test_who_leaves_meanwhile_is_told_nothing_and_leaves_no_listener(stand):
    stand.calibration.begin()
    await stand.hear(1.0)
    stand.calibration.close()
    await stand.hear(3.0)
    assert not stand.told
    assert stand.needed == [True, False]
