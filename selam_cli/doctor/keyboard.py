"""The terminal's keyboard in raw mode, and the question whether it reports when a key is released."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from selam_cli.engine.host.terminal_guard import guarded

ANSWER_WITHIN_S: Final = 2.0
"""A far terminal's round trip; one that answers at all answers the second question as well, and ends the wait."""

_STOP_WITHIN_S: Final = 0.1
_EVENT_TYPES: Final = 0b10
_QUESTIONS: Final = b"\x1b[>2u\x1b[?u\x1b[c"
_FORGET: Final = b"\x1b[<u"
_FLAGS: Final = re.compile(rb"\x1b\[\?(\d+)u")
_ATTRIBUTES: Final = re.compile(rb"\x1b\[\?[\d;]*c")


class NoKeyboard(Exception):
    """There is no keyboard that could be read in this way; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the terminal says of itself."""

    releases: bool
    """Whether it reports when a key is released."""
    after_s: float | None
    """How long it took to answer; None where it did not."""


def ask(stop: threading.Event) -> Answer:
    """Ask whether releases are reported. Raises NoKeyboard. Blocks until `stop`, or ANSWER_WITHIN_S at most."""
    with raw_keyboard(stop) as keyboard:
        began_at = time.monotonic()
        keyboard.write(_QUESTIONS)
        try:
            heard = keyboard.read_until(_ATTRIBUTES, ANSWER_WITHIN_S)
            took_s = time.monotonic() - began_at
        finally:
            keyboard.write(_FORGET)
    flags = _FLAGS.search(heard)
    releases = flags is not None and bool(int(flags[1]) & _EVENT_TYPES)
    return Answer(releases, took_s if _ATTRIBUTES.search(heard) else None)


class Keyboard:
    """The terminal in raw mode."""

    def __init__(self, input_fd: int, output_fd: int, stop: threading.Event) -> None:
        self.input_fd, self.output_fd = input_fd, output_fd
        self.stop = stop

    def write(self, written: bytes) -> None:
        """Write to the terminal."""
        os.write(self.output_fd, written)

    def read(self, within_s: float) -> bytes | None:
        """Return what was typed; None where nothing was, empty where the terminal is gone.

        It waits for _STOP_WITHIN_S at most, so that its caller notices `stop`.
        """
        within_s = min(within_s, _STOP_WITHIN_S)
        if not select.select([self.input_fd], [], [], max(0.0, within_s))[0]:
            return None
        with contextlib.suppress(OSError):
            return os.read(self.input_fd, 4_096)
        return b""

    def read_until(self, pattern: re.Pattern[bytes], within_s: float) -> bytes:
        """Return what is read until a pattern stands in it, or the time is over."""
        heard, end = b"", time.monotonic() + within_s
        while not pattern.search(heard) and (left_s := end - time.monotonic()) > 0 and not self.stop.is_set():
            read = self.read(left_s)
            if read == b"":
                break
            heard += read or b""
        return heard

    def forget_flags(self) -> None:
        """Have no more keys reported, and wait for it: what was reported before must not land in the shell."""
        with contextlib.suppress(OSError):
            self.write(_FORGET + b"\x1b[c")
            self.read_until(_ATTRIBUTES, ANSWER_WITHIN_S)


@contextlib.contextmanager
def raw_keyboard(stop: threading.Event) -> Iterator[Keyboard]:
    """Read keys as they come, Ctrl+C among them, while lines are still written as they are."""
    if sys.platform == "win32":
        raise NoKeyboard("not on Windows.")
    import termios  # POSIX only

    sys.stdout.flush()
    input_fd, output_fd = sys.stdin.fileno(), sys.stdout.fileno()
    if os.tcgetpgrp(input_fd) != os.getpgrp():
        raise NoKeyboard("the program runs in the background.")
    before = termios.tcgetattr(input_fd)
    raw = termios.tcgetattr(input_fd)
    raw[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
    with guarded(_FORGET):
        termios.tcsetattr(input_fd, termios.TCSADRAIN, raw)
        try:
            yield Keyboard(input_fd, output_fd, stop)
        finally:
            termios.tcsetattr(input_fd, termios.TCSAFLUSH, before)
