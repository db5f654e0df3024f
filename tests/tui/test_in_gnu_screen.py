"""The screen in a real GNU screen: Escape is heard at once, and the colours are those that there are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("GNU screen is a POSIX thing", allow_module_level=True)

from selam_cli.keyboard.surroundings import forget_inherited_colours, in_gnu_screen
from tests.support.needs import need_programs
from tests.support.terminal import LEGACY, PlayedScreen, Terminal


class InGnuScreen(Terminal):
    """A terminal with GNU screen in it, and the screen in that."""

    def __init__(self, folder: Path, sockets: str) -> None:
        self._told = folder / "commands"
        program = [sys.executable, "-m", "tests.tui.play", str(self._told), "{}"]
        super().__init__(
            [shutil.which("screen") or "", "-U", "-c", "/dev/null", *program],
            profile=LEGACY,
            environment={"LC_ALL": "C.UTF-8", "SCREENDIR": sockets},
        )

    @property
    def commands(self) -> list[str]:
        """The verbs that the engine was told."""
        return [line.split()[0] for line in self._told.read_text().splitlines()] if self._told.exists() else []


@contextmanager
def screen_in_gnu_screen(folder: Path) -> Iterator[InGnuScreen]:
    need_programs("screen")
    # Not in the test's own folder: the name of a socket is short.
    with tempfile.TemporaryDirectory(prefix="screen") as sockets, InGnuScreen(folder, sockets) as terminal:
        try:
            terminal.wait_for_text("READY")
            yield terminal
        finally:
            ended = {**os.environ, "SCREENDIR": sockets}
            subprocess.run(["screen", "-X", "quit"], env=ended, check=False, capture_output=True)


def test_a_lone_escape_throws_away_and_the_next_key_is_a_key(tmp_path):
    with screen_in_gnu_screen(tmp_path) as terminal:
        terminal.tap(" ")
        terminal.wait_for_text("MICROPHONE OPEN")
        terminal.send(b"\x1b")
        terminal.wait_for(lambda: "discard" in terminal.commands, "discard, with no byte behind the Escape")
        terminal.tap("i")
        terminal.wait_for(lambda: "interrupt" in terminal.commands, "interrupt")


@pytest.mark.parametrize(
    ("environment", "there"),
    [
        ({"STY": "1.pts-0", "TERM": "screen"}, True),
        ({"STY": "1.pts-0", "TERM": "xterm-256color"}, True),
        ({"TERM": "screen.xterm-256color"}, True),
        ({"TERM": "screen-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux,1,0"}, False),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux,1,0"}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({"TERM": "screenplay"}, False),
        ({}, False),
    ],
)
def test_where_gnu_screen_is_in_between_its_inherited_colours_are_forgotten(environment, there):
    assert in_gnu_screen(environment) is there
    kept = {**environment, "COLORTERM": "truecolor"}
    forget_inherited_colours(kept)
    assert ("COLORTERM" in kept) is not there


@pytest.mark.parametrize(
    "environment",
    [{"COLORTERM": "", "TERM": "xterm"}, {"STY": "1.pts-0", "TERM": "screen", "COLORTERM": "truecolor"}],
    ids=["sixteen", "GNU screen"],
)
def test_an_open_microphone_stands_out_in_sixteen_colours(environment):
    with PlayedScreen("{}", profile=LEGACY, environment=environment) as screen:
        screen.wait_for_text("READY")
        screen.tap(" ")
        screen.wait_for_text("● MICROPHONE OPEN")
        row = screen.row_of("MICROPHONE OPEN")
        column = screen.display.display[row].index("MICROPHONE")
        cell = screen.display.buffer[row][column]
        assert (cell.fg, cell.bg) == ("black", "brightbrown"), "black on bright yellow, as pyte calls it"
        assert b"38;2;" not in screen.written
        assert (1003 in screen.modes_on) is ("STY" not in environment)
