"""The control pane: the agent's listening, the five control actions with their last acknowledgement, the latencies."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import Action
from selam_cli.core.session import Phase
from selam_cli.tui import labels
from selam_cli.tui.state import ControlRow, ScreenState

_NEVER: Final = "not used yet"
_INTERRUPTIBLE: Final = frozenset({Phase.THINKING, Phase.SPEAKING})
_UNMEASURED: Final = "–"


class ControlPane(VerticalScroll):
    """A scrolling frame round the rows, so that a low window still reaches all of them."""

    def __init__(self, state: ScreenState) -> None:
        super().__init__(id="control")
        self.border_title = "Control"
        self._rows = ControlRows(state)

    def compose(self) -> ComposeResult:
        """One child: the rows."""
        yield self._rows

    def show(self, state: ScreenState) -> None:
        """Take the new state; scroll to the latencies where they were just asked for: in 24 lines they are below."""
        wanted = state.latency_shown and not self._rows.latency_shown
        self._rows.show(state)
        if wanted:
            self.call_after_refresh(self.scroll_end, animate=False)


class ControlRows(Widget):
    """The rows of the control pane; in one line each where there is little room."""

    def __init__(self, state: ScreenState) -> None:
        super().__init__()
        self._state = state
        self._drawn: object = None

    @property
    def latency_shown(self) -> bool:
        """Whether the latencies are among the rows."""
        return self._state.latency_shown

    def show(self, state: ScreenState) -> None:
        """Take the new state; a change in the number of rows lays out anew."""
        part = self._part(state)
        if part == self._drawn:
            return
        layout = state.latency_shown != self._state.latency_shown
        self._state, self._drawn = state, part
        self.refresh(layout=layout)

    @staticmethod
    def _part(state: ScreenState) -> object:
        shown = (state.latency, state.playout) if state.latency_shown else ()
        return state.phase, state.session.listening, state.session.paused, state.controls, state.latency_shown, shown

    def render(self) -> Content:
        """Draw what holds now, then the actions, then the latencies if they are wanted."""
        if self.screen.has_class("-low"):
            return self._brief()
        lines = [Content.assemble((self._ear(), "bold")), Content("")]
        for row in self._state.controls:
            lines += self._row(row)
        if self._state.latency_shown:
            lines += [Content(""), *self._latencies()]
        return Content("\n").join(lines)

    def _brief(self) -> Content:
        """Two lines for a low window: what holds, and what was acknowledged last."""
        if self._state.latency_shown:
            return Content("\n").join(self._latencies()[1:3])
        answered = [row for row in self._state.controls if row.last]
        # Both begin with the time where there is one, so the greatest is the newest.
        newest = max(answered, key=lambda row: (row.asked_at is not None, row.answer), default=None)
        told = f"{labels.ACTION_NAMES[newest.action]}: {newest.last}" if newest else "i l k p o: control, ? says more"
        return Content.assemble((self._ear(), "bold"), "\n", (told, "$quiet"))

    def _ear(self) -> str:
        session = self._state.session
        if self._state.phase in {Phase.ENDED, Phase.CONNECTING, Phase.RECONNECTING, Phase.DISCONNECTED}:
            return "No session"
        if session.paused:
            return "Session paused"
        return "Agent listens" if session.listening else "Agent does not listen"

    def _row(self, row: ControlRow) -> list[Content]:
        name = labels.ACTION_NAMES[row.action]
        mark = self._mark(row.action)
        gap = " " * max(1, self.size.width - 3 - cell_len(name) - cell_len(mark))
        key = labels.ACTION_KEYS[row.action]
        return [
            Content.assemble((key, "bold $accent"), f"  {name}", gap, (mark, "bold")),
            Content.assemble("   ", (row.last or _NEVER, "bold" if row.asked_at is not None else "$quiet")),
        ]

    def _mark(self, action: Action) -> str:
        """Say where an action stands: what it asks for holds already, or it would do something now."""
        session = self._state.session
        if self._ear() == "No session":
            return ""
        return {
            Action.INTERRUPT: "○ ready" if self._state.phase in _INTERRUPTIBLE else "",
            Action.START_LISTENING: "● on" if session.listening else "",
            Action.STOP_LISTENING: "" if session.listening else "● on",
            Action.PAUSE: "● on" if session.paused else "",
            Action.RESUME: "" if session.paused else "● running",
        }[action]

    def _latencies(self) -> list[Content]:
        latency, playout = self._state.latency, self._state.playout
        rows = [
            ("press to wire", latency and latency.press_to_wire_ms),
            ("understood", latency and latency.transcription_ms),
            ("answer text", latency and latency.response_ms),
            ("answer sound", latency and latency.audio_ms),
            ("round trip", latency and latency.rtt_ms),
            ("sound buffered", playout and playout.buffered_ms),
            ("buffer's aim", playout and playout.target_ms),
        ]
        title = f"Latency, turn {latency.turn}" if latency else "Latency"
        lines = [Content.assemble((title, "bold"))]
        lines += [self._figure(name, _UNMEASURED if ms is None else f"{ms:.0f} ms") for name, ms in rows]
        return [*lines, self._figure("breaks", str(playout.breaks) if playout else _UNMEASURED)]

    def _figure(self, name: str, figure: str) -> Content:
        gap = " " * max(1, self.size.width - cell_len(name) - cell_len(figure))
        return Content.assemble((name, "$quiet"), gap, plain_line(figure))
