"""The answer of an agent that hears and cannot think: it repeats what it understood, and says that it does."""

from __future__ import annotations

from typing import Final

_YOU_SAID: Final = {
    "am": "ያሉት፦ {words}",
    "so": "Waxaad tidhi: {words}",
    "ti": "ዝበልኩምዎ፦ {words}",
    "om": "Kan jettan: {words}",
    "en": "You said: {words}",
}


def repeated(words: str, language: str) -> str:
    """Return what was understood, introduced in a language."""
    return _YOU_SAID.get(language, _YOU_SAID["en"]).format(words=words)
