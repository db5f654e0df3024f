"""The lines above and below the panes: who talks with whom, what is going on, which keys there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.widget import Widget

from selam_cli.core.plain_text import plain_line
from selam_cli.core.push_to_talk import Mode
from selam_cli.core.session import Phase
from selam_cli.keyboard.talk_key import Cells
from selam_cli.tui import labels
from selam_cli.tui.state import SILENT, ScreenState

_METER_CELLS: Final = 36
_NARROW_CELLS: Final = 60


class Bar(Widget):
    """A bar that draws from the screen's state, and only when a part of it that it shows has changed."""

    def __init__(self, state: ScreenState, *, id: str) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id)
        self.state = state
        self._drawn: object = None

    def show(self, state: ScreenState) -> None:
        """Take the new state."""
        self.state = state
        part = self.part(state)
        if part != self._drawn:
            self._drawn = part
            self.refresh()

    def part(self, state: ScreenState) -> object:
        """Return what of the state is drawn."""
        raise NotImplementedError


class TopBar(Bar):
    """The product, the voice and the language; the server on the right."""

    def part(self, state: ScreenState) -> object:
        """Everything in it comes from the session."""
        session = state.session
        rtt_ms = None if session.connection.rtt_ms is None else round(session.connection.rtt_ms)
        return session.voice, session.language, session.connection.kind, session.connection.server, rtt_ms

    def render(self) -> Content:
        """Draw the line; where it is too short, the server gives way."""
        session = self.state.session
        voice = plain_line(session.voice)
        left = f" Selam Voice  {voice} · {labels.language_name(session.language)}"
        room = self.size.width - cell_len(left) - 3
        server = labels.connection_name(session.connection)
        right = server if cell_len(server) <= room else f"{set_cell_size(server, max(0, room - 1))}…"
        gap = max(1, self.size.width - cell_len(left) - cell_len(right) - 1)
        return Content.assemble(
            (" Selam Voice", "bold $accent"), left.removeprefix(" Selam Voice"), " " * gap, (right, "$quiet")
        )


class TalkBar(Bar):
    """What is going on, in a word and more; how loud it is; the devices."""

    def __init__(
        self, state: ScreenState, place: Callable[[Cells], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(state, id="talk")
        self._place = place
        self._clock = clock

    def on_resize(self) -> None:
        """It lies elsewhere now; a mouse button held on it talks."""
        self._place(Cells(*self.region))

    def part(self, state: ScreenState) -> object:
        """The level by the cell and the time by the second: finer changes draw nothing."""
        session = state.session
        return (
            state.phase, state.talk, self._level(state), self._elapsed_s(state), state.reconnecting, state.exit_status,
            session.connection.stalled, session.connection.ended_for, state.lost_since is None,
            session.muted, session.listening, session.microphone, session.speaker, state.volume, session.kept_seconds,
            session.processing,
        )  # fmt: skip

    def show(self, state: ScreenState) -> None:
        """Take the new state; an open microphone marks the whole bar."""
        self._place(Cells(*self.region))  # a widget that was only moved gets no event
        self.set_class(state.phase is Phase.LISTENING, "-talking")
        self.set_class(state.latched, "-latched")
        super().show(state)

    def render(self) -> Content:
        """Draw two lines, and a third where there is room."""
        self._place(Cells(*self.region))  # it can be pressed once it is seen, though Textual reports its place later
        lines = [self._phase_line(), self._meter_line()]
        if self.size.height > 2:
            lines.append(self._device_line())
        return Content("\n").join(lines)

    @property
    def _narrow(self) -> bool:
        return self.size.width < _NARROW_CELLS

    def _phase_line(self) -> Content:
        """Draw the phase in words, what can be done, and for how long the user has been talking."""
        state = self.state
        head = f" {labels.SYMBOLS[state.phase]} {labels.phase_name(state).upper()}"
        elapsed = "" if self._narrow else self._elapsed()
        hint = labels.hint(state).partition(";")[0] if self._narrow else labels.hint(state)
        room = self.size.width - cell_len(head) - cell_len(elapsed) - 4
        shown = hint if cell_len(hint) <= room else f"{set_cell_size(hint, max(0, room - 1))}…"
        gap = " " * max(1, room - cell_len(shown) + 1)
        return Content.assemble((head, "bold"), "  ", (shown, ""), gap, (elapsed, "bold"))

    def _meter_line(self) -> Content:
        state = self.state
        name, dbfs = self._heard(state)
        elapsed = self._elapsed() if self._narrow else ""
        width = max(8, min(_METER_CELLS, self.size.width - 28))
        filled = labels.gauge(dbfs, width)
        peak = max(filled, labels.gauge(self._peak(state), width))
        figure = "" if dbfs <= -60 else f"{dbfs:.0f} dB".replace("-", "−")
        if state.phase is Phase.LISTENING and state.level.clipped:
            figure = "too loud"
        return Content.assemble(
            f" {name:<11}",
            ("━" * filled, "bold"),
            ("─" * (peak - filled - 1), "$edge"),
            ("╸" * (peak > filled), "bold"),
            ("─" * (width - peak), "$edge"),
            f" {figure:<8}",
            (elapsed, "bold"),
        )

    def _device_line(self) -> Content:
        session = self.state.session
        microphone = plain_line(session.microphone.name) or "no microphone"
        parts = [f"{microphone}{' (muted)' if session.muted else ''}", plain_line(session.speaker) or "no speaker"]
        parts.append(f"volume {self.state.volume} %")
        if self.state.talk.mode is Mode.OPEN:
            parts.insert(0, labels.open_microphone(session.processing))
        if session.kept_seconds:
            parts.append(f"{session.kept_seconds:.1f} s kept: r sends it")
        line = f" {' · '.join(parts)}"
        shown = set_cell_size(line, min(cell_len(line), self.size.width - 1))
        # On the accent that marks a latched microphone, the quiet colour could not be read.
        return Content.assemble((shown, "" if self.state.latched else "$quiet"))

    def _elapsed(self) -> str:
        elapsed_s = self._elapsed_s(self.state)
        return "" if elapsed_s is None else f"{elapsed_s // 60}:{elapsed_s % 60:02}"

    def _elapsed_s(self, state: ScreenState) -> int | None:
        return None if state.listening_since is None else int(max(0.0, self._clock() - state.listening_since))

    @staticmethod
    def _heard(state: ScreenState) -> tuple[str, float]:
        if state.phase is Phase.SPEAKING:
            return "speaker", state.level.output_dbfs
        # What the microphone hears while the user does not talk goes nowhere, so it is not shown as if it did.
        open_now = state.phase is Phase.LISTENING or (state.talk.mode is Mode.OPEN and state.session.listening)
        return "microphone", state.level.input_dbfs if open_now else SILENT.input_dbfs

    def _peak(self, state: ScreenState) -> float:
        """Return the microphone's loudest moment, held a while; only that shows how near the voice is to clipping."""
        return state.level.peak_dbfs if self._heard(state) == ("microphone", state.level.input_dbfs) else -90.0

    def _level(self, state: ScreenState) -> object:
        name, dbfs = self._heard(state)
        return name, labels.gauge(dbfs, 60), labels.gauge(self._peak(state), 60), state.level.clipped


class KeyBar(Bar):
    """The keys: how to talk first, help and leaving always, the others as far as there is room."""

    KEYS: ClassVar = (
        ("i", "interrupt"), ("s", "settings"), ("d", "devices"), ("m", "mute"), ("+/-", "volume"),
        ("a", "replay"), ("r", "resend"), ("y", "latency"),
    )  # fmt: skip
    ALWAYS: ClassVar = (("?", "help"), ("q", "quit"))

    def part(self, state: ScreenState) -> object:
        """Only the way of talking changes."""
        return state.talk.mode, state.talk.key, state.talk.release_told

    def render(self) -> Content:
        """Draw as many keys as fit."""
        way = labels.talk_way(self.state.talk, brief=self.size.width < _NARROW_CELLS)
        room = self.size.width - cell_len(way) - 2 - sum(_key_cells(*key) for key in self.ALWAYS)
        shown = []
        for key in self.KEYS:
            room -= _key_cells(*key)
            if room < 0:
                break
            shown.append(key)
        pieces = [part for key, name in (*shown, *self.ALWAYS) for part in ("  ", (key, "bold $accent"), f" {name}")]
        return Content.assemble(" ", (way, "bold"), *pieces)


def _key_cells(key: str, name: str) -> int:
    return cell_len(key) + cell_len(name) + 3


class SmallBar(Bar):
    """All that is shown in a window too small for anything else; the talk key works all the same.

    The phase comes first: it is what is left of it in a window of one line.
    """

    def part(self, state: ScreenState) -> object:
        """Only the phase."""
        return state.phase, state.latched, labels.opening(state)

    def show(self, state: ScreenState) -> None:
        """Take the new state; an open microphone marks all of it."""
        self.set_class(state.latched, "-latched")
        super().show(state)

    def render(self) -> Content:
        """Draw the phase and the sentence."""
        phase = self.state.phase
        return Content.assemble(
            (f"{labels.SYMBOLS[phase]} {labels.phase_name(self.state)}", "bold"), "\n", labels.TOO_SMALL
        )
