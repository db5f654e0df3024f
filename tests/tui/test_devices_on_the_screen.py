"""What the screen shows of microphones and speakers: opening, level and peak, and the sheet to choose from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selam_cli.core import events
from selam_cli.core.session import MicrophoneState, Phase
from tests.tui.play import READY
from tests.tui.test_panes import screen, shown, until

TALKING = replace(READY, phase=Phase.LISTENING, turn=1)
OPENING = replace(TALKING, microphone=MicrophoneState("Headset", 16_000, open=True, opening=True))


def meter(app):
    return next(line for line in shown(app).splitlines() if "microphone " in line and "─" in line)


@pytest.mark.parametrize("size", [(80, 24), (40, 15), (30, 10)])
async def test_a_microphone_that_opens_is_told_until_it_hears(size):
    app = screen([])
    async with app.run_test(size=size) as pilot:
        app._inbox.put(OPENING)
        await until(pilot, lambda: "opening…" in shown(app).lower())
        assert "● LISTENING" not in shown(app).upper()
        app._inbox.put(TALKING)
        await until(pilot, lambda: "● LISTENING" in shown(app).upper())
        assert "opening…" not in shown(app).lower()


async def test_a_microphone_that_opens_while_nobody_talks_is_no_news():
    app = screen([])
    async with app.run_test(size=(80, 24)) as pilot:
        app._inbox.put(replace(OPENING, phase=Phase.READY))
        await until(pilot, lambda: "READY" in shown(app))
        assert "opening" not in shown(app).lower()


async def test_the_meter_holds_the_peak_and_marks_clipping():
    app = screen([])
    async with app.run_test(size=(80, 24)) as pilot:
        app._inbox.put(TALKING)
        app._inbox.put(events.Level(-40.0, -10.0, clipped=False, output_dbfs=-90.0))
        await until(pilot, lambda: "╸" in meter(app))
        line = meter(app)
        assert line.count("━") == 12
        assert line.index("╸") - line.index("━") == 29
        assert "−40 dB" in line
        app._inbox.put(events.Level(-40.0, 0.0, clipped=True, output_dbfs=-90.0))
        await until(pilot, lambda: "too loud" in meter(app))
        app._inbox.put(events.Level(-10.0, -10.0, clipped=False, output_dbfs=-90.0))
        await until(pilot, lambda: "−10 dB" in meter(app))
        assert "╸" not in meter(app)


async def test_the_sheet_lists_monitors_apart_and_chooses_them_by_their_name():
    app = screen([events.to_line(READY, 0.0)])
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Test microphone" in shown(app))
        await pilot.press("d")
        found = [{"name": "Monitor of Speaker", "monitor": True}, {"name": "Test microphone", "monitor": False}]
        app._inbox.put(events.Devices(found, [{"name": "Test speaker"}]))
        await until(pilot, lambda: "Monitor of Speaker" in shown(app))
        lines = shown(app).splitlines()
        where = [
            next(number for number, line in enumerate(lines) if text in line)
            for text in ("Test microphone  (in use)", "what speakers play", "Monitor of Speaker")
        ]
        assert where == sorted(where)
        await pilot.press("down", "enter")
        await until(pilot, lambda: ("microphone", "Monitor of Speaker") in app._engine.commands)


async def test_the_sheet_marks_what_is_in_use_and_says_what_cannot_be_had():
    app = screen([events.to_line(READY, 0.0)])
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Test microphone" in shown(app))
        await pilot.press("d")
        await until(pilot, lambda: "Looking for devices" in shown(app))
        found = [{"name": "Test microphone", "is_default": True}, {"name": "Headset"}]
        app._inbox.put(events.Devices(found, [{"name": "Test speaker"}]))
        await until(pilot, lambda: "Test microphone  (in use, default)" in shown(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: ("microphone", "Headset") in app._engine.commands)
        app._inbox.put(events.ErrorRaised("device_error", "The microphone Headset cannot be opened.", "", fatal=False))
        await until(pilot, lambda: "The microphone Headset cannot be opened." in shown(app))
        app._inbox.put(replace(READY, microphone=MicrophoneState("Headset", 16_000, open=True)))
        await until(pilot, lambda: "Headset  (in use)" in shown(app))
        assert "Test microphone  (default)" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: app._engine.commands.count(("microphone", "Headset")) == 2)


async def test_what_the_engine_found_before_the_sheet_is_there_stands_in_it():
    app = screen([events.to_line(READY, 0.0)])
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "READY" in shown(app))
        app.action_devices()
        app._tell_sheet(events.Devices([{"name": "Headset"}], [{"name": "Speakers"}]))
        await until(pilot, lambda: "Headset" in shown(app))
        assert "Looking for devices" not in shown(app)
