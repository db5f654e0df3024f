"""When the screen believes that nobody is at the terminal any more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selam_cli.keyboard import multiplexer
from selam_cli.keyboard.multiplexer import Clients
from selam_cli.keyboard.signs import ASK_EVERY_S, NO_SIGN_S, SILENT, Signs


class Listener:
    def __init__(self) -> None:
        self.wants_signs = True
        self.told: list[str] = []

    def on_no_sign(self, why: str, at: float) -> None:
        self.told.append(why)

    def on_back(self) -> None:
        self.told.append("back")

    def on_far(self, *, far: bool) -> None:
        self.told.append("far" if far else "near")


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
    of_screen = {"STY": socket.name, "SCREENDIR": os.fspath(tmp_path)}
    assert multiplexer.clients(of_screen) == Clients(there, far=True)
    gone = {"STY": "456.gone", "SCREENDIR": os.fspath(Path(tmp_path, "none"))}
    assert multiplexer.clients(gone) == Clients(None, far=True)


def test_a_tmux_that_cannot_be_asked_says_nothing(tmp_path):
    for path in (os.environ["PATH"], os.fspath(tmp_path)):
        asked = {"TMUX": f"{tmp_path}/none,1,0", "PATH": path}
        assert multiplexer.clients(asked) == Clients(None, far=True)


@pytest.mark.parametrize(
    ("told", "environment", "expected"),
    [
        ("1,,variables,", {}, Clients(attached=True, far=False, count=1)),
        ("1,1,variables,\n", {}, Clients(attached=True, far=False, count=1)),
        ("0,,variables,", {}, Clients(attached=False, far=False, count=0)),  # driven by a program
        ("1,,variables,linked", {}, Clients(attached=True, far=True, count=1)),
        ("2,,variables,", {}, Clients(attached=True, far=True, count=2)),
        ("1,2,variables,", {}, Clients(attached=True, far=True, count=2)),
        ("0,1,variables,", {}, Clients(attached=True, far=False, count=1)),
        ("1,,,", {}, Clients(attached=True, far=True, count=1)),  # a tmux whose formats know no variables
        ("1,,variables,", {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, Clients(attached=True, far=True, count=1)),
        ("1,,variables,", {"SSH_TTY": "/dev/pts/1"}, Clients(attached=True, far=True, count=1)),
        ("1,,variables,", {"STY": "123.pts-0.host"}, Clients(attached=True, far=True, count=1)),
        ("1", {}, Clients(attached=True, far=True, count=1)),
        ("", {}, Clients(attached=None, far=True)),
        ("no server running", {}, Clients(attached=None, far=True)),
        (None, {}, Clients(attached=None, far=True)),
    ],
)
def test_a_tmux_is_near_where_its_only_client_came_without_a_link(told, environment, expected):
    assert multiplexer.of_tmux(environment, told) == expected


@pytest.mark.parametrize(
    ("environment", "far"),
    [
        ({}, False),
        ({"SSH_CONNECTION": ""}, False),
        ({"SSH_CLIENT": "10.0.0.1 50000 22"}, True),
        ({"TMUX": "/tmp/none,1,0"}, True),
        ({"STY": "123.pts-0.host"}, True),
    ],
)
def test_what_was_not_asked_yet_may_be_far(environment, far):
    assert multiplexer.may_be_far(environment) is far


def test_the_keyboard_is_told_how_keys_come_at_the_start_and_when_that_changes(monkeypatch):
    monkeypatch.setenv("TMUX", "/tmp/none,1,0")
    answers = [Clients(attached=True, far=False)] * 2 + [Clients(attached=True, far=True)]
    monkeypatch.setattr(multiplexer, "clients", lambda _: answers.pop(0))
    signs = Signs(Listener())

    def asked_at(second: float) -> list[str]:
        signs.look(second, None, 0.0)
        signs._asking.join()
        signs.look(second + 0.1, None, 0.0)
        return signs._listener.told

    signs._listener.wants_signs = False
    assert asked_at(10.0) == ["near"]
    assert asked_at(20.0) == ["near"]
    signs._listener.wants_signs = True
    assert asked_at(30.0) == ["near"]
    assert asked_at(40.0) == ["near", "far"]
