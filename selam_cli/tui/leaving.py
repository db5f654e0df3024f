"""Leaving by a signal, with the terminal as it was found.

Textual handles none of these: SIGTERM would leave raw mode and the alternate screen, and a graceful end on SIGHUP hangs
in it, for a SIGCONT follows the hang-up and starts a second writer (Textual 8.2.8). So a hang-up tells the engine and
ends the process on the spot; there is no terminal left to restore.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, NoReturn

from selam_cli.engine import terminal_modes

HUNG_UP: Final = 129
INTERRUPTED: Final = 130
TERMINATED: Final = 143

_TELL_WITHIN_S: Final = 0.3

_STATUS: Final = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}

Handler = Callable[[int, FrameType | None], Any] | int | None


class Departures:
    """What the signals do while the screen is up; to be used as `with departures.installed():`."""

    def __init__(self, tell_engine: Callable[[], None]) -> None:
        self._tell_engine = tell_engine
        self._modes = terminal_modes.remembered().get(terminal_modes.VARIABLE, "")
        self._leave: Callable[[int], None] | None = None
        self._begun = False

    def attend(self, loop: asyncio.AbstractEventLoop, leave: Callable[[int], None]) -> None:
        """From now on a signal has the screen leave, in its loop, with the given exit status."""

        def leave_soon(status: int) -> None:
            loop.call_soon_threadsafe(leave, status)

        self._leave = leave_soon

    def begin(self, status: int) -> None:
        """The screen is being left: from now on a signal ends it at once, and so does Ctrl+C as a key.

        The engine goes on with its goodbye, which takes 2 s at most.
        """
        if status == INTERRUPTED and self._begun:
            self._end(status)
        self._begun = True
        self._leave = None

    def on_left(self) -> None:
        """The screen is gone, and only the engine is waited for: from now on a signal ends that, at once."""
        self._leave = None

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within the block."""
        before: dict[int, Handler] = {number: signal.signal(number, self._on_signal) for number in _STATUS}
        if sys.platform != "win32":
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hang_up)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        status = _STATUS[signal.Signals(number)]
        leave, self._leave = self._leave, None
        if leave is None:  # the screen is not up yet, or is being left already
            self._end(status)
        else:
            leave(status)

    def _end(self, status: int) -> NoReturn:
        terminal_modes.restore(self._modes)
        os._exit(status)

    def _on_hang_up(self, _: int, __: FrameType | None) -> None:
        # In a thread, for the signal may have come in the middle of a command that holds the engine's lock.
        telling = threading.Thread(target=self._tell_engine, daemon=True)
        telling.start()
        telling.join(_TELL_WITHIN_S)
        os._exit(HUNG_UP)
