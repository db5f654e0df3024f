"""A saved conversation in the engine's place: its lines played to the screen, for tests and for finding faults.

What `talk --json` writes can be saved as it is and looked at again, at any speed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from selam_cli.core.events import Event, from_line
from selam_cli.core.outside_text import tidied


class ReplayEngine:
    """An engine that says what stands in the lines, does nothing, and remembers the commands that it got.

    `speed` 1 plays as it happened, `inf` at once. At its end it stays until `quit`, or, where `stays` is
    False, exits with `status` like an engine that died.
    """

    def __init__(
        self,
        lines: Iterable[str],
        *,
        speed: float = 1.0,
        stays: bool = True,
        status: int = 0,
        last_words: str = "",
        on_command: Callable[[str, str, int | None], None] = lambda _verb, _argument, _id: None,
    ) -> None:
        self._events = [event for line in map(tidied, lines) if line.strip() and (event := from_line(line)) is not None]
        self._speed = speed
        self._stays = stays
        self._status = status
        self._on_command = on_command
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self._commands: list[tuple[str, str]] = []
        self.last_words = last_words

    @property
    def commands(self) -> Sequence[tuple[str, str]]:
        """Every command so far, as verb and argument."""
        return tuple(self._commands)

    def listen(self, on_event: Callable[[float, Event], None], on_exit: Callable[[int], None]) -> None:
        """Play the lines in a thread."""
        self._thread = threading.Thread(target=self._play, args=(on_event, on_exit), name="replay", daemon=True)
        self._thread.start()

    def send(self, verb: str, argument: str = "", command_id: int | None = None) -> None:
        """Remember a command; `quit` ends the replay."""
        self._commands.append((verb, argument))
        self._on_command(verb, argument, command_id)
        if verb == "quit":
            self._left.set()

    def restart(self, options: Mapping[str, str | None]) -> None:
        """Be ready to play the lines once more; remembered as a command, with the options' names."""
        self._commands.append(("restart", " ".join(options)))
        self._left = threading.Event()

    def close(self) -> int:
        """End the replay and return its status."""
        self._left.set()
        if self._thread is not None:
            self._thread.join()
        return self._status

    def _play(self, on_event: Callable[[float, Event], None], on_exit: Callable[[int], None]) -> None:
        played_s = 0.0
        for t, event in self._events:
            if self._left.wait(max(0.0, (t - played_s) / self._speed)):
                break
            on_event(t, event)
            played_s = t
        if self._stays:
            self._left.wait()
        on_exit(self._status)
