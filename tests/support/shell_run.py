"""The played screen (tests/tui/play.py) run by a shell, in whichever terminal: what it was told and what it left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.support.terminal import PATIENCE_S

SCRIPT = Path(__file__).parent / "under_a_shell.sh"


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait until another process has done something that can only be seen by looking."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"this did not come: {what()}"
        time.sleep(0.02)


class ShellRun:
    """One run in a folder of its own; `program` is what a terminal is to run."""

    def __init__(self, folder: Path, scene: str = "{}") -> None:
        self._folder = folder
        self.program = [
            "/bin/sh", str(SCRIPT), str(folder),
            sys.executable, "-m", "tests.tui.play", str(folder / "commands"), scene,
        ]  # fmt: skip

    @property
    def commands(self) -> list[str]:
        """What the engine was told, times left out."""
        lines = self._read("commands").splitlines()
        return [" ".join(word for word in line.split() if "." not in word) for line in lines]

    @property
    def status(self) -> int | None:
        """The screen's exit status; None while it runs."""
        status = self._read("status").strip()
        return int(status) if status else None

    @property
    def typed(self) -> str | None:
        """The first line that the shell got after the screen; None until then."""
        return self._read("typed") if (self._folder / "typed").exists() else None

    @property
    def modes_kept(self) -> bool:
        """Whether the terminal driver's modes are what they were."""
        return self._read("modes_before") == self._read("modes_after") != ""

    @property
    def screen(self) -> psutil.Process:
        """The process that draws the screen."""
        told = str(self._folder / "commands")
        [screen] = [
            process
            for process in psutil.process_iter(["cmdline"])
            if told in (process.info["cmdline"] or ()) and str(SCRIPT) not in process.info["cmdline"]
        ]
        return screen

    def wait_for_command(self, command: str, *, times: int = 1) -> None:
        """Wait until the engine was told something so many times."""
        until(lambda: self.commands.count(command) >= times, lambda: f"{command}, after {self.commands}")

    def wait_for_status(self) -> int:
        """Wait for the screen's end; return its exit status."""
        until(lambda: self.status is not None, lambda: f"the end of the screen, after {self.commands}")
        assert self.status is not None
        return self.status

    def wait_for_typed(self) -> str:
        """Wait until the shell has got a line; return it, with whatever the screen had left before it."""
        until(lambda: self.typed is not None, lambda: "a line for the shell")
        assert self.typed is not None
        return self.typed

    def _read(self, name: str) -> str:
        path = self._folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""
