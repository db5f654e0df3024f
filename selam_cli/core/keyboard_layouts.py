"""What each key of a keyboard types in layouts without Latin letters, place by place.

From xkeyboard-config (freedesktop.org, xkb-data 2.35.1): the default variants of et, ru, ara, gr and il. It has no
layout for Tigrinya, which is written with et's letters. A space stands where a key types nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PLACES: Final = "qwertyuiop[]asdfghjkl;'\\zxcvbnm,./`"
"""The keys of the three rows of letters, and the one above Tab, by what they type on a US keyboard."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout's letters, in the order of PLACES, without and with Shift."""

    script: str
    """The first word of its letters' Unicode names."""
    plain: str
    shifted: str


LAYOUTS: Final = {
    "et": Layout(
        "ETHIOPIC",
        "ቀወ\ufe69ረተየ\ufe75\ufe71\ufe73ፐፀጨ\ufe67ሰደፈገሀጀከለ።፦ ዘአቸሸበነመ፣፤፧ ",
        "ቐ \ufe70 ጠ \ufe76\ufe72\ufe74ጰጸኀ\ufe68ሠዸ ጘሐ ኸ ፡፥\u2010ዠዐ\ufe78ቨ ኘ   ? ",
    ),
    "ru": Layout("CYRILLIC", "йцукенгшщзхъфывапролджэ\\ячсмитьбю.ё", "ЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭ/ЯЧСМИТЬБЮ,Ё"),
    "ara": Layout(
        "ARABIC",
        "\u0636\u0635\u062b\u0642\u0641\u063a\u0639\u0647\u062e\u062d\u062c\u062f"
        "\u0634\u0633\u064a\u0628\u0644\u0627\u062a\u0646\u0645\u0643\u0637\\"
        "\u0626\u0621\u0624\u0631\ufefb\u0649\u0629\u0648\u0632\u0638\u0630",
        "\u064e\u064b\u064f\u064c\ufef9\u0625`\xf7\xd7\u061b<>"
        '\u0650\u064d][\ufef7\u0623\u0640\u060c/:"\u2026'
        "~\u0652}{\ufef5\u0622',.\u061f\u0651",
    ),
    "gr": Layout("GREEK", ";ςερτυθιοπ[]ασδφγηξκλ '\\ζχψωβνμ,./`", ':ΣΕΡΤΥΘΙΟΠ{}ΑΣΔΦΓΗΞΚΛ "|ΖΧΨΩΒΝΜ<>?~'),
    "il": Layout(
        "HEBREW",
        "/'\u05e7\u05e8\u05d0\u05d8\u05d5\u05df\u05dd\u05e4]["
        "\u05e9\u05d3\u05d2\u05db\u05e2\u05d9\u05d7\u05dc\u05da\u05e3,\\"
        "\u05d6\u05e1\u05d1\u05d4\u05e0\u05de\u05e6\u05ea\u05e5.;",
        'QWERTYUIOP}{ASDFGHJKL:"|ZXCVBNM><?~',
    ),
}
