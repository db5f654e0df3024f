"""An app that writes down every key, paste, click and change of focus that reaches it; a program for pseudo-terminals.

Arguments: the file descriptor to write to, and which driver: `stock`, Textual's own, or `ours`.
"""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from selam_cli.keyboard.drivers import driver_class


class Unmoved:
    """A listener to whom no key is the talk key."""

    directly_fed = False
    key = "f9"
    wants_signs = False

    def on_read(self, text: str) -> None: ...

    def on_typed(self, key: str, character: str) -> None: ...

    def on_edge(self, key: str, edge: object, at: float, since: float | None = None) -> bool:
        return False

    def on_button(self, x: int, y: int, *, down: bool, at: float) -> None: ...

    def on_focus(self, *, focused: bool, at: float) -> None: ...

    def on_release_told(self, *, told: bool) -> None:
        os.write(WRITE_TO, b"told\n")

    def on_far(self, *, far: bool) -> None: ...

    def on_leave(self, at: float) -> None: ...

    def on_back(self) -> None: ...

    def on_no_sign(self, why: str, at: float) -> None: ...

    def deadline(self) -> float | None:
        return None

    def tick(self, now: float) -> None: ...


WRITE_TO = int(sys.argv[1])


def note(line: str) -> None:
    os.write(WRITE_TO, line.encode("utf-8", "backslashreplace") + b"\n")


class Echo(App[None]):
    """Its one field shows what was typed."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [Binding("f12", "tell")]

    def compose(self) -> ComposeResult:
        yield Input()

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        note("ready")

    def action_tell(self) -> None:
        """Tell what is in the field, after all that the keys before did: they took the same way."""
        field = self.query_one(Input)
        note(f"typed {field.value!r} at {field.cursor_position}")

    async def on_event(self, event: events.Event) -> None:
        if not event.is_forwarded:  # those come back from the field
            self.hear(event)
        await super().on_event(event)

    def hear(self, event: events.Event) -> None:
        match event:
            case events.Key(key=key, character=character):
                note(f"key {key} {character!r} {event.handler_name}")
            case events.Paste(text=text):
                note(f"paste {text!r}")
            case events.MouseDown() | events.MouseUp() | events.MouseScrollDown():
                note(f"{type(event).__name__} {event.screen_x} {event.screen_y} {event.button}")
            case events.AppFocus() | events.AppBlur():
                note(type(event).__name__)


if __name__ == "__main__":
    Echo(driver_class=driver_class(Unmoved()) if sys.argv[2] == "ours" else None).run()
