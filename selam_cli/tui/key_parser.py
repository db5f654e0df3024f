r"""Textual's input parser, and what it lacks: event types, the answer about flags, patience, and a thick skin.

Kitty's keyboard protocol tells press, repeat and release (`CSI 32;1:3u`). Textual 8.2.8 asks for its other flags (25),
not for event types, and its parser raises on them, and on codes that are no characters.
Source: https://sw.kovidgoyal.net/kitty/keyboard-protocol/, "Progressive enhancement".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from textual import events
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.keys import Keys
from textual.message import Message

from selam_cli.tui.pasting import PasteGuard

EVENT_TYPES: Final = 0b10
"""The flag that has the terminal tell repeats and releases."""

_KEY: Final = re.compile(r"\x1b\[(\d*)((?::\d*)*)(?:;(\d*)(?::([123]))?)?((?:;[\d:]*)?)([u~A-HPQRS])")
_FLAGS: Final = re.compile(r"\x1b\[\?(\d+)u")

WIDEST: Final = 2_000
"""Columns or rows of the largest window that is believed: drawing one of 99,999 would take minutes."""

PATIENCE_S: Final = 0.4
"""How much longer than Textual's 0.1 s the parser may wait for the rest of a sequence."""


class KeyUp(events.Key):
    """A key was let go; called as its press was, whatever Shift, Ctrl and the others did meanwhile.

    A subclass of Key only because the parser hands on nothing else; it goes to the listener and no further.
    """

    def __init__(self, released: str) -> None:
        super().__init__(f"release+{released}", None)
        self.released = released


class Repeat(events.Key):
    """A press that the terminal told to be a repeat; the screen gets it as the plain key that Textual knows."""


class KeyboardFlags(events.Event, bubble=False):
    """The terminal's answer to which parts of the keyboard protocol are on; `key` is what the parser looks at."""

    key: str = ""

    def __init__(self, flags: int) -> None:
        super().__init__()
        self.flags = flags


class EventTypeParser(XTermParser):
    """Parses what a terminal sends; never raises for it."""

    def __init__(self, *, debug: bool = False) -> None:
        super().__init__(debug)
        self.patient = False
        """Whether a sequence may be cut in two for longer than Textual's 0.1 s.

        Right where Escape itself comes as a sequence, and on a link that was seen to cut one; elsewhere a plain Escape
        would be late.
        """
        self._gave_up_at = float("-inf")
        self._down: dict[str, list[str]] = {}
        """Each key that is down, by its code, and what its presses were called."""
        self._pastes = PasteGuard()

    def feed(self, data: str) -> Iterable[Message]:
        """Parse a piece of input."""
        if data[:1] in {"[", "O"} and get_time() - self._gave_up_at < PATIENCE_S:
            self.patient = True  # that was no Escape key: the rest of its sequence comes late on this link
        cleaned = self._pastes.cleaned(data)
        # Nothing at all is how the end of the input is told, not a piece that was held back.
        return self._believed(cleaned) if cleaned or not data else ()

    def tick(self) -> Iterable[Message]:
        """Give up on an unfinished sequence whose rest does not come."""
        if self._timeout_time is not None:
            now = get_time()
            if self.patient and now < self._timeout_time + PATIENCE_S:
                return ()
            if now >= self._timeout_time:
                self._gave_up_at = now
                self._pastes.give_up()
        return super().tick()

    def _believed(self, data: str) -> Iterator[Message]:
        window = self.mouse_pixels, self.terminal_size, self.terminal_pixel_size
        for message in super().feed(data):
            if isinstance(message, events.Resize):
                if max(message.size) > WIDEST:
                    self.mouse_pixels, self.terminal_size, self.terminal_pixel_size = window
                    continue
                window = self.mouse_pixels, self.terminal_size, self.terminal_pixel_size
            yield message

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if flags := _FLAGS.fullmatch(sequence):
            return [KeyboardFlags(int(flags[1]))]  # type: ignore[list-item]  # handed on like a key, and named like one
        try:
            keys = self._keys(sequence, alt=alt)
        except (ValueError, OverflowError):  # a code that is no character
            return [events.Key(Keys.Ignore, sequence)]
        if any(_unprintable(key.character) for key in keys):
            return [events.Key(Keys.Ignore, sequence)]
        return keys

    def _keys(self, sequence: str, *, alt: bool) -> list[events.Key]:
        key = _KEY.fullmatch(sequence)
        if key is None:
            return list(super()._sequence_to_key_events(sequence, alt))
        number, alternate, modifiers, kind, text, final = key.groups(default="")
        # A release has no text, but some terminals send one; and an alternate code breaks the stock parser.
        plain = f"\x1b[{number};{modifiers}{'' if kind == '3' else text}{final}" if alternate or kind else sequence
        pressed = list(super()._sequence_to_key_events(plain, alt))
        code = f"{number or 1}{final}"
        if kind == "3":
            return [KeyUp(name) for name in self._down.pop(code, [event.key for event in pressed])]
        if kind == "2":
            return [Repeat(event.key, event.character) for event in pressed]
        for event in pressed if len(pressed) == 1 else ():  # more are an input method's words, and no key
            names = self._down.setdefault(code, [])
            names += [event.key] * (event.key not in names)
        return pressed


def _unprintable(character: str | None) -> bool:
    """Tell half a surrogate pair, which no text can hold and no terminal be sent."""
    return character is not None and any("\ud800" <= part <= "\udfff" for part in character)
