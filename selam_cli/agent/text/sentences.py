"""Cuts a text that streams in into sentences, each as soon as it is whole, so that speaking begins before the end.

Pure. The marks are those of every script that an answer may be in: Latin, Ethiopic (። ፧ ፨ end a sentence, ፣ ፤ ፥ ፦ part
it), Arabic, CJK and Devanagari. A full stop in a number, an abbreviation or an address ends nothing.
"""

from __future__ import annotations

import re
from typing import Final

FIRST_PART_CHARACTERS: Final = 30
"""The first words of an answer may go ahead of their sentence, from a comma on: the sooner something sounds."""

LONGEST_CHARACTERS: Final = 240
"""A sentence longer than this is cut at a comma, or at a space: no voice needs more at a time."""

_END: Final = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[።፧፨؟。！？।]|\n")
_PART: Final = re.compile(r"[,;:–—،؛](?=\s)|[፣፤፥፦、，；：]")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|approx|No|Fig|Ato|W/ro|[A-Za-z](?:\.[A-Za-z])*)\.$",
    re.IGNORECASE,
)
_SPACE: Final = re.compile(r"\s")


class SentenceSplitter:
    """Takes an answer piece by piece; every character comes out once, in order."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, piece: str) -> list[str]:
        """Return the sentences that are whole; the space between two of them begins the second."""
        self._text += piece
        ready: list[str] = []
        while (cut := self._cut()) is not None:
            ready.append(self._text[:cut])
            self._text = self._text[cut:]
            self._first = self._first and not ready[-1].strip()
        return ready

    def flush(self) -> list[str]:
        """Return the rest: the answer is complete."""
        rest, self._text = self._text, ""
        return [rest] if rest else []

    def _cut(self) -> int | None:
        for end in _END.finditer(self._text):
            if not _ABBREVIATION.search(self._text[: end.end()]):
                return end.end()
        if self._first:
            part = _PART.search(self._text, FIRST_PART_CHARACTERS)
            if part is not None:
                return part.end()
        return self._cut_of_a_long_one() if len(self._text) > LONGEST_CHARACTERS else None

    def _cut_of_a_long_one(self) -> int:
        for mark in (_PART, _SPACE):
            ends = [found.end() for found in mark.finditer(self._text, 0, LONGEST_CHARACTERS)]
            if ends:
                return ends[-1]
        return LONGEST_CHARACTERS
