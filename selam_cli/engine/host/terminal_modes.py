"""Puts the terminal back as it was found when the program that changed it could not do so itself.

A screen that is killed, or crashes in native code, leaves the terminal in raw mode on its alternate screen. The engine
outlives it by a moment, so the screen's parent side saves the modes before anything is drawn and hands them to the
engine, which restores them through the controlling terminal. Where there is no engine, a guard does it.

By then the shell may have the terminal again, in which the program was a job. Most shells put the modes back themselves
and set those of their own prompt at once, and these must not be changed; none leaves the alternate screen.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Final

VARIABLE: Final = "_SELAM_TERMINAL_MODES"

RESET: Final = (
    b"\x1b\\"  # ends a string that was cut off in the middle; the escape sequence that follows ends any other
    b"\x1b[<u"  # kitty keyboard flags: this screen's entry off the alternate screen's stack; the main one has its own
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse reports
    b"\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[?2026l"  # bracketed paste, focus, in-band resize, synchronised output
    b"\x1b[?7h\x1b[?1049l\x1b[0m\x1b[?25h\r"  # wrap, main screen, cursor
)
"""Undoes what Textual's driver turns on; harmless where nothing was on."""

WRITTEN_WITHIN_S: Final = 1.0
_RETRY_S: Final = 0.05


def remembered(undo: bytes = RESET) -> dict[str, str]:
    """Return the environment variable that carries the terminal's modes; empty where there is no terminal.

    `undo` is what takes back all that the program will have the terminal do.
    """
    if sys.platform == "win32":
        return {}
    import termios  # POSIX only

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
    saved = {"modes": [*modes, plain], "undo": undo.decode(), "job": os.getpgrp()}
    return {VARIABLE: base64.b64encode(json.dumps(saved).encode()).decode()}


def restore(saved: str, *, only_in_foreground: bool = False) -> None:
    """Restore the terminal from what `remembered` saved, from any thread.

    Never raises: a terminal that is gone needs nothing. Takes WRITTEN_WITHIN_S at most, because a terminal may be there
    and take nothing. `only_in_foreground`: not where another job has the terminal now, to which the program has given
    it back.
    """
    if sys.platform == "win32" or not saved:
        return
    import termios  # POSIX only

    with _from_background(), contextlib.suppress(OSError, ValueError, LookupError, TypeError, termios.error):
        found = json.loads(base64.b64decode(saved))
        *modes, controls = found["modes"]
        characters = [control if isinstance(control, int) else bytes(control) for control in controls]
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            given_back = os.tcgetpgrp(terminal) != found["job"]
            if only_in_foreground and given_back:
                return
            _write_in_time(terminal, found["undo"].encode())
            if given_back and at_a_prompt(termios.tcgetattr(terminal)[3]):
                return
            # Not TCSAFLUSH, which waits until all was written out.
            termios.tcsetattr(terminal, termios.TCSANOW, [*modes, characters])
            termios.tcflush(terminal, termios.TCIFLUSH)
        finally:
            os.close(terminal)


def at_a_prompt(local_modes: int) -> bool:
    """Tell whether a shell has set these modes for its prompt.

    Ctrl+C is a signal there, and letters are echoed by the driver where it edits the line and by the shell where not. A
    screen makes no signal of Ctrl+C, and a program that asks for a key has the driver edit a line without echo.
    """
    import termios  # POSIX only

    echoed, edited = bool(local_modes & termios.ECHO), bool(local_modes & termios.ICANON)
    return bool(local_modes & termios.ISIG) and echoed is edited


@contextlib.contextmanager
def _from_background() -> Iterator[None]:
    """Block SIGTTOU, which stops a process that sets a terminal's modes from the background, in this thread."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write_in_time(descriptor: int, encoded: bytes) -> None:
    """Write to a descriptor that does not block, for WRITTEN_WITHIN_S at most."""
    end_at = time.monotonic() + WRITTEN_WITHIN_S
    while encoded and (left_s := end_at - time.monotonic()) > 0:
        try:
            encoded = encoded[os.write(descriptor, encoded) :]
        except BlockingIOError:  # its buffer is full, or another thread is writing
            select.select([], [descriptor], [], min(left_s, _RETRY_S))
            time.sleep(min(left_s, _RETRY_S / 10))
