"""Breaking text into lines: at spaces, and after the marks that part words and sentences in Ethiopic writing.

Ethiopic texts put ፡ between words, often with no space at all, so a break after it is right; one before it, or before
። and ፣, is not. Source: Unicode line breaking (UAX 14), classes SP, BA and EX of these marks.
"""

from __future__ import annotations

import re
from typing import Final

from rich.cells import cell_len, get_character_cell_size

_SPACES: Final = r" \u1680\u2000-\u2006\u2008-\u200a\u3000"  # the no-break spaces are no place to break
_MARKS: Final = "፡።፣፤፥፦፧፨"
_PIECE: Final = re.compile(rf"\n|(?:[^\n{_SPACES}{_MARKS}]+[{_MARKS}]*|[{_MARKS}]+)[{_SPACES}]*|[{_SPACES}]+")
_TRAILING_SPACES: Final = re.compile(rf"[{_SPACES}]+\Z")

_JOINER: Final = "\u200d"
_WIDENING: Final = "\ufe0f"

Line = tuple[int, int]
"""Where a line begins and ends in its text."""


def wrap(text: str, width: int, start: int = 0) -> list[Line]:
    """Break a text, from `start` on, into lines of at most `width` cells; spaces at a line's end may hang over.

    `start` must be where an earlier call began a line: text that only grew is broken anew from its last line on, with
    the very same outcome.
    """
    lines: list[Line] = []
    begin, used = start, 0
    for piece in _PIECE.finditer(text, start):
        if piece[0] == "\n":
            lines.append((begin, piece.start()))
            begin, used = piece.end(), 0
            continue
        spaces = _TRAILING_SPACES.search(piece[0])
        hanging = len(spaces[0]) if spaces else 0
        cells = _cells(piece[0])
        if used and used + cells - hanging > width:
            lines.append((begin, piece.start()))
            begin, used = piece.start(), 0
        if cells - hanging > width:
            folds = _folds(text, piece.start(), piece.end() - hanging, width)
            lines += list(zip([begin, *folds], folds, strict=False))
            begin = folds[-1] if folds else begin
            cells = _cells(text[begin : piece.end()])
        used += cells
    lines.append((begin, len(text)))
    return lines


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _folds(text: str, start: int, end: int, width: int) -> list[int]:
    """Return where a word longer than a line is cut; a mark of no width stays with its letter, a picture is one.

    A selector makes many a sign twice as wide: counted for each, so that no line is longer than it may be.
    """
    folds, used = [], 0
    for index in range(start, end):
        joined = index > start and text[index - 1] == _JOINER
        cells = 0 if joined else get_character_cell_size(text[index]) + (text[index + 1 : index + 2] == _WIDENING)
        if used and used + cells > width:
            folds.append(index)
            used = 0
        used += cells
    return folds
