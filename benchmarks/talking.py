"""The real program in a pseudo-terminal, played by a thread so that the benchmark's own loop stays free."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping
from contextlib import contextmanager

from tests.support.terminal import EVENT_TYPES, Terminal


class PlayedTerminal(Terminal):
    """A kitty-like terminal that goes on playing by itself."""

    def __init__(self, program: list[str], *, environment: Mapping[str, str] | None = None, columns: int = 100) -> None:
        super().__init__(program, kitty=True, columns=columns, rows=30, environment=environment)
        self._stopping = threading.Event()
        self._player = threading.Thread(target=self._go_on, daemon=True)

    def _go_on(self) -> None:
        while not self._stopping.is_set():
            self._play(0.02)

    def play_on(self) -> None:
        """Play in a thread from now on."""
        self._player.start()

    def stop_playing(self) -> None:
        """Leave the playing to whoever waits for something."""
        self._stopping.set()
        self._player.join()


@contextmanager
def talking(*arguments: str, environment: Mapping[str, str] | None = None, busy_s: float = 0.0):
    """Start `talk`, wait until it is ready and knows of key releases, and play its terminal meanwhile.

    `busy_s`: its screen computes for so long at a time, with hardly a pause.
    """
    program = [sys.executable, "-m", *(["tests.support.busy", str(busy_s)] if busy_s else ["selam_cli"]), "talk"]
    program += arguments
    with PlayedTerminal(program, environment=environment) as terminal:
        terminal.wait_for(lambda: terminal.flags & EVENT_TYPES, "event types")
        terminal.wait_for_text("READY")
        terminal.play_on()
        try:
            yield terminal
        finally:
            terminal.stop_playing()
            terminal.press("q")
            terminal.wait_for_exit()


async def until(condition, terminal: Terminal | None = None, within_s: float = 30.0) -> None:
    """Wait until something holds; where it does not come, say what stands on the screen."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise TimeoutError(terminal.text if terminal is not None else "it did not come") from None
