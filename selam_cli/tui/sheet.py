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

    def __init__(self) -> None:
        super().__init__()
        self._early: list[Event] | None = []
        """What came before the sheet had its widgets; None once it has."""

    def on_mount(self) -> None:
        """The widgets are there."""
        early, self._early = self._early, None
        for event in early or ():
            self.on_line(event)

    def tell(self, event: Event) -> None:
        """Hand over a line of the engine, which may answer before the sheet is there."""
        if self._early is None:
            self.on_line(event)
        else:
            self._early.append(event)

    def on_line(self, event: Event) -> None:
        """Take a line of the engine that answers what this sheet asked for."""

    def action_close(self) -> None:
        """Close without an outcome."""
        self.dismiss(None)
