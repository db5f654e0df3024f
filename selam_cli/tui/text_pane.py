"""A pane of text that grows at its end: keeps its history, follows the end, and wraps again when its width changes.

Drawn line by line (Textual's line API), so a growing answer costs its last line and not the whole conversation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from selam_cli.core.plain_text import plain
from selam_cli.tui.wrapping import Line, wrap

GUTTER_CELLS: Final = 4
KEPT_ENTRIES: Final = 2_000
KEPT_CHARACTERS: Final = 1_000_000
"""More than a day of talking; the last entry stays, however long it is."""

LONGEST: Final = 400_000
"""Characters of one entry, escapes included."""


@dataclass(slots=True)
class Entry:
    """One entry, said or reported; `kind` names its look, `mark` (three cells at most) stands beside its start."""

    mark: str
    text: str
    kind: str
    lines: list[Line] = field(default_factory=list)
    dim_from: int | None = None
    """The place in the text from which on it is dimmed."""


class TextPane(ScrollView, can_focus=True):
    """Entries of text under each other; `append` gives a number by which `change` finds the entry again."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "pane--mark", "pane--said", "pane--partial", "pane--reply", "pane--aside",
        "pane--info", "pane--warning", "pane--error", "pane--empty", "pane--dimmed",
    }  # fmt: skip

    EMPTY: ClassVar[str] = ""
    """What is shown while there is nothing to show."""

    def __init__(self, title: str, *, id: str) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id)
        self.border_title = title
        self._entries: list[Entry] = []
        self._dropped = 0
        self._width = 0
        self._following = True
        self._scrolling = False

    @property
    def texts(self) -> list[str]:
        """All that is kept, oldest first."""
        return [entry.text for entry in self._entries]

    def append(self, mark: str, text: str, kind: str) -> int:
        """Add an entry at the end and return its number."""
        entry = Entry(mark, _shown(text), kind)
        if self._width:
            entry.lines = wrap(entry.text, self._width)
        self._entries.append(entry)
        self._resized(shift=-self._forget_oldest())
        return self._dropped + len(self._entries) - 1

    def change(self, number: int, text: str, kind: str) -> None:
        """Give an entry a new text; where that only grew, the lines before its last one stay as they are."""
        index = number - self._dropped
        if index < 0:
            return
        entry, text = self._entries[index], _shown(text)
        if entry.text == text and entry.kind == kind:
            return
        lines_before = len(entry.lines)
        grew = entry.kind == kind and bool(entry.lines) and text.startswith(entry.text)
        start = entry.lines[-1][0] if grew else 0
        entry.text, entry.kind = text, kind
        if self._width:
            entry.lines[len(entry.lines) - 1 if grew else 0 :] = wrap(text, self._width, start)
        forgotten = self._forget_oldest()
        if forgotten:
            self._resized(shift=-forgotten)
        elif len(entry.lines) == lines_before:
            self._refresh_entry(index, lines_before - 1 if grew else 0)
        else:
            self._resized()

    def _forget_oldest(self) -> int:
        """Drop what is more than is kept; return how many lines that were."""
        lines, characters = 0, sum(len(entry.text) for entry in self._entries)
        while len(self._entries) > 1 and (len(self._entries) > KEPT_ENTRIES or characters > KEPT_CHARACTERS):
            gone = self._entries.pop(0)
            self._dropped += 1
            characters -= len(gone.text)
            lines += len(gone.lines)
        return lines

    def dim(self, number: int, kept: str, dimmed: str) -> None:
        """Give an entry a text whose second part is dimmed, for good."""
        index = number - self._dropped
        if index < 0:
            return
        entry = self._entries[index]
        self.change(number, kept + dimmed, entry.kind)
        entry.dim_from = len(_shown(kept))
        self.refresh()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw one line of the window."""
        width = self.scrollable_content_region.width
        row = y + self.scroll_offset.y
        found = self._at_row(row)
        if found is None:
            return self._blank(y, width)
        entry, line = found
        begin, end = entry.lines[line]
        style = self.get_component_rich_style(f"pane--{entry.kind}")
        mark_style = self.get_component_rich_style("pane--mark") if entry.kind in _SPOKEN else style
        mark = entry.mark.rjust(GUTTER_CELLS - 1)[-(GUTTER_CELLS - 1) :] if line == 0 else " " * (GUTTER_CELLS - 1)
        segments = [Segment(mark + " ", mark_style), *self._selected(self._styled(entry, begin, end, style), row)]
        return Strip(segments).adjust_cell_length(width, self.rich_style).apply_offsets(self.scroll_offset.x, row)

    def _blank(self, y: int, width: int) -> Strip:
        if self._entries or y >= len(lines := self._empty_lines(width)):
            return Strip.blank(width, self.rich_style)
        style = self.get_component_rich_style("pane--empty")
        return Strip([Segment(" " + lines[y], style)]).adjust_cell_length(width, self.rich_style)

    def _empty_lines(self, width: int) -> list[str]:
        return [self.EMPTY[begin:end] for begin, end in wrap(self.EMPTY, max(1, width - 2))]

    def _styled(self, entry: Entry, begin: int, end: int, style: Style) -> list[Segment]:
        if entry.dim_from is None or entry.dim_from >= end:
            return [Segment(entry.text[begin:end], style)]
        edge = max(begin, entry.dim_from)
        dimmed = self.get_component_rich_style("pane--dimmed")
        return [Segment(entry.text[begin:edge], style), Segment(entry.text[edge:end], dimmed)]

    def _selected(self, segments: list[Segment], row: int) -> list[Segment]:
        selection = self.text_selection
        span = selection.get_span(row) if selection is not None else None
        if span is None:
            return segments
        length = sum(len(segment.text) for segment in segments)
        begin = min(length, max(0, span[0] - GUTTER_CELLS))
        end = length if span[1] == -1 else min(length, max(0, span[1] - GUTTER_CELLS))
        marked = self.screen.get_component_rich_style("screen--selection")
        return [
            *_part(segments, 0, begin),
            *Segment.apply_style(_part(segments, begin, end), post_style=marked),
            *_part(segments, end, length),
        ]

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the text that the mouse selected."""
        indent = " " * GUTTER_CELLS
        shown = [indent + entry.text[begin:end] for entry in self._entries for begin, end in entry.lines]
        extracted = selection.extract("\n".join(shown))
        return "\n".join(line.removeprefix(indent) for line in extracted.split("\n")), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection anew."""
        self.refresh()

    # --- where things are ---------------------------------------------------------------------------------------------

    def on_resize(self, _: Resize) -> None:
        """Wrap everything to the new width; the end stays in view, or the line that was on top does."""
        width = max(1, self.scrollable_content_region.width - GUTTER_CELLS)
        if width == self._width:
            self._resized()
            return
        top = self._at_row(self.scroll_offset.y)
        self._width = width
        for entry in self._entries:
            entry.lines = wrap(entry.text, width)
        self._resized()
        if not self._following and top is not None:
            self.scroll_to(y=self._first_row(top[0]), animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end for as long as the user stays there."""
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self._following = True
        elif new_value < old_value:  # only the user scrolls up
            self._following = False

    def _resized(self, *, shift: int = 0) -> None:
        height = sum(len(entry.lines) for entry in self._entries)
        self.virtual_size = Size(self.scrollable_content_region.width, height)
        if self._following and not self._scrolling:
            self._scrolling = True
            self.call_after_refresh(self._to_end)
        elif shift and not self._following:
            self.scroll_to(y=max(0, self.scroll_offset.y + shift), animate=False)
        self.refresh()

    def _to_end(self) -> None:
        # By force, because until the next layout Textual knows no scroll bar, and without one nothing is scrolled.
        self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        self._scrolling = False

    def _refresh_entry(self, index: int, from_line: int) -> None:
        below = sum(len(entry.lines) for entry in self._entries[index:])
        first = self.virtual_size.height - below + from_line
        self.refresh_lines(first, len(self._entries[index].lines) - from_line)

    def _first_row(self, wanted: Entry) -> int:
        row = 0
        for entry in self._entries:
            if entry is wanted:
                break
            row += len(entry.lines)
        return row

    def _at_row(self, row: int) -> tuple[Entry, int] | None:
        """Find a line by its row, from the end on: what is looked at is nearly always there."""
        below = self.virtual_size.height
        if not 0 <= row < below:
            return None
        for entry in reversed(self._entries):
            below -= len(entry.lines)
            if row >= below:
                return entry, row - below
        return None


_SPOKEN: Final = frozenset({"said", "partial", "reply", "aside"})


def _shown(text: str) -> str:
    shown = plain(text).expandtabs(4)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _part(segments: list[Segment], begin: int, end: int) -> list[Segment]:
    """Return what stands from one character to another, each piece in its own style."""
    part, at = [], 0
    for text, style, _ in segments:
        part.append(Segment(text[max(0, begin - at) : max(0, end - at)], style))
        at += len(text)
    return part
