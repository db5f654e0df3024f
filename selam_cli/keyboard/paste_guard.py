"""A paste is text: no escape sequence in it is a key.

Textual 8.2.8 takes unknown sequences within a bracketed paste apart and reports them as keys, spaces too:
a coloured log, pasted, would press the talk key. Without their escape characters they stay text.
"""

from __future__ import annotations

from typing import Final

BEGIN: Final = "\x1b[200~"
END: Final = "\x1b[201~"
CTRL_C: Final = frozenset({"\x03", "\x1b[99;5u"})
"""Alone in a piece it was pressed, not pasted: a paste whose end was lost on the way must not hold the keyboard."""


class PasteGuard:
    """Takes the escape characters out of what is pasted; a marker may be cut anywhere between two pieces."""

    def __init__(self) -> None:
        self._pasting = False
        self._rest = ""
        """Outside a paste the last characters that went on, within one those held back: a marker may begin there."""

    def cleaned(self, text: str) -> str:
        """Return what of this piece, and of what was held back, goes on to the parser."""
        if self._pasting and text in CTRL_C:
            self._pasting, self._rest = False, ""
            return END + text
        passed: list[str] = []
        while text:
            piece, text = self._within(text) if self._pasting else self._outside(text)
            passed.append(piece)
        return "".join(passed)

    def give_up(self) -> None:
        """The parser waits no longer for the rest of a sequence: it was no paste's beginning."""
        if not self._pasting:
            self._rest = ""

    def _outside(self, text: str) -> tuple[str, str]:
        seen = self._rest + text
        at = seen.find(BEGIN)
        if at < 0:
            self._rest = seen[-(len(BEGIN) - 1) :]
            return text, ""
        end = at + len(BEGIN) - len(self._rest)
        self._pasting, self._rest = True, ""
        return text[:end], text[end:]

    def _within(self, text: str) -> tuple[str, str]:
        seen = self._rest + text
        at = seen.find(END)
        if at < 0:
            held = next((length for length in range(len(END) - 1, 0, -1) if seen.endswith(END[:length])), 0)
            self._rest = seen[len(seen) - held :]
            return _without_escapes(seen[: len(seen) - held]), ""
        self._pasting, self._rest = False, ""
        return _without_escapes(seen[:at]) + END, seen[at + len(END) :]


def _without_escapes(text: str) -> str:
    return text.replace("\x1b", "")
