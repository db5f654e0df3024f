"""A sentence as a voice can speak it: runs of one language each, in letters of that language, numbers in words.

A voice given another script spells it out letter by letter, one given a numeral it does not know is silent, and a model
writes links, emoji and asterisks. The screen shows the text as it is; only what is spoken goes through here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from selam_cli.agent.text.language_signs import weighed
from selam_cli.agent.text.number_words import SPELLED, ethiopic_number, ordinal, spelled
from selam_cli.agent.text.sign_words import SHORT_FORMS, SIGNS


@dataclass(frozen=True, slots=True)
class Run:
    """A part of a sentence that is in one language, without anything that its voice could only spell."""

    text: str
    language: str


_WRITTEN_IN: Final = {"am": "ethiopic", "ti": "ethiopic", "so": "latin", "om": "latin", "en": "latin"}

_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_TOKEN: Final = re.compile(
    rf"""
    (?P<email>[\w.+-]+@(?:\w[\w-]*\.)+\w{{2,}})
  | (?P<url>(?:https?://|www\.)[^\s<>"፣።፧]*[^\s<>"'.,;:!?)\]፣።፧፤])
  | (?P<ethiopic_number>[፩-፼]+)(?P<ethiopic_ordinal>ተ?ኛ|ይ(?!\w))?
  | (?P<telephone>\+\d[\d -]{{5,}}\d)
  | (?P<span>(?<![A-Za-z\d.,–-]){_NUMBER}[-–]{_NUMBER}(?![\w–-]))
  | (?P<currency>[$€£])[ ]?(?P<amount>{_NUMBER})
  | (?P<minus>(?<![^\s(])[-−])?(?P<number>{_NUMBER})
      (?: (?P<ordinal>ተ?ኛ|ይ(?!\w)|ffaa(?=[a-z]{{0,6}}(?!\w))|aad(?=[a-z]{{0,4}}(?!\w)))
        | [ ]?(?P<unit>°C|%|(?:km|cm|kg)(?!\w)) )?
  | (?P<ethiopic>[\u1200-\u135a\u135d-\u135f\u1380-\u138f]+(?:['’][\u1200-\u135a]+)*)
  | (?P<latin>[A-Za-z]+(?:['’ʼ‘`][A-Za-z]+)*)
  | (?P<comparison>[<>=!]=|[±×÷]|(?<=[\d\s])[<>](?=\s?\d))
  | (?P<pause>[.,;:!?…—።-፨]+)
  | (?P<aside>[-=]>|→|[()\[\]]|\s*\n\s*(?:[-*\#•]+\s)?|[ ][-–][ ])
  | (?P<sign>[&+=@°%$€£])
  | (?P<joint>[*`~"'’ʼ‘])
    """,
    re.VERBOSE,
)
_FRACTION: Final = re.compile(r"(\d*)([¼½¾])")
_LINK: Final = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
_SCHEME: Final = re.compile(r"^(?:https?://)?(?:www\.)?")
_PAUSES: Final = str.maketrans("።፣፤፥፦፧፨…—", ".,;,:?.,,")
_COMPARISONS: Final = str.maketrans({"≥": ">=", "≤": "<=", "≠": "!=", "⩾": ">=", "⩽": "<="})
"""As a program writes them; a normalised ≠ is a = with a mark, which would be lost."""

_OTHER_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d",
     "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i", "ħ": "h", "ŋ": "ng", "ə": "e"}
)  # fmt: skip


def runs(sentence: str, language: str) -> tuple[Run, ...]:
    """Return what to speak of a sentence, and in which language; nothing for one without a word, such as an emoji.

    Letters of scripts other than Latin and Ethiopic are left out: no voice here reads them.
    """
    said: list[Run] = []
    for part, its_language in _parts(_plain(sentence), language):
        if said and its_language in {None, said[-1].language}:
            said[-1] = Run(said[-1].text + part, said[-1].language)
        elif its_language is not None:
            said.append(Run(part, its_language))
    return tuple(Run(_tidy(run.text), run.language) for run in said)


def _plain(sentence: str) -> str:
    """Return a text without Markdown's links, and Latin letters without marks: café is read as cafe."""
    text = _FRACTION.sub(lambda part: f"{int(part[1] or 0) + unicodedata.numeric(part[2])}", _LINK.sub(r"\1", sentence))
    text = unicodedata.normalize("NFKC", text.translate(_COMPARISONS)).translate(_OTHER_LETTERS)
    for short, words in SHORT_FORMS.items():
        text = text.replace(short, words)
    decomposed = unicodedata.normalize("NFD", text)
    return re.sub(r"[\u0300-\u036f]", "", decomposed)


def _parts(text: str, language: str) -> Iterator[tuple[str, str | None]]:
    """Yield pieces of speakable text, each with its language; None for one that goes with what is before it."""
    end = 0
    for token in _TOKEN.finditer(text):
        if token.start() > end:
            yield " ", None  # spaces, emoji and letters that no voice has
        end = token.end()
        yield _spoken(token, language)
    yield " ", None


def _spoken(token: re.Match[str], language: str) -> tuple[str, str | None]:
    match token.lastgroup:
        case "email" | "url":
            return f" {_address(token[0])} ", "en"
        case "ethiopic":
            return re.sub("['’\u135d-\u135f]", "", token[0]), _language_of_ethiopic(token[0], language)
        case "latin":
            return re.sub("[’ʼ‘`]", "'", token[0]), language if _WRITTEN_IN[language] == "latin" else "en"
        case "pause":
            return _pause(token), None
        case "aside":
            return ", ", None
        case "comparison" | "sign":
            return f" {SIGNS[language][token[0]]} ", language
        case "joint":
            return "", None
        case _:
            return _number(token, language), language


def _language_of_ethiopic(word: str, language: str) -> str:
    if _WRITTEN_IN[language] == "ethiopic":
        return language
    verdict = weighed(word)
    return "am" if verdict is None else verdict.language


def _pause(token: re.Match[str]) -> str:
    """Return the one mark of several that a voice should heed; a full stop or colon between letters is none."""
    marks = token[0].translate(_PAUSES)
    before, after = token.string[token.start() - 1 : token.start()], token.string[token.end() : token.end() + 1]
    if before.isalnum() and after.isalnum() and token[0] in {".", ":"}:
        return " "
    return next((mark for mark in "?!.;:," if mark in marks), ",") + " "


def _address(address: str) -> str:
    """Return a link or an e-mail address in English words; a link's query is nothing that a user wants to hear."""
    address = _SCHEME.sub("", address).partition("?")[0].partition("#")[0].rstrip("/")
    for sign, word in (("@", "at"), (".", "dot"), ("/", "slash"), ("-", "dash"), ("_", "underscore"), ("+", "plus")):
        address = address.replace(sign, f" {word} ")
    return re.sub(r"[^\w\s]", " ", address)


def _number(token: re.Match[str], language: str) -> str:
    signs = SIGNS[language]
    if telephone := token["telephone"]:
        return " ".join(_in_words(figure, language) for figure in telephone if figure.isdigit())
    if numerals := token["ethiopic_number"]:
        number, suffix = str(ethiopic_number(numerals)), token["ethiopic_ordinal"]
        return _ordinal(number, suffix, language) if suffix else _in_words(number, language)
    if span := token["span"]:
        first, last = re.split("[-–]", span)
        return f"{_in_words(first, language)} {signs['–']} {_in_words(last, language)}"
    if amount := token["amount"]:
        return f"{_in_words(amount, language)} {signs[token['currency']]}"
    words = _in_words(token["number"], language)
    if suffix := token["ordinal"]:
        words = _ordinal(token["number"], suffix, language)
    if unit := token["unit"]:
        words = f"{words} {signs[unit]}"
    return f"{signs['-']} {words}" if token["minus"] else words


def _in_words(number: str, language: str) -> str:
    digits = "".join(str(unicodedata.digit(figure)) if figure.isdigit() else figure for figure in number)
    return spelled(digits.replace(",", ""), language) if language in SPELLED else digits


def _ordinal(number: str, suffix: str, language: str) -> str:
    own = {"am": "ኛ", "ti": "ይ", "om": "ffaa", "so": "aad"}
    if own.get(language) == suffix.removeprefix("ተ") and number.isdigit():
        return ordinal(number, language)
    return _in_words(number, language) + suffix


def _tidy(text: str) -> str:
    """Return a run with single spaces, and with the pauses that its dropped signs have left behind made one."""
    text = re.sub(r"\s+([.,;:!?])", r"\1", re.sub(r"\s+", " ", text)).strip()
    return re.sub(r"^[.,;:!?\s]+|(?<=[.,;:!?])[.,;:]+(?=\s|$)|(?<=[.,;:!?]) [.,;:!?]+", "", text)
