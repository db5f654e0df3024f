"""Makes an answer's text fit to be spoken: what is meant for the eye goes, the words stay.

A model that was told to write no markdown writes it now and then, and a voice would read its asterisks aloud. Works on
a whole answer as well as on one sentence of it, so a mark whose partner stands in another sentence goes too.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final

# Every pattern takes time in proportion to the text: what a model writes is untrusted input.
_Replacement = str | Callable[[re.Match[str]], str]

_STEPS: Final[tuple[tuple[re.Pattern[str], _Replacement], ...]] = (
    (re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE), ""),  # the fences of a block of code
    (re.compile(r"<br ?/?>", re.IGNORECASE), "\n"),
    (re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,15}(?: [^<>\n]{0,200})?/?>"), ""),
    (re.compile(r"!?\[([^\[\]\n]*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"), r"\1"),  # links and pictures
    (re.compile(r"\[\^?\d{1,3}\]"), ""),  # the number of a source
    (
        re.compile(r"<?https?://(?:www\.)?([^\s/<>()\[\]]+)[^\s<>()\[\]]*>?"),
        lambda address: _site(address[0], address[1]),
    ),
    (re.compile(r"^(?=[^\n]*---)[ \t:|-]++$", re.MULTILINE), ""),  # a rule, or the line under a table's head
    (re.compile(r"^[ \t]*(?:[*_][ \t]*){3,}$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE), lambda row: _cells(row[1])),
    (re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE), ""),  # a quotation
    (re.compile(r"^[ \t]*#{1,6}[ \t]+|(?<![ \t])[ \t]++#++[ \t]*+$", re.MULTILINE), ""),  # a heading
    (re.compile(r"^[ \t]*[-*+•–][ \t]+(?:\[[ xX]\][ \t]+)?", re.MULTILINE), ""),  # an item of a list
    (re.compile(r"\\([\\`*_{}\[\]()#+.!~|>-])"), r"\1"),
    (re.compile(r"`+|~{2,}|\*{2,}"), ""),
    (re.compile(r"(?<![\s\d])\*|\*(?![\s\d])"), ""),  # emphasis; "2 * 3" and "2*3" are sums
    (re.compile(r"(?<!\w)_+|(?<!_)_++(?!\w)"), ""),
    (
        re.compile(r"[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"),
        "",
    ),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" ?\n\s*"), "\n"),
)


def speakable(text: str) -> str:
    """Return the text without markdown, tags, emoji and addresses; a link keeps its words, an address its site."""
    text = html.unescape(text)
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text.strip()


def _site(address: str, site: str) -> str:
    """Name a site, and keep the mark of the sentence that ends with its address."""
    mark = re.search(r"[.,;:!?።፣]$", address)
    end = mark[0] if mark else ""
    return site.removesuffix(end) + end if end else site


def _cells(row: str) -> str:
    return ", ".join(cell.strip() for cell in row.split("|") if cell.strip())
