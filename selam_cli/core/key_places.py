"""Which key of a US keyboard a key counts as whose layout has no Latin letters: commands are places there.

A layout that has Latin letters (Dvorak, AZERTY, QWERTZ) is followed by its letters. A terminal that speaks kitty's
protocol names the place, by what its key types on a US keyboard; of others only the letter is known, and the layouts
of `keyboard_layouts` tell where it lies.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from selam_cli.core.keyboard_layouts import LAYOUTS, PLACES

LATIN: Final = "LATIN"

_QUESTION_MARKS: Final = frozenset("፧؟\u037e？")
"""They ask for help like any other; Ethiopia's stands without Shift on the key of the slash."""

_SHIFTED: Final = dict(zip("`1234567890-=[]\\;',./", '~!@#$%^&*()_+{}|:"<>?', strict=True))
"""What a US keyboard types with Shift, letters left out: they are commands in either case."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key by its character on a US keyboard, and the character that it stands for there with Shift or without."""

    key: str
    character: str


def script_of(letter: str) -> str:
    """Return the first word of a letter's Unicode name, such as LATIN or ETHIOPIC; empty for what is no letter."""
    return unicodedata.name(letter, "").partition(" ")[0] if len(letter) == 1 and letter.isalpha() else ""


def place_of(key: str, *, typed: str = "", base: str = "", shift: bool = False, script: str = "") -> Place | None:
    """Return the place that a key counts as; None where it counts as the character that it types.

    `key` is what it types without Shift, `typed` what it typed now, `base` what it would type on a US keyboard, as far
    as it was reported. `script` is that of the letter that was typed last: a sign that every layout has, such as the
    semicolon where Greek has Q's place, is a place only among letters that are not Latin.
    """
    own = typed or key
    if own in _QUESTION_MARKS:
        return Place("/", "?")
    if len(own) != 1 or script_of(own) == LATIN or own in " \t\r\n":
        return None
    known = _known(own, key, base, script)
    if known is not None:
        return known
    if not _is_place(base) or (own.isascii() and not _stands_for_a_letter(own, base, script)):
        return None
    if own.isascii() or script_of(own) or script not in {"", LATIN}:
        return _us(base, shift=shift) if _is_of_its_key(own, key, shift=shift) else None
    return None


def _known(own: str, key: str, base: str, script: str) -> Place | None:
    """Return the place of a letter of a known layout, where the terminal does not contradict."""
    place = _LETTERS.get(own) or _LETTERS.get(own.lower())
    if place is None and own == key:
        place = _SIGNS.get((script, own))
        if place is None and not script and (own, base) in _SIGNS_OF_PLACES:
            place = Place(base, base)
    return place if place is None or not _is_place(base) or place.key == base else _us(base, shift=False)


def _stands_for_a_letter(own: str, base: str, script: str) -> bool:
    return script not in {"", LATIN} and base.isalpha() and not own.isalnum()


def _is_of_its_key(own: str, key: str, *, shift: bool) -> bool:
    """Tell a letter of the key from what AltGr or an input method made of it."""
    return own.lower() == key.lower() or shift


def _is_place(base: str) -> bool:
    return len(base) == 1 and "!" <= base <= "~"


def _us(key: str, *, shift: bool) -> Place:
    return Place(key.lower(), _SHIFTED.get(key, key.lower()) if shift else key.lower())


def _letters() -> dict[str, Place]:
    """Return the letters that stand in one place in every layout that has them, lower case before upper case."""
    found: dict[str, Place] = {}
    for layout in LAYOUTS.values():
        for letters, shift in ((layout.plain, False), (layout.shifted, True)):
            for key, letter in zip(PLACES, letters, strict=True):
                if _is_of_a_script(letter) and letter.lower() not in found:
                    found[letter] = _us(key, shift=shift)
    return found


def _is_of_a_script(letter: str) -> bool:
    """Leave out what other layouts have as well: ASCII, × and ÷, general punctuation."""
    return letter >= "\u0370" and not "\u2000" <= letter <= "\u2bff"


_LETTERS: Final = _letters()
_SIGNS: Final = {
    (layout.script, sign): Place(key, key)
    for layout in LAYOUTS.values()
    for key, sign in zip(PLACES, layout.plain, strict=True)
    if sign.isascii() and sign != " " and key.isalpha()
}
"""The signs of ASCII that a layout has in a letter's place: Greek `;` and Hebrew `/` lie where Q does."""

_SIGNS_OF_PLACES: Final = frozenset((sign, place.key) for (_, sign), place in _SIGNS.items())
