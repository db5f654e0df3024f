"""Takes a model's thoughts out of its answer as it streams: they are not for the user's ears.

Servers that know their model send thoughts in a field of their own; others leave them in the text, between `<think>`
and `</think>` (DeepSeek, Qwen) or tags much like these.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = ("think", "thinking", "thought", "reasoning")
_TAG: Final = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_TAGS: Final = tuple(f"<{slash}{name}>" for name in _NAMES for slash in ("", "/"))
_LONGEST: Final = max(map(len, _TAGS))


class ThoughtFilter:
    """Passes on what stands outside of thoughts; a tag may be split across pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False
        self._begun = False

    def feed(self, piece: str) -> str:
        """Return what of the answer is certain to be no thought."""
        text = self._held + piece
        spoken: list[str] = []
        start = 0
        for tag in _TAG.finditer(text):
            self._keep(text[start : tag.start()], spoken)
            self._thinking = not tag[1]
            start = tag.end()
        rest = text[start:]
        cut = len(rest) - _begun_tag(rest)
        self._held = rest[cut:]
        self._keep(rest[:cut], spoken)
        return self._outside(spoken)

    def finish(self) -> str:
        """Return what was held back in case it were a tag; the answer is over."""
        spoken: list[str] = []
        self._keep(self._held, spoken)
        self._held = ""
        return self._outside(spoken)

    def _keep(self, text: str, spoken: list[str]) -> None:
        if not self._thinking:
            spoken.append(text)

    def _outside(self, spoken: list[str]) -> str:
        """Join it, without the space that stands before an answer's first word."""
        text = "".join(spoken)
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return text


def _begun_tag(text: str) -> int:
    """Return how many characters at the end may be the beginning of a tag."""
    opening = text.rfind("<", -_LONGEST)
    if opening == -1:
        return 0
    end = text[opening:].lower()
    return len(end) if any(tag.startswith(end) for tag in _TAGS) else 0
