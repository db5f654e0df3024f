"""What the screen needs of an engine: its events, a way to command it, its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from selam_cli.core.events import Event


class Engine(Protocol):
    """The engine as the screen sees it; `EngineClient` is one, and so is a saved conversation (`ReplayEngine`)."""

    @property
    def last_words(self) -> str:
        """What it said to standard error before it spoke in events: a failure at its very start."""

    def listen(self, on_event: Callable[[float, Event], None], on_exit: Callable[[int], None]) -> None:
        """Deliver every event with its time, from the first on, and the exit status at the end; both in a thread."""

    def send(self, verb: str, argument: str = "", command_id: int | None = None) -> None:
        """Send a command, from any thread. Never blocks, never raises: an engine's end is reported by `on_exit`.

        One with an id is answered by an `ack`, which parts what the engine said before it from what it says after.
        """

    def restart(self, options: Mapping[str, str | None]) -> None:
        """Start it again after its end, with these options in place of those that it had; then `listen` again."""

    def close(self) -> int:
        """Ask it to leave, wait for it, and return its exit status."""
