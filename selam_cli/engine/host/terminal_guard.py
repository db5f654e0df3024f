"""A process that puts the terminal back when the one that changed its modes dies without doing so.

Nothing that runs in a process can act on SIGKILL or on a crash in native code. The guard waits for the end of its
standard input, which comes with its parent's end however that comes about, and then restores what was remembered. While
an engine runs it does this work; `keys`, `login` and `doctor` have none, and neither has a screen whose engine has
ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from selam_cli.engine.host import terminal_modes

_DISMISSED: Final = b"."
"""What the guard reads before the end where its parent has left the terminal in order."""


class TerminalGuard:
    """The guard as its parent sees it: `start` it, and `dismiss` it before the terminal is given back."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    def start(cls, modes: Mapping[str, str]) -> TerminalGuard | None:
        """Start one that restores these modes (`terminal_modes.remembered`); None where there is nothing to restore."""
        if sys.platform == "win32" or not modes:
            return None
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "selam_cli.engine.host.terminal_guard"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, **modes}, process_group=0,
            )  # fmt: skip
        except OSError:  # no process to be had: the screen goes on without
            return None
        return cls(process)

    def dismiss(self) -> None:
        """Have it end without touching the terminal. Never raises, and waits for nothing."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                os.write(self._process.stdin.fileno(), _DISMISSED)
            with contextlib.suppress(OSError):
                self._process.stdin.close()


@contextlib.contextmanager
def guarded(undo: bytes = b"") -> Iterator[None]:
    """Leave the terminal as it was found, with what `undo` takes back, should this process die within the block."""
    guard = TerminalGuard.start(terminal_modes.remembered(undo))
    try:
        yield
    finally:
        if guard is not None:
            guard.dismiss()


def main() -> None:
    """Wait for the parent's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # what ends the screen must not end its guard before it
    if not os.read(0, 1):
        terminal_modes.restore(os.environ.get(terminal_modes.VARIABLE, ""))


if __name__ == "__main__":
    main()
