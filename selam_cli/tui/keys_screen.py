"""`selam-voice keys`: what the terminal reports of each key, live, and which way of push-to-talk follows.

It reads the keyboard with the very driver and the very talk key of the conversation, so that what it shows is what
holds there; only the engine is missing.
"""

from __future__ import annotations

import asyncio
import os
import time
from textwrap import fill
from typing import ClassVar, Final

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Key
from textual.widget import Widget
from textual.widgets import Label

from selam_cli.core.push_to_talk import Mode
from selam_cli.keyboard.drivers import driver_class
from selam_cli.keyboard.surroundings import forget_inherited_colours
from selam_cli.keyboard.talk_key import Edge
from selam_cli.tui import shutdown
from selam_cli.tui.key_log import KeyLog, verdict
from selam_cli.tui.theme import dress, dress_for_terminal
from selam_cli.tui.timers import TimelyApp

_FRAME_S: Final = 1 / 15
_PRINTED_LINES, _PRINTED_COLUMNS = 40, 79


class Lines(Widget):
    """The last lines that fit."""

    def __init__(self, log: KeyLog) -> None:
        super().__init__()
        self._log = log

    def render(self) -> Content:
        """Draw them."""
        shown = list(self._log.lines)[-max(1, self.size.height) :]
        return Content("\n".join(set_cell_size(str(line), self.size.width).rstrip() for line in shown))


class Verdict(Widget):
    """What follows from them."""

    def __init__(self, log: KeyLog, mode: Mode, key: str) -> None:
        super().__init__()
        self._log, self._mode, self._key = log, mode, key

    def render(self) -> Content:
        """Draw it; the way in force stands out."""
        way, *more = verdict(self._log, self._mode, self._key)
        return Content.assemble((way, "bold"), "\n", "\n".join(more))


class KeysScreen(TimelyApp):
    """The app; it ends with Ctrl+C, because every other key is one to be shown."""

    TITLE = "Selam Voice keys"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #head { height: 1; color: $accent; text-style: bold; }
    Lines { height: 1fr; }
    Verdict { height: auto; border-top: solid $edge; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "leave(0)", "Quit", priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", priority=True),
    ]

    def __init__(self, mode: Mode, key: str, departures: shutdown.Departures) -> None:
        self.log_of_keys = KeyLog(mode, key)
        forget_inherited_colours(os.environ)
        super().__init__(driver_class=driver_class(self.log_of_keys))
        dress(self)
        self._departures = departures
        self._drawn = -1
        self._lines = Lines(self.log_of_keys)
        self._verdict = Verdict(self.log_of_keys, mode, key)

    def compose(self) -> ComposeResult:
        """A head, the lines, the verdict."""
        yield Label("Press and hold keys: this shows what the terminal reports. Ctrl+C ends.", id="head", markup=False)
        yield self._lines
        yield self._verdict

    def on_mount(self) -> None:
        """Begin to draw."""
        dress_for_terminal(self)
        self._departures.attend(asyncio.get_running_loop(), self.action_leave)
        self.set_interval(_FRAME_S, self._draw)

    def _draw(self) -> None:
        if self._drawn != self.log_of_keys.version:
            self._drawn = self.log_of_keys.version
            self._lines.refresh()
            self._verdict.refresh(layout=True)

    def on_key(self, event: Key) -> None:
        """Take keys where the driver does not hear them itself."""
        if not self.log_of_keys.directly_fed:
            self.log_of_keys.on_edge(event.key, Edge.PRESS, time.monotonic())

    def on_keyboard_gone(self) -> None:
        """No key can be pressed any more."""
        self.action_leave(shutdown.HUNG_UP)

    def action_leave(self, status: int) -> None:
        """End."""
        self.exit(status, status)


def run(mode: Mode, key: str) -> int:
    """Show the keys until Ctrl+C, then print the last of it, to be read again or passed on."""
    departures = shutdown.Departures(lambda: None)
    app = KeysScreen(mode, key, departures)
    with departures.installed():
        departures.guard()
        status = app.run()
    lines = [str(line) for line in app.log_of_keys.lines][-_PRINTED_LINES:]
    found = [fill(sentence, _PRINTED_COLUMNS) for sentence in verdict(app.log_of_keys, mode, key)]
    print("\n".join([*lines, "", *found]))  # noqa: T201  # its output
    return 1 if status is None else status
