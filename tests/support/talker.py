"""An engine without devices in a conversation with a test's own server: the test is the user's voice and hands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np

from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.core.pcm import samples_in
from selam_cli.credentials.handshake import Credentials
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.lines.commands import parse_command
from selam_cli.engine.server_target import ServerTarget

SETTINGS = Settings(release_tail_ms=0, pre_roll_ms=0)


class Talker:
    def __init__(self, url: str, settings: Settings = SETTINGS, attempts: int | None = None) -> None:
        self.told: list[events.Event] = []
        self._changed = asyncio.Event()
        target = ServerTarget("custom", url, Credentials("sk-selam-test-good"))
        self.engine = VoiceEngine(settings, target, self._note, with_devices=False, attempts=attempts)

    def _note(self, event: events.Event) -> None:
        self.told.append(event)
        self._changed.set()

    def do(self, line: str) -> None:
        self.engine.execute(parse_command(line))

    def say(self, samples: np.ndarray) -> None:
        """Let the microphone hear samples at 16 kHz, in blocks of 20 ms, faster than real time."""
        size = samples_in(20)
        for start in range(0, len(samples), size):
            self.engine.conversation.capture.on_block(samples[start : start + size], time.monotonic())

    def utter(self, samples: np.ndarray) -> None:
        """One whole utterance: press, speak, release."""
        self.do("press")
        self.say(samples)
        self.do("release")
        self.engine.conversation.capture.end_now()

    async def until(self, kind: type, condition: Callable[[events.Event], object] = lambda _: True, count: int = 1):
        async with asyncio.timeout(60):
            while True:
                found = [event for event in self.told if isinstance(event, kind) and condition(event)]
                if len(found) >= count:
                    return found[count - 1]
                self._changed.clear()
                await self._changed.wait()

    def of(self, *kinds: type) -> list[events.Event]:
        return [event for event in self.told if isinstance(event, kinds)]

    @property
    def phases(self) -> list[str]:
        seen: list[str] = []
        for event in self.of(events.StateChanged):
            if not seen or seen[-1] != event.phase:
                seen.append(event.phase)
        return seen


@asynccontextmanager
async def talker(url: str, settings: Settings = SETTINGS, **changes):
    attempts = changes.pop("attempts", None)
    someone = Talker(url, replace(settings, **changes), attempts)
    running = asyncio.create_task(someone.engine.run())
    try:
        yield someone
    finally:
        someone.engine.quit()
        someone.status = await running


def tone(seconds: float, rate_hz: int = 16_000) -> np.ndarray:
    """A voice-like loudness that never holds exact zeros for long; every sample differs from its neighbours."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * 220 * t) + 1_000 * np.sin(2 * np.pi * 1_333 * t)).astype(np.int16)
