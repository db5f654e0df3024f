"""Tells which of the five languages a short text is in.

pycld2 (Apache-2.0) where it is installed; the languages' own signs where it is not, where it names a language that the
agent does not speak, and where the letters say plainly whether a text is Amharic or Tigrinya: pycld2 takes short
Tigrinya for Amharic. Both take well under a millisecond, so they need no process of their own.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Final

from selam_cli.agent.text.language_signs import script, weighed

_WRITTEN_IN: Final = {"ethiopic": frozenset({"am", "ti"}), "latin": frozenset({"so", "om", "en"})}
_PLAIN_LEAD: Final = 2
_UNREADABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What pycld2 refuses a whole text for."""


def detect(text: str) -> str | None:
    """Return the code of the language that a text is in; None for one without letters, such as digits."""
    written, by_signs = script(text), weighed(text)
    if written is None or by_signs is None:
        return None
    if written == "ethiopic" and by_signs.lead >= _PLAIN_LEAD:
        return by_signs.language
    return _by_library(text, _WRITTEN_IN[written]) or by_signs.language


def available() -> str | None:
    """Say what would tell languages apart better than signs do; None where it is there."""
    if _library() is None:
        return (
            "pycld2 is not installed, so languages are told apart by script and function words; "
            "the extra `local` brings it where it has a wheel."
        )
    return None


def _by_library(text: str, possible: frozenset[str]) -> str | None:
    library = _library()
    if library is None:
        return None
    try:
        _, _, guesses = library.detect(_UNREADABLE.sub(" ", text), isPlainText=True, bestEffort=True)
    except library.error:
        return None
    return next((code for _, code, _, _ in guesses if code in possible), None)


def _library() -> ModuleType | None:
    try:
        return importlib.import_module("pycld2")
    except ImportError:
        return None
