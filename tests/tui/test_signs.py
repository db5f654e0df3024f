"""When the screen believes that nobody is at the terminal any more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selam_cli.tui import multiplexer
from selam_cli.tui.signs import ASK_EVERY_S, NO_SIGN_S, SILENT, Signs


class Listener:
    def __init__(self) -> None:
        self.wants_signs = True
        self.told: list[str] = []

    def on_no_sign(self, why: str, at: float) -> None:
        self.told.append(why)

    def on_back(self) -> None:
        self.told.append("back")


@pytest.fixture
def signs(monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("STY", raising=False)
    return Signs(Listener())


def look(signs: Signs, seconds: range, *, asked_at: float | None = None, round_trip_s: float = 0.1) -> list[int]:
    """Return the seconds at which a question was due."""
    return [second for second in seconds if signs.look(float(second), asked_at, round_trip_s)]


def test_a_question_that_is_not_answered_closes_and_a_sign_opens_again(signs):
    assert look(signs, range(10, 14)) == [13]
    look(signs, range(14, 18), asked_at=13.0)
    assert signs._listener.told == []
    look(signs, range(18, 30), asked_at=13.0)
    assert signs._listener.told == [SILENT]
    signs.on_read(30.0)
    assert signs._listener.told == [SILENT, "back"]


def test_a_slow_link_gets_four_round_trips(signs):
    look(signs, range(10, 14), round_trip_s=4.0)
    look(signs, range(14, 29), asked_at=13.0, round_trip_s=4.0)
    assert signs._listener.told == []


@pytest.mark.parametrize("case", ["it never answered", "keys come", "no microphone is open"])
def test_nobody_is_missed_where(signs, case):
    signs._listener.wants_signs = case != "no microphone is open"
    for second in range(10, 60):
        if case == "keys come":
            signs.on_read(float(second))
        assert not signs.look(float(second), None, 0.0 if case == "it never answered" else 0.1)
    assert signs._listener.told == []


def test_a_program_that_was_stopped_asks_before_it_believes_anything(signs):
    look(signs, range(10, 12))
    assert signs.look(500.0, None, 0.1)
    assert signs._listener.told == []
    assert ASK_EVERY_S < NO_SIGN_S


@pytest.mark.parametrize(("mode", "there"), [(0o700, True), (0o600, False)])
def test_gnu_screen_marks_its_socket_while_a_client_is_attached(tmp_path, mode, there):
    socket = tmp_path / "123.pts-0.host"
    socket.touch(mode)
    socket.chmod(mode)
    assert multiplexer.attached({"STY": socket.name, "SCREENDIR": os.fspath(tmp_path)}) is there
    assert multiplexer.attached({"STY": "456.gone", "SCREENDIR": os.fspath(Path(tmp_path, "none"))}) is None


def test_a_tmux_that_cannot_be_asked_says_nothing(tmp_path):
    assert multiplexer.attached({"TMUX": f"{tmp_path}/none,1,0", "PATH": os.environ["PATH"]}) is None
    assert multiplexer.attached({"TMUX": f"{tmp_path}/none,1,0", "PATH": os.fspath(tmp_path)}) is None
