"""What the sheets that open over the screen have in common."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from selam_cli.core.events import Event
from selam_cli.tui.shutdown import INTERRUPTED

Outcome = TypeVar("Outcome")


class Sheet(ModalScreen[Outcome | None], Generic[Outcome]):
    """A dialogue: Escape closes it and changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", priority=True),
        # A dialogue hides the app's own keys; these hold everywhere.
        Binding("ctrl+c", f"app.leave({INTERRUPTED})", "Quit", priority=True),
        Binding("ctrl+q", "app.leave(0)", "Quit", priority=True),
        Binding("ctrl+z", "app.suspend_process", "Suspend", priority=True),
    ]

    def on_line(self, event: Event) -> None:
        """Take a line of the engine that answers what this sheet asked for."""

    def action_close(self) -> None:
        """Close without an outcome."""
        self.dismiss(None)
