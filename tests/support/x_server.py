"""A display without a screen (Xvfb), its keyboard, and terminal programs in its windows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.shell_run import until

PROGRAMS = ("Xvfb", "openbox", "xdotool", "setxkbmap", "xset")
START_WITHIN_S = 60

KEYS = {
    "space": "65", "ctrl": "37", "q": "24", "c": "54", "enter": "36",
    "escape": "Escape",  # xdotool takes its code, 9, for the digit
}  # fmt: skip
"""Places on the keyboard, as evdev numbers them: the same key whatever letter its layout has there."""


class XServer:
    """The display, with a window manager that gives new windows the focus; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}

    def __enter__(self) -> XServer:
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "900x600x24", "-nolisten", "tcp", "-noreset"]
        self._start(command, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()  # the server has chosen a free one, and takes connections
        self.environment = {
            **os.environ, "DISPLAY": f":{number}", "LIBGL_ALWAYS_SOFTWARE": "1", "LC_ALL": "C.UTF-8",
            "HOME": str(self._folder), "XDG_RUNTIME_DIR": str(self._folder),
        }  # fmt: skip
        self._start(["openbox"])
        self.do("xset", "r", "rate", "400", "30")
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait()

    def do(self, *command: str) -> str:
        """Run one of the display's own programs; return what it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=START_WITHIN_S
        )
        return done.stdout.strip()

    def layout(self, names: str) -> None:
        """Use these keyboard layouts, the first one active."""
        self.do("setxkbmap", "-layout", names)

    def press(self, *keys: str) -> None:
        """Press keys down, and leave them so: the server repeats the last one."""
        self.do("xdotool", *(word for key in keys for word in ("keydown", KEYS[key])))

    def release(self, *keys: str) -> None:
        """Let keys go."""
        self.do("xdotool", *(word for key in keys for word in ("keyup", KEYS[key])))

    def tap(self, *keys: str) -> None:
        """Press keys, and let them go at once in the other order."""
        down = [word for key in keys for word in ("keydown", KEYS[key])]
        up = [word for key in reversed(keys) for word in ("keyup", KEYS[key])]
        self.do("xdotool", *down, *up)

    def type(self, text: str) -> None:
        """Type a text of Latin letters."""
        self.do("xdotool", "type", "--delay", "20", text)

    def _start(self, command: Sequence[str], pass_fds: Sequence[int] = ()) -> None:
        self._processes.append(
            subprocess.Popen(
                command,
                env=self.environment or None,
                pass_fds=pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )


TERMINALS = {
    "kitty": ("kitty", "--config", "NONE", "-o", "confirm_os_window_close=0", "-o", "update_check_interval=0",
              "-o", "initial_window_width=90c", "-o", "initial_window_height=26c"),
    "xterm": ("xterm", "-u8", "-geometry", "90x26", "-e"),
}  # fmt: skip


class TerminalWindow:
    """A terminal program with a program in it, in a window that has the focus; a context manager."""

    def __init__(self, server: XServer, name: str, program: Sequence[str]) -> None:
        self._server = server
        self._process = subprocess.Popen(
            [*TERMINALS[name], *program], env={**server.environment, "TERM": "", "COLORTERM": ""},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> TerminalWindow:
        until(self._focus, lambda: "a window that has the focus")
        return self

    def _focus(self) -> bool:
        # A search fails where any window of the display goes while it looks.
        try:
            found = self._server.do("xdotool", "search", "--onlyvisible", "--pid", str(self._process.pid)).split()
            self._server.do("xdotool", "windowfocus", "--sync", found[-1])
        except subprocess.CalledProcessError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
