r"""Textual's input parser, and what it lacks: event types, the answer about flags, patience, and tolerance of errors.

Kitty's keyboard protocol reports press, repeat and release (`CSI 32;1:3u`), and beside a key's code its place on the
keyboard (`CSI 4728::99;5u` is Ctrl+C on an Amharic layout). Textual 8.2.8 asks for its other flags (25), not for these,
and its parser raises on them, and on codes that are no characters.
Source: https://sw.kovidgoyal.net/kitty/keyboard-protocol/, "Progressive enhancement".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from textual import _xterm_parser, events
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key
from textual.message import Message

from selam_cli.core.key_places import Place, place_of, script_of
from selam_cli.keyboard.paste_guard import PasteGuard

EVENT_TYPES: Final = 0b10
"""The flag that has the terminal report repeats and releases."""

ALL_FLAGS: Final = 0b11111
"""Textual's own, event types, and alternate keys: each key's place on the keyboard."""

ASK_FOR_ALL: Final = f"\x1b[<u\x1b[>{ALL_FLAGS}u"
"""Takes the place of Textual's own request: Alacritty answers with what was pushed, and not what was added to it."""

_KEY: Final = re.compile(r"\x1b\[(\d*)((?::\d*)*)(?:;(\d*)(?::([123]))?)?((?:;[\d:]*)?)([u~A-HPQRS])")
_SHIFT: Final = 0b1
_TEXT_KEEPING: Final = 0b11000001
"""The modifiers with which a key types: Shift, Caps Lock, Num Lock."""

_FUNCTIONAL: Final = range(0xE000, 0xF900)
"""The codes of keys that type nothing, in Unicode's private use area."""
_FLAGS: Final = re.compile(r"\x1b\[\?(\d+)u")
_ATTRIBUTES: Final = re.compile(r"\x1b\[\?[\d;]*c")
_COMPLETE: Final = re.compile(r"\x1b\[(?![\[M]|<[-\d;]*[Mm]\Z)[0-?]*(?!\$y)[ -/]*[@-~]")
"""A whole control sequence (ECMA-48, 5.4) that is neither the mouse's nor a mode's: if it is no key, it is nothing."""

WIDEST: Final = 2_000
"""Columns or rows of the largest window that is believed: drawing one of 99,999 would take minutes."""

PATIENCE_S: Final = 0.4
"""How much longer than Textual's 0.1 s the parser may wait for the rest of a sequence."""


# Textual gives up on a sequence after 32 characters and hands it on as typed; a key with its alternates and a text of
# several characters is longer.
_xterm_parser._MAX_SEQUENCE_SEARCH_THRESHOLD = 512  # noqa: SLF001  # it can be set in no other way


class KeyUp(events.Key):
    """A key was let go; called as its press was, whatever Shift, Ctrl and the others did meanwhile.

    A subclass of Key only because the parser hands on nothing else; it goes to the listener and no further.
    """

    def __init__(self, released: str) -> None:
        super().__init__(f"release+{released}", None)
        self.released = released


class Repeat(events.Key):
    """A press that the terminal reported as a repeat; the screen gets it as the plain key that Textual knows."""

    def __init__(self, key: str, character: str | None, pressed: str) -> None:
        super().__init__(key, character)
        self.pressed = pressed
        """What its press was called: Shift may have gone down meanwhile."""


class KeyboardFlags(events.Event, bubble=False):
    """The terminal's answer to which parts of the keyboard protocol are on; `key` is what the parser looks at."""

    key: str = ""

    def __init__(self, flags: int) -> None:
        super().__init__()
        self.flags = flags


class Attributes(events.Event, bubble=False):
    """The terminal's answer to what it is; `key` is what the parser looks at."""

    key: str = ""


class EventTypeParser(XTermParser):
    """Parses what a terminal sends; never raises for it."""

    def __init__(self, *, kept: str = "", debug: bool = False) -> None:
        """`kept` is the key of a name in the settings: its letter stays one, wherever it lies."""
        super().__init__(debug)
        self._kept = as_named(kept)
        self._script = ""
        """That of the letter typed last: what a sign is depends on it."""
        self.patient = False
        """Whether a sequence may be cut in two for longer than Textual's 0.1 s.

        Right where Escape itself comes as a sequence, and on a link that was seen to cut one; elsewhere a plain Escape
        would be late.
        """
        self._gave_up_at = float("-inf")
        self._down: dict[str, list[str]] = {}
        """Each key that is down, and what its presses were called; by its place, because the layout may change."""
        self._released: tuple[str, list[str]] = "", []
        """The same of the key that was let go last: in Konsole, that may be half of a repeat."""
        self._pastes = PasteGuard()

    @property
    def unfinished(self) -> bool:
        """Whether a sequence was begun whose rest has not come; it comes, or is given up, in half a second at most."""
        return self._timeout_time is not None

    def feed(self, data: str) -> Iterable[Message]:
        """Parse a piece of input."""
        if data[:1] in {"[", "O"} and get_time() - self._gave_up_at < PATIENCE_S:
            self.patient = True  # that was no Escape key: the rest of its sequence comes late on this link
        cleaned = self._pastes.cleaned(data)
        # An empty piece means the end of the input, not a piece that was held back.
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
        if _ATTRIBUTES.fullmatch(sequence):
            return [Attributes()]  # type: ignore[list-item]  # as above
        try:
            keys = self._keys(sequence, alt=alt)
        except (ValueError, OverflowError):  # a code that is no character
            return [events.Key(Keys.Ignore, sequence)]
        if any(_unprintable(key.character) for key in keys) or (not keys and _COMPLETE.fullmatch(sequence)):
            return [events.Key(Keys.Ignore, sequence)]
        return keys

    def _keys(self, sequence: str, *, alt: bool) -> list[events.Key]:
        key = _KEY.fullmatch(sequence)
        if key is None:
            return self._typed(sequence, alt=alt)
        number, alternates, modifiers, kind, text, final = key.groups(default="")
        place = self._place(number, alternates, modifiers, text) if final == "u" else None
        if place is None:
            # A release has no text, but some terminals send one; and an alternate code breaks the stock parser.
            plain = f"\x1b[{number};{modifiers}{'' if kind == '3' else text}{final}" if alternates or kind else sequence
            pressed = _in_lower_case(super()._sequence_to_key_events(plain, alt))
        else:
            pressed = self._of_place(place, modifiers, "" if kind == "3" else text)
        code = f"{ord(place.key) if place else _base(alternates) or number or 1}{final}"
        if kind == "3":
            names = self._down.pop(code, [event.key for event in pressed])
            self._released = code, names
            return [KeyUp(name) for name in names]
        if kind == "2":
            return self._repeats(code, pressed)
        for event in pressed if len(pressed) == 1 else ():  # more are an input method's words, and no key
            names = self._down.setdefault(code, [])
            names += [event.key] * (event.key not in names)
        return pressed

    def _repeats(self, code: str, repeated: list[events.Key]) -> list[events.Key]:
        released, names = self._released
        if released == code:
            self._down.setdefault(code, names)
        names = self._down.get(code, [])
        # What an input method makes of a key is called by no press.
        return [
            Repeat(event.key, event.character, event.key if event.key in names or not names else names[-1])
            for event in repeated
        ]

    def _typed(self, sequence: str, *, alt: bool) -> list[events.Key]:
        """Parse what is no sequence of the protocol: a letter of a known layout counts as the key at its place."""
        place = None
        if len(sequence) == 1 and not self._is_kept(sequence):
            place = place_of(sequence, script=self._script)
            self._script = script_of(sequence) or self._script
        pressed = _in_lower_case(super()._sequence_to_key_events(place.character if place else sequence, alt))
        return [events.Key(event.key, sequence) for event in pressed] if place else pressed

    def _place(self, number: str, alternates: str, modifiers: str, text: str) -> Place | None:
        """Return the place that a key counts as; None where it counts as what it types."""
        if not int(number or "0") or int(number) in _FUNCTIONAL or ":" in text:
            return None  # an input method's words have the code 0 and no place
        key, typed = chr(int(number)), chr(int(text[1:])) if text[1:] else ""
        script, self._script = self._script, script_of(key) or self._script
        if self._is_kept(typed or key):
            return None
        base = _base(alternates)
        shift = bool(_modifier_bits(modifiers) & _SHIFT)
        return place_of(key, typed=typed, base=chr(int(base)) if base else "", shift=shift, script=script)

    def _is_kept(self, letter: str) -> bool:
        return as_named(letter) == self._kept

    def _of_place(self, place: Place, modifiers: str, text: str) -> list[events.Key]:
        """Name a key by its place; what it types stays what it is."""
        character = chr(int(text[1:])) if text[1:] else None
        typing = character is not None and not _modifier_bits(modifiers) & ~_TEXT_KEEPING
        counted = f"\x1b[{ord(place.key)};{modifiers}{f';{ord(place.character)}' if typing else ''}u"
        return [events.Key(key.key, character) for key in _in_lower_case(super()._sequence_to_key_events(counted))]


def as_named(key: str) -> str:
    """Return the parser's name of a key that is named by its character: `;` is `semicolon`, `A` is `a`."""
    if len(key) > 1 or key.isalnum():
        return _lower(key)
    name = _character_to_key(key) if key else ""
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _in_lower_case(pressed: Iterable[events.Key]) -> list[events.Key]:
    """Name letters in lower case, whatever they type: Caps Lock is no Shift, and no letter is two commands."""
    return [events.Key(_lower(event.key), event.character) for event in pressed]


def _lower(name: str) -> str:
    modifiers, plus, key = name.rpartition("+")
    lower = key.lower()
    return f"{modifiers}{plus}{lower}" if len(key) == len(lower) == 1 else name


def _modifier_bits(modifiers: str) -> int:
    return max(0, int(modifiers or "1") - 1)


def _base(alternates: str) -> str:
    """Return the code of the key at this place of a US keyboard, where it is reported and can be believed."""
    base = alternates.split(":")[2] if alternates.count(":") > 1 else ""
    return base if base and 0x20 < int(base) < 0x7F else ""


def _unprintable(character: str | None) -> bool:
    """Say whether a key's text holds half a surrogate pair, which can neither be stored nor sent to a terminal."""
    return character is not None and any("\ud800" <= part <= "\udfff" for part in character)
