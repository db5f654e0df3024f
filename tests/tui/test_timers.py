"""One-shot timers of the screens call back, however short they are and whatever holds the process up as they begin."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from textual import timer as textual_timer

from selam_cli.tui.timers import TimelyApp

PATIENCE_S = 60


@pytest.mark.parametrize("delay_s", [1e-9, 1e-7, 5e-7, 1e-3])
async def test_a_short_timer_calls_back_every_time(delay_s):
    app = TimelyApp()
    async with app.run_test(), asyncio.timeout(PATIENCE_S):
        calls = [asyncio.Event() for _ in range(20)]
        for call in calls:
            app.set_timer(delay_s, call.set)
        for call in calls:
            await call.wait()


async def test_a_timer_calls_back_though_the_process_stood_still_as_it_began(monkeypatch):
    """As in a garbage collection between the two looks at the clock with which Textual's task begins."""
    app = TimelyApp()
    async with app.run_test(), asyncio.timeout(PATIENCE_S):
        looks = itertools.count()
        monkeypatch.setattr(textual_timer._time, "get_time", lambda: time.monotonic() + next(looks))
        called = asyncio.Event()
        app.set_timer(0.01, called.set)
        await called.wait()
