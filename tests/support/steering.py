"""What a stranger's text would do to a terminal: texts that try, and what tells that one of them got through."""

from __future__ import annotations

import re
import unicodedata

NUMBER = "7357"
"""Stands in every sequence below, and in none that the program itself writes."""

EVIL = (
    f"\x1b]0;{NUMBER}\x07",  # the window's title
    f"\x1b]8;;https://{NUMBER}.invalid\x1b\\link\x1b]8;;\x1b\\",  # a link that says one thing and leads to another
    f"\x1b]52;c;{NUMBER}\x07",  # the clipboard
    f"\x1b[{NUMBER}S\x1b[2J\x1b[{NUMBER};1H",  # scrolled away, erased, written over
    f"\x1bP+q{NUMBER}\x1b\\",  # a question that the terminal would answer, as if it were typed
    f"\x9b{NUMBER}m \x9d0;{NUMBER}\x9c",  # the same in one character, C1
    f"\x1b[?{NUMBER}h\x1bc\x0e\x08\x7f\r",
    f"[link=https://{NUMBER}.invalid][bold red]markup[/] \x1b",
    f"\u202e{NUMBER}\u2066{NUMBER}\u2069\u202c\u200f\u061c",  # read backwards
    f"ze\u200bro\ufeff {NUMBER}\U000e0041\U000e007f\u00ad\u2028",  # not seen
    f"\ue0a0{NUMBER}\U0010fffd\ufdd0",  # as each font likes
    f"{NUMBER}" + "\u0335" * 40,
    f"half \ud83d{NUMBER}",
)
ALL = " | ".join(EVIL)

_OF_TERMINALS = re.compile(
    rb"\x1b\[[0-9:;<=>?]*[ -/]*[@-~]"  # CSI …
    rb"|\x1bP=[12]s\x1b\\"  # the start and the end of an update, as Textual may write it
    rb"|\x1b\]22;[a-z-]+\x07"  # the pointer's shape
    rb"|\x1b[78=>]|\x1b\([0B]"
)
_ALLOWED = frozenset("\r\n\t\b\x07\u200c\u200d\ufe0e\ufe0f")
_STEERING = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def steered(written: bytes) -> list[str]:
    """Return what in the bytes written to a terminal came from a text above; nothing where all is well."""
    found = [f"a sequence {match[0]!r}" for match in _OF_TERMINALS.finditer(written) if NUMBER.encode() in match[0]]
    rest = _OF_TERMINALS.sub(b"", written)
    found += [f"no sequence of ours: {rest[at.start() : at.start() + 20]!r}" for at in re.finditer(b"\x1b", rest)]
    shown = rest.decode("utf-8", "replace").replace("\x1b", "")
    return found + uncovered(shown) + ["a pile of marks"] * bool(re.search("\u0335{5,}", shown))


def uncovered(text: str) -> list[str]:
    """Return the characters of a text that steer, hide or reorder; nothing where all is well."""
    steering = {character for character in text if unicodedata.category(character) in _STEERING} - _ALLOWED
    return [f"U+{ord(character):04X}" for character in sorted(steering)]
