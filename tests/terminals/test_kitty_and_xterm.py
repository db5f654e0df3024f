"""The screen in kitty, which tells releases, and in xterm, which does not: real keys, held and repeated by X."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("X is not Windows' way to draw", allow_module_level=True)

from tests.support.needs import need_programs
from tests.support.shell_run import ShellRun, until
from tests.support.terminal import without_resumptions
from tests.support.x_server import PROGRAMS, TerminalWindow, XServer

# One display a run, whose keyboard is one test's at a time.
pytestmark = pytest.mark.xdist_group("x_server")

HOLD_S = 1.2
"""How long a hand holds the key: longer than X's delay before a key repeats, and some repeats."""

HAND_RESTS_S = 1.0
"""Between two taps; sooner, where no release is told, the second looks like a repeat of the first."""


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XServer]:
    need_programs(*PROGRAMS)
    with XServer(tmp_path_factory.mktemp("x")) as server:
        yield server


@pytest.fixture(params=["kitty", "xterm"])
def terminal(request: pytest.FixtureRequest) -> str:
    need_programs(request.param)
    return str(request.param)


@contextmanager
def screen_in(terminal: str, display: XServer, folder: Path, layout: str = "us") -> Iterator[ShellRun]:
    display.layout(layout)
    run = ShellRun(folder)
    with TerminalWindow(display, terminal, run.program):
        run.wait_for_command("levels on")
        display.tap("space")  # keys arrive: the window has the focus
        run.wait_for_command("press")
        display.tap("escape")
        run.wait_for_command("discard")
        yield run


def talks(run: ShellRun) -> list[str]:
    """Return what the talk key has led to since `screen_in`."""
    return without_resumptions(run.commands)[3:]


def left_in_order(run: ShellRun, display: XServer) -> bool:
    """Whether the shell gets what is typed, and nothing else, in the modes that it had."""
    display.layout("us")
    display.type("echo")
    display.tap("enter")
    return run.wait_for_typed() == "echo" and run.modes_kept


def test_tap_hold_and_leave(terminal, display, tmp_path):
    with screen_in(terminal, display, tmp_path) as run:
        display.tap("space")
        run.wait_for_command("press", times=2)
        time.sleep(HAND_RESTS_S)
        display.tap("space")
        run.wait_for_command("release")
        time.sleep(HAND_RESTS_S)
        display.press("space")
        time.sleep(HOLD_S)
        held = ["press", "release", "press"]
        until(lambda: talks(run) == held, lambda: f"{held}, after {run.commands}")
        display.release("space")
        ended = ["press", "release", "press", "release" if terminal == "kitty" else "release inferred"]
        until(lambda: talks(run) == ended, lambda: f"{ended}, after {run.commands}")
        display.tap("q")
        assert run.wait_for_status() == 0
        assert left_in_order(run, display)


@pytest.mark.parametrize(("keys", "status"), [(["q"], 0), (["ctrl", "c"], 130)], ids=["q", "ctrl+c"])
def test_an_ethiopic_layout_leaves_by_the_same_keys(terminal, display, tmp_path, keys, status):
    with screen_in(terminal, display, tmp_path, layout="et,us") as run:
        display.tap(*keys)
        assert run.wait_for_status() == status
        assert left_in_order(run, display)


def test_a_hang_up_gives_the_terminal_back(terminal, display, tmp_path):
    with screen_in(terminal, display, tmp_path) as run:
        run.screen.send_signal(signal.SIGHUP)
        assert run.wait_for_status() == 129
        assert run.commands[-1] == "quit"
        assert left_in_order(run, display)
