"""What stands for a character that an output's encoding lacks: its nearest kin in ASCII.

A redirect on Windows has the code page of the machine (cp1252, cp437), a container's locale may be plain ASCII. Dashes,
quotation marks and borders have kin there, Latin letters with marks lose these, letters of other scripts become "?": an
escape of six signs for each would hide the words around them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

UNKNOWN: Final = "?"

_KIN: Final = {
    **dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("‘’‚‛′ʼ‹›", "'"), **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("•·∙‣◦●○◉◎▪▫■□✱★☆", "*"), "…": "...", "⁄": "/", "∕": "/", "×": "x", "÷": "/", "±": "+-", "≤": "<=",
    "≥": ">=", "≠": "!=", "≈": "~", "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "↑": "^", "↓": "v", "▲": "^", "▼": "v",
    "▶": ">", "►": ">", "◀": "<", "◄": "<", "⏎": "Enter", "✓": "*", "✔": "*", "✗": "x", "✘": "x", "°": " deg", "µ": "u",
    "€": "EUR", "£": "GBP", "©": "(c)", "®": "(R)", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o",
    "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "ı": "i", "þ": "th", "Þ": "Th", "ð": "d",
    "።": ".", "፣": ",", "፤": ";", "፥": ",", "፦": ":", "፧": "?", "፡": " ",
}  # fmt: skip
"""Whatever is not a letter with a mark, a border or a block."""

_ONE_CELL: Final = {"…": ".", "±": "~", "≤": "<", "≥": ">", "≠": "#", "→": ">", "←": "<", "↔": "-", "⇒": ">", "°": "o"}
"""Where the kin must take as much room as the character, because columns stand beside it."""


def kin(text: str) -> str:
    """Return a text in ASCII, as near to what it says as that comes."""
    return "".join(_nearest(character) for character in text)


def kin_of_same_width(text: str) -> str:
    """Return a text in ASCII that takes as many cells of a terminal as the text itself."""
    return "".join(_fitted(character) for character in text)


def _fitted(character: str) -> str:
    cells = _cells(character)
    near = _ONE_CELL.get(character) or _nearest(character)
    return near.ljust(cells) if len(near) <= cells else near[:cells]


def _cells(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _nearest(character: str) -> str:
    if character.isascii():
        return character
    found = _KIN.get(character) or _drawn(ord(character), character) or "".join(_decomposed(character))
    if found:
        return found
    category = unicodedata.category(character)
    if category in {"Mn", "Me", "Cf"}:
        return ""
    return "*" if category == "So" else UNKNOWN


def _decomposed(character: str) -> Iterator[str]:
    for part in unicodedata.normalize("NFKD", character):
        if part.isascii():
            yield part
        elif part != character:
            yield _KIN.get(part, "")


def _drawn(code: int, character: str) -> str:
    """Return the kin of borders, blocks, arrows and braille cells, by the character's name."""
    if 0x2800 <= code <= 0x28FF:
        return " " if code == 0x2800 else ":"
    if not 0x2190 <= code <= 0x259F:
        return ""
    words = set(unicodedata.name(character, "").replace("-", " ").split())
    if "BOX" in words:
        return _border(words)
    if code >= 0x2580:
        return "|" if "EIGHTH" in words and words & {"LEFT", "RIGHT"} else "_" if "EIGHTH" in words else "#"
    ends = {"RIGHTWARDS": ">", "LEFTWARDS": "<", "UPWARDS": "^", "DOWNWARDS": "v"}
    return next((sign for word, sign in ends.items() if word in words), "")


def _border(words: set[str]) -> str:
    if "DIAGONAL" in words:
        return "/" if "RIGHT" in words else "X"
    along, across = words & {"HORIZONTAL", "LEFT", "RIGHT"}, words & {"VERTICAL", "UP", "DOWN"}
    if along and across:
        return "+"
    return "-" if along else "|"
