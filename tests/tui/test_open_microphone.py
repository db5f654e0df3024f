"""In open mode the screen says whether one can talk over the agent; the help says why."""

import json

import pytest

from selam_cli.core.push_to_talk import Mode
from selam_cli.tui import labels
from selam_cli.tui.state import TalkView
from tests.tui.test_panes import screen, shown, until

LINE = {
    "event": "state", "t": 0.0, "phase": "ready", "turn": 0,
    "connection": {"server": "ws://127.0.0.1:1", "kind": "custom", "sid": "sid", "rtt_ms": 12.0},
    "voice": "mekdes", "language": None, "vad_threshold": 600, "interrupt_threshold": 8, "listening": True,
    "paused": False, "muted": False, "volume": 100,
    "microphone": {"name": "Test microphone", "rate_hz": 16000, "open": True}, "speaker": "Test speaker",
    "user_text": "", "reply_text": "", "queued_seconds": 0.0, "kept_seconds": 0.0,
}  # fmt: skip


def state(**changes):
    return json.dumps({**LINE, **changes})


@pytest.mark.parametrize(
    ("processing", "in_force", "while_it_speaks"),
    [
        ({}, "open microphone · half duplex", "it listens when the agent has finished"),
        ({"processing": []}, "open microphone · half duplex", "it listens when the agent has finished"),
        ({"processing": ["noise_suppression"]}, "open microphone · half duplex", "it listens when the agent has"),
        ({"processing": ["echo_cancellation"]}, "open microphone · echo cancelled", "just talk to interrupt it"),
    ],
)
async def test_the_bar_says_what_is_in_force(processing, in_force, while_it_speaks):
    app = screen([state(**processing), state(phase="speaking", **processing)], ptt="open")
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: while_it_speaks in shown(app))
        assert in_force in shown(app)


async def test_what_comes_into_force_later_is_drawn():
    app = screen([state(), state(processing=["echo_cancellation"])], ptt="open")
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "open microphone · echo cancelled" in shown(app))


async def test_push_to_talk_says_nothing_of_an_open_microphone():
    app = screen([state(phase="speaking", processing=["echo_cancellation"])])
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "silences the agent" in shown(app))
        assert "open microphone" not in shown(app)


async def test_the_help_explains_it():
    app = screen([state(phase="ready")], ptt="open")
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "READY" in shown(app))
        await pilot.press("?")
        await until(pilot, lambda: "Half duplex" in shown(app))
        assert "selam-voice[aec]" in shown(app)


def test_the_help_names_what_is_done_to_the_sound():
    said = labels.processing_explanation(TalkView(), ("echo_cancellation", "gain_control"))
    assert "echo cancellation, gain control" in said
    assert "without a headset" in said
    assert "heard as it is" in labels.processing_explanation(TalkView(mode=Mode.HOLD), ())
