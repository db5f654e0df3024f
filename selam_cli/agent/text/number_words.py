"""Numbers in words, for voices that read digits badly or not at all: Amharic, Tigrinya, Oromo, Somali.

English digits are left to the voices, which all read them. No library spells all four (num2words has Amharic alone).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LARGEST: Final = 10**12 - 1
"""A longer number is a code of some kind, and is read digit by digit."""

_SIXTH_ORDER: Final = 5
"""The place of a consonant without a vowel in its row of eight Ethiopic letters; the first place has the vowel ä."""


@dataclass(frozen=True, slots=True)
class _Numerals:
    digits: tuple[str, ...]
    point: str
    cardinal: Callable[[int], str]
    ordinal: Callable[[str], str]


def spelled(number: str, language: str) -> str:
    """Return a number (digits, perhaps with a decimal point) in words of a language that `SPELLED` has.

    A number that begins with a zero, as a telephone number may, is read digit by digit; so is one too long for words.
    """
    numerals = _NUMERALS[language]
    whole, _, fraction = number.partition(".")
    words = _cardinal(whole, numerals)
    return f"{words} {numerals.point} {_one_by_one(fraction, numerals)}" if fraction else words


def ordinal(number: str, language: str) -> str:
    """Return a whole number as an ordinal: ሃያ አምስተኛ, digdamii shanaffaa."""
    numerals = _NUMERALS[language]
    return numerals.ordinal(_cardinal(number, numerals))


def ethiopic_number(numerals: str) -> int:
    """Return the value of Ethiopic numerals: ፲፱፻፺፱ is 1999."""
    ten_thousands = hundreds = below = 0
    for numeral in numerals:
        match int(unicodedata.numeric(numeral)):
            case 10_000:
                ten_thousands = max(1, ten_thousands + hundreds + below) * 10_000
                hundreds = below = 0
            case 100:
                hundreds, below = hundreds + max(1, below) * 100, 0
            case value:
                below += value
    return ten_thousands + hundreds + below


def _cardinal(digits: str, numerals: _Numerals) -> str:
    if (len(digits) > 1 and digits.startswith("0")) or int(digits) > LARGEST:
        return _one_by_one(digits, numerals)
    return numerals.digits[0] if int(digits) == 0 else numerals.cardinal(int(digits))


def _one_by_one(digits: str, numerals: _Numerals) -> str:
    return " ".join(numerals.digits[int(digit)] for digit in digits)


def _by_scale(number: int, scales: dict[int, str]) -> tuple[list[tuple[int, str]], int]:
    """Return how many of each scale a number holds, the largest first, and what is left below the smallest."""
    counted = []
    for scale, name in scales.items():
        count, number = divmod(number, scale)
        if count:
            counted.append((count, name))
    return counted, number


# --- Amharic ----------------------------------------------------------------------------------------------------------

_AM_DIGITS: Final = ("ዜሮ", "አንድ", "ሁለት", "ሦስት", "አራት", "አምስት", "ስድስት", "ሰባት", "ስምንት", "ዘጠኝ")
_AM_TENS: Final = ("", "አስር", "ሃያ", "ሰላሳ", "አርባ", "ሃምሳ", "ስልሳ", "ሰባ", "ሰማንያ", "ዘጠና")
_AM_SCALES: Final = {10**9: "ቢሊዮን", 10**6: "ሚሊዮን", 1_000: "ሺህ", 100: "መቶ"}


def _am_cardinal(number: int) -> str:
    counted, rest = _by_scale(number, _AM_SCALES)
    words = [f"{_am_cardinal(count)} {name}" for count, name in counted]
    tens, units = divmod(rest, 10)
    if tens:
        words.append("አስራ" if tens == 1 and units else _AM_TENS[tens])
    if units:
        words.append(_AM_DIGITS[units])
    return " ".join(words)


def _am_ordinal(cardinal: str) -> str:
    """Give the last consonant the vowel ä (Leslau, Reference Grammar of Amharic, 52); a vowel stays: ሃያኛ, መቶኛ."""
    if cardinal.endswith("ሺህ"):
        return cardinal[:-1] + "ኛ"
    if cardinal.endswith("ኝ"):
        return cardinal[:-1] + "ነኛ"
    last = ord(cardinal[-1])
    first_order = chr(last - _SIXTH_ORDER) if last % 8 == _SIXTH_ORDER else cardinal[-1]
    return cardinal[:-1] + first_order + "ኛ"


# --- Tigrinya ---------------------------------------------------------------------------------------------------------

_TI_DIGITS: Final = ("ባዶ", "ሓደ", "ክልተ", "ሰለስተ", "ኣርባዕተ", "ሓሙሽተ", "ሽዱሽተ", "ሸውዓተ", "ሸሞንተ", "ትሽዓተ")
_TI_TENS: Final = ("", "ዓሰርተ", "ዕስራ", "ሰላሳ", "ኣርብዓ", "ሓምሳ", "ሱሳ", "ሰብዓ", "ሰማንያ", "ቴስዓ")
_TI_SCALES: Final = {10**9: "ቢልዮን", 10**6: "ሚልዮን", 1_000: "ሽሕ", 100: "ሚእቲ"}


def _ti_cardinal(number: int) -> str:
    counted, rest = _by_scale(number, _TI_SCALES)
    parts = [
        name if count == 1 and name in {"ሽሕ", "ሚእቲ"} else f"{_ti_cardinal(count)} {name}" for count, name in counted
    ]
    tens, units = divmod(rest, 10)
    if tens == 1 and units:
        parts.append(f"{_TI_TENS[1]} {_TI_DIGITS[units]}")
    else:
        parts += [_TI_TENS[tens]] * (tens > 0) + [_TI_DIGITS[units]] * (units > 0)
    # Each part of several is joined to the others by -ን; a final -ቲ loses its vowel before it.
    return parts[0] if len(parts) == 1 else " ".join(re.sub("ቲ$", "ት", part) + "ን" for part in parts)


def _ti_counted(count: int, name: str) -> str:
    return name if count == 1 and name in {"ሽሕ", "ሚእቲ"} else f"{_ti_cardinal(count)} {name}"


_TI_ORDINALS: Final = {"ሓደ": "ቀዳማይ", "ክልተ": "ካልኣይ", "ሰለስተ": "ሳልሳይ", "ኣርባዕተ": "ራብዓይ", "ሓሙሽተ": "ሓምሻይ"}


def _ti_ordinal(cardinal: str) -> str:
    return _TI_ORDINALS.get(cardinal, f"መበል {cardinal}")


# --- Oromo ------------------------------------------------------------------------------------------------------------

_OM_DIGITS: Final = ("zeeroo", "tokko", "lama", "sadii", "afur", "shan", "ja'a", "torba", "saddeet", "sagal")
_OM_TENS: Final = (
    "", "kudhan", "digdama", "soddoma", "afurtama", "shantama", "jaatama", "torbaatama", "saddeettama", "sagaltama"
)  # fmt: skip
_OM_SCALES: Final = {10**9: "biliyoona", 10**6: "miliyoona", 1_000: "kuma", 100: "dhibba"}


def _om_cardinal(number: int) -> str:
    counted, rest = _by_scale(number, _OM_SCALES)
    parts = [f"{name} {_om_cardinal(count)}" for count, name in counted]
    tens, units = divmod(rest, 10)
    if tens and units:
        parts.append(f"{'kudha' if tens == 1 else _OM_TENS[tens][:-1] + 'ii'} {_OM_DIGITS[units]}")
    elif rest:
        parts.append(_OM_TENS[tens] if tens else _OM_DIGITS[units])
    return " fi ".join(parts)


_OM_ORDINALS: Final = {"tokko": "tokkoffaa", "lama": "lammaffaa", "afur": "afraffaa", "kudhan": "kurnaffaa"}
"""Those that add more than -affaa, in compounds too; sources: Afaan Oromo (Wikibooks), the Oromo Wikipedia's usage."""


def _om_ordinal(cardinal: str) -> str:
    before, space, last = cardinal.rpartition(" ")
    return before + space + _OM_ORDINALS.get(last, last.rstrip("aeiou") + "affaa")


# --- Somali -----------------------------------------------------------------------------------------------------------

_SO_DIGITS: Final = ("eber", "kow", "laba", "saddex", "afar", "shan", "lix", "toddoba", "siddeed", "sagaal")
_SO_TENS: Final = (
    "", "toban", "labaatan", "soddon", "afartan", "konton", "lixdan", "toddobaatan", "siddeetan", "sagaashan"
)  # fmt: skip
_SO_SCALES: Final = {10**9: "bilyan", 10**6: "malyan", 1_000: "kun", 100: "boqol"}


def _so_cardinal(number: int) -> str:
    counted, rest = _by_scale(number, _SO_SCALES)
    parts = [_so_counted(count, name) for count, name in counted]
    tens, units = divmod(rest, 10)
    parts += [_SO_DIGITS[units]] * (units > 0) + [_SO_TENS[tens]] * (tens > 0)  # units come first: kow iyo labaatan
    return " iyo ".join(parts)


def _so_counted(count: int, name: str) -> str:
    if count == 1:
        return name if name in {"kun", "boqol"} else f"hal {name}"
    return f"{_so_cardinal(count)} {name}"


def _so_ordinal(cardinal: str) -> str:
    """Only the last word becomes one, and toban loses a vowel: kow iyo tobnaad (Omniglot, Numbers in Somali)."""
    return re.sub("toban$", "tobn", cardinal).rstrip("a") + "aad"


_NUMERALS: Final = {
    "am": _Numerals(_AM_DIGITS, "ነጥብ", _am_cardinal, _am_ordinal),
    "ti": _Numerals(_TI_DIGITS, "ነጥቢ", _ti_cardinal, _ti_ordinal),
    "om": _Numerals(_OM_DIGITS, "tuqaa", _om_cardinal, _om_ordinal),
    "so": _Numerals(_SO_DIGITS, "dhibic", _so_cardinal, _so_ordinal),
}

SPELLED: Final = frozenset(_NUMERALS)
"""The languages whose numbers are put into words here."""
