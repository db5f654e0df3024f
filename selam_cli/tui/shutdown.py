"""Leaving by a signal, with the terminal as it was found.

Textual handles none of these: SIGTERM would leave raw mode and the alternate screen, and a graceful end on SIGHUP hangs
in it, because a SIGCONT follows the hang-up and starts a second writer (Textual 8.2.8). So a hang-up tells the engine,
restores the terminal without Textual and ends the process on the spot: the terminal may be gone, but it need not be, as
when a supervisor or another pane sends the signal.
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

from selam_cli.engine.host import terminal_modes
from selam_cli.engine.host.terminal_guard import TerminalGuard

HUNG_UP: Final = 129
INTERRUPTED: Final = 130
QUIT: Final = 131
TERMINATED: Final = 143

_TELL_WITHIN_S: Final = 0.3

_STATUS: Final = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
if sys.platform != "win32":
    _STATUS[signal.SIGQUIT] = QUIT

Handler = Callable[[int, FrameType | None], Any] | int | None


class Departures:
    """What the signals do while the screen is up; to be used as `with departures.installed():`."""

    def __init__(self, tell_engine: Callable[[], None]) -> None:
        self._tell_engine = tell_engine
        self._remembered = terminal_modes.remembered()
        self._leave: Callable[[int], None] | None = None
        self._begun = False
        self._guard: TerminalGuard | None = None

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

    def guard(self) -> None:
        """Have a process of its own restore the terminal should this one be killed: there is no engine to do it."""
        if self._guard is None:
            self._guard = TerminalGuard.start(self._remembered)

    def unguard(self) -> None:
        """The terminal is in order, or an engine watches over it again."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.dismiss()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within the block."""
        before: dict[int, Handler] = {number: signal.signal(number, self._on_signal) for number in _STATUS}
        if sys.platform != "win32":
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hang_up)
        try:
            yield
        finally:
            self.unguard()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        status = _STATUS[signal.Signals(number)]
        leave, self._leave = self._leave, None
        if leave is None:  # the screen is not up yet, or is being left already
            self._end(status)
        else:
            leave(status)

    def _on_hang_up(self, _: int, __: FrameType | None) -> None:
        # In a thread, because the signal may have come in the middle of a command that holds the engine's lock.
        telling = threading.Thread(target=self._tell_engine, daemon=True)
        telling.start()
        telling.join(_TELL_WITHIN_S)
        self._end(HUNG_UP)

    def _end(self, status: int) -> NoReturn:
        _stop_drawing()
        self.unguard()
        # A screen that was stopped has given the terminal back: it is the shell's, and must not be touched.
        terminal_modes.restore(self._remembered.get(terminal_modes.VARIABLE, ""), only_in_foreground=True)
        os._exit(status)


def _stop_drawing() -> None:
    """Discard whatever Textual's writer still writes, and have no SIGCONT set raw mode again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    if sys.platform != "win32":
        for number in (signal.SIGCONT, signal.SIGTSTP, signal.SIGWINCH):
            signal.signal(number, signal.SIG_IGN)
