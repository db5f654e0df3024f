"""When the screen draws what has come: soon, and whatever becomes of a timer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from selam_cli.tui import app
from selam_cli.tui.app import ScreenOptions, SelamScreen
from selam_cli.tui.replay import ReplayEngine
from tests.tui.play import READY

PATIENCE_S = 60


def screen_at(now: float, monkeypatch: pytest.MonkeyPatch) -> SelamScreen:
    """Return a screen whose clock stands still, so that what it waits for is exactly what it is given to wait."""
    monkeypatch.setattr(app, "time", SimpleNamespace(monotonic=lambda: now, strftime=lambda _: "12:00:00"))
    return SelamScreen(ReplayEngine([]), ScreenOptions())


async def drawn(screen: SelamScreen, voice: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while screen.state.session.voice != voice:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("wait_s", [0.0, 1e-12, 1e-9, 1e-7, 5e-7, 1e-6, 1e-3])
async def test_what_comes_is_drawn_however_short_the_wait_for_its_frame(wait_s, monkeypatch):
    screen = screen_at(100.0, monkeypatch)
    async with screen.run_test():
        screen._next_frame_at = 100.0 + wait_s
        screen._hear(0.0, replace(READY, voice="first"))
        await drawn(screen, "first")


async def test_what_nobody_told_of_is_drawn_all_the_same(monkeypatch):
    screen = screen_at(100.0, monkeypatch)
    async with screen.run_test() as pilot:
        await pilot.pause()
        monkeypatch.setattr(screen, "post_message", lambda _: False)  # as an app does that is not ready for it
        screen._hear(0.0, replace(READY, voice="lost"))
        monkeypatch.undo()
        monkeypatch.setattr(app, "time", SimpleNamespace(monotonic=lambda: 200.0, strftime=lambda _: "12:00:00"))
        await drawn(screen, "lost")
