r"""Makes a stranger's text harmless to show: what would move the cursor, hide or reorder itself is made visible.

Text that came from a server is shown on a terminal, where an escape sequence is a command and a bidirectional override
turns "evil" around. Such characters are replaced by the escape that names them (`\x1b`, `\u202e`), so a reader sees
that they were there. Sources: Unicode 16 general categories Cc, Cf, Cs, Zl, Zp; UTR 36 (security considerations).
"""

from __future__ import annotations

import re
from typing import Final

MAX_STACKED_MARKS: Final = 4
"""Combining marks on one letter that are shown as such; real orthographies need three, "zalgo" text piles up dozens."""

_HARMFUL: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but newline and tab: escape sequences begin with them
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufeff"  # invisible letters and joiners
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufff9-\ufffb"  # zero width, separators, bidirectional marks and overrides
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2"  # signs that reach over the letters after them
    "\U000110bd\U000110cd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags and further variation selectors: invisible text inside a text
    "\ud800-\udfff"  # half a character: it cannot be written to any terminal
    "]"
)

_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u135d-\u135f"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
)
_PILE: Final = re.compile(f"([{_MARKS}]{{{MAX_STACKED_MARKS}}})([{_MARKS}]+)")


def plain(text: str) -> str:
    """Return the text as it may be shown: newline and tab kept, everything harmful as a visible escape."""
    text = text.replace("\r\n", "\n")
    text = _HARMFUL.sub(_escaped, text)
    return _PILE.sub(lambda pile: pile[1] + "".join(_named(mark) for mark in pile[2]), text)


def plain_line(text: str) -> str:
    """Return the text as one line that may be shown: line ends and tabs become spaces."""
    return " ".join(plain(text).split())


def _escaped(match: re.Match[str]) -> str:
    return _named(match[0])


def _named(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
