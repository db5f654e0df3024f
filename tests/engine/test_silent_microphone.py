"""A microphone that delivers nothing while one talks: told once a turn, and never of one that hears a quiet room."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from selam_cli.config.settings import Settings
from selam_cli.core.conversation.effects import Moment
from selam_cli.core.session import SessionState
from selam_cli.engine.devices import devices
from selam_cli.engine.devices.devices import SILENT_FOR_S, AudioDevices

BLOCK_S = 0.02
SILENCE = np.zeros(320, np.int16)
QUIET_ROOM = np.random.default_rng(1).normal(0, 8, 320).astype(np.int16)


class Stand:
    """The engine's devices with a microphone that the test plays, while somebody talks or nobody does."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.on_block = None
        self._state = SessionState()
        self._listeners: list = []
        self._conversation = SimpleNamespace(
            capture=SimpleNamespace(talking=False),
            hearing=SimpleNamespace(on_block=lambda *_: None),
            state=self._state,
            update=lambda **_: None,
            listen=self._listeners.append,
        )
        self.devices = AudioDevices(
            self._conversation,
            SimpleNamespace(make_pull=lambda _: None, sounding=False, fading=False),
            self._on,
            Settings(),
        )

    def _on(self, event) -> None:
        self.told.append(event.code)

    def open(self, _spec, on_block, _on_lost, **_):
        """In place of `open_microphone`."""
        self.on_block = on_block
        return SimpleNamespace(name="VMic", rate_hz=16_000, follows_default=True, close=lambda: None)

    def talk(self, turn: int) -> None:
        self._conversation.state = SessionState(turn=turn)
        self._conversation.capture.talking = True
        for listener in self._listeners:
            listener(Moment.TALK_BEGINS)

    def let_go(self) -> None:
        self._conversation.capture.talking = False

    def hear(self, seconds: float, block: np.ndarray = SILENCE) -> None:
        for number in range(round(seconds / BLOCK_S)):
            self.on_block(block, number * BLOCK_S)


@pytest.fixture
async def stand(monkeypatch):
    someone = Stand()
    monkeypatch.setattr(devices.microphone, "open_microphone", someone.open)
    monkeypatch.setattr(devices, "RosterWatch", lambda *_: SimpleNamespace(stop=lambda: None))
    monkeypatch.setattr(devices, "LazySpeaker", _no_speaker)
    await someone.devices.open()
    someone.told.clear()
    yield someone
    await someone.devices.close()


def _no_speaker(*_, **__):
    raise devices.DeviceError("There is none.", "")


def test_it_is_told_once_a_turn(stand):
    for turn in (1, 2):
        stand.talk(turn)
        stand.hear(SILENT_FOR_S - BLOCK_S)
        assert len(stand.told) == turn - 1
        stand.hear(3 * SILENT_FOR_S)
        assert stand.told == ["microphone_silent"] * turn
        stand.let_go()


def test_what_was_silent_before_one_talked_does_not_count(stand):
    stand.hear(2 * SILENT_FOR_S)
    stand.talk(1)
    stand.hear(SILENT_FOR_S / 2)
    assert stand.told == []


def test_a_quiet_room_is_no_silent_microphone(stand):
    stand.talk(1)
    stand.hear(3 * SILENT_FOR_S, QUIET_ROOM)
    assert stand.told == []


def test_nobody_is_told_who_does_not_talk(stand):
    stand.hear(3 * SILENT_FOR_S)
    assert stand.told == []
