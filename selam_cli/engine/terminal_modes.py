"""Puts the terminal back as it was found when the screen could not do so itself.

A screen that is killed, or crashes in native code, leaves the terminal in raw mode on its alternate screen. The engine
outlives it by a moment, so the screen's parent side saves the modes before anything is drawn and hands them to the
engine, which restores them through the controlling terminal.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import sys
from typing import Final

VARIABLE: Final = "_SELAM_TERMINAL_MODES"

RESET: Final = (
    b"\x1b[<u\x1b[=0;1u"  # kitty keyboard flags: this screen's entry off the stack, then none on the one below it
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse reports
    b"\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[?2026l"  # bracketed paste, focus, in-band resize, synchronised output
    b"\x1b[?7h\x1b[?1049l\x1b[<u\x1b[=0;1u\x1b[0m\x1b[?25h\r"  # wrap, main screen (with its own key flags), cursor
)
"""Undoes what Textual's driver turns on; harmless where nothing was on."""


def remembered() -> dict[str, str]:
    """Return the environment variable that carries the terminal's modes to the engine; empty where there is none."""
    if sys.platform == "win32":
        return {}
    import termios  # noqa: PLC0415  # POSIX only

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        *modes, controls = termios.tcgetattr(terminal)
    except termios.error:
        return {}
    finally:
        os.close(terminal)
    plain = [control if isinstance(control, int) else list(control) for control in controls]
    return {VARIABLE: base64.b64encode(json.dumps([*modes, plain]).encode()).decode()}


def restore(saved: str) -> None:
    """Restore the terminal from what `remembered` saved. Never raises: a terminal that is gone needs nothing."""
    if sys.platform == "win32" or not saved:
        return
    import termios  # noqa: PLC0415  # POSIX only

    # From a background process group, setting modes stops the process unless this is ignored.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError, termios.error):
        *modes, controls = json.loads(base64.b64decode(saved))
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(terminal, RESET)
            characters = [control if isinstance(control, int) else bytes(control) for control in controls]
            termios.tcsetattr(terminal, termios.TCSAFLUSH, [*modes, characters])
        finally:
            os.close(terminal)
