r"""Makes untrusted text harmless to show: what would move the cursor, hide or reorder itself is made visible.

Text that came from a server, from a device's name or from an address is shown on a terminal, where an escape sequence
is a command and a bidirectional override turns "evil" around. Such characters are replaced by the escape that names
them (`\x1b`, `\u202e`), so a reader sees that they were there. Two kinds of invisible ones are kept where a word or an
emoji would be another without them, and nowhere else: the joiners U+200C and U+200D, the selectors U+FE0E and U+FE0F.
Sources: Unicode general categories Cc, Cf, Cs, Co, Zl, Zp and Default_Ignorable_Code_Point; UTR 36 (security
considerations); RFC 5892, appendix A.1 and A.2 (where the joiners belong); UTS 51 (joined emoji).
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

MAX_STACKED_MARKS: Final = 4
"""Combining marks on one letter that are shown as such; real orthographies need three, "zalgo" text piles up dozens."""

MAX_JOINED_EMOJI: Final = 4
"""The most that stand for one picture: a family of four, a kiss."""

_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufeff"  # letters and joiners
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufff0-\ufffb"  # zero width, separators, bidirectional marks
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2"  # signs that reach over the letters after them
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags and further variation selectors: invisible text inside a text
)
_NO_CHARACTER: Final = (
    "\ud800-\udfff"  # half a character: it cannot be written to any terminal
    # Private use, whose look and width are not defined, and what Unicode will never assign. What it has not assigned
    # yet is shown: next year's emoji and letters are among it.
    "\ue000-\uf8ff\U000f0000-\U0010ffff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(15) for last in (0xFFFE, 0xFFFF))
)
_STEERING: Final = "\x7f-\x9f" + _INVISIBLE + _NO_CHARACTER

_HARMFUL: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_STEERING}]")  # newline and tab are no harm
_HARMFUL_IN_JSON: Final = re.compile(f"[{_STEERING}]")
_HARMFUL_IN_ASCII: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_HALVES: Final = re.compile("[\ud800-\udfff]")

_PICTURE: Final = (
    "\u00a9\u00ae\u203c-\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
)
_ONE: Final = f"[{_PICTURE}]\ufe0f?[\U0001f3fb-\U0001f3ff]?\ufe0f?"
_JOINER: Final = re.compile(
    f"(?P<emoji>{_ONE}(?:\u200d{_ONE}){{1,{MAX_JOINED_EMOJI - 1}}}(?!\u200d))|(?P<joiner>[\u200c\u200d])"
)
_CURSIVE: Final = re.compile(
    "[\u0620-\u06ff\u0700-\u074f\u0750-\u077f\u07ca-\u07f5\u0840-\u086a\u08a0-\u08ff\u1820-\u18aa]"
)
"""Scripts whose letters are joined, so that a joiner or a non-joiner spells: Arabic, Syriac, N'Ko, Mongolian, …"""

_SELECTOR: Final = re.compile("[\ufe00-\ufe0f]")
_SELECTS: Final = re.compile(f"[0-9#*{_PICTURE}\u3030\u303d\u3297\u3299]")

_UNLETTERED: Final = re.compile(rf"[^\w\s\x00-\u02ff]{{{MAX_STACKED_MARKS + 1},}}")
"""Where marks may be piled up: no mark is a letter, a digit or a space."""

_VOWELS: Final = re.compile(f"([\u1161-\u11ff\ud7b0-\ud7ff]{{{MAX_STACKED_MARKS}}})([\u1161-\u11ff\ud7b0-\ud7ff]+)")
"""Hangul's parts of syllables take no room of their own either."""


def plain(text: str) -> str:
    """Return the text as it may be shown: newline and tab kept, everything harmful as a visible escape."""
    text = text.replace("\r\n", "\n")
    if text.isascii():
        return _HARMFUL_IN_ASCII.sub(_escaped, text)
    text = _HARMFUL.sub(_escaped, text)
    text = _VOWELS.sub(lambda pile: pile[1] + "".join(map(_named, pile[2])), text)
    text = _UNLETTERED.sub(_unpiled, text)
    text = _SELECTOR.sub(_selecting, text)
    return _JOINER.sub(_joining, text)  # the last, because it looks at what stands around


def plain_line(text: str) -> str:
    """Return the text as one line that may be shown: line ends and tabs become spaces."""
    return " ".join(plain(text).split())


def plain_json(value: object) -> str:
    r"""Return JSON on one line in which nothing steers a terminal; its reader gets every character back.

    JSON itself leaves C1 controls and bidirectional overrides as they are, and standard output may be a terminal.
    Half a character becomes U+FFFD: strict readers refuse an escape of it.
    """
    line = json.dumps(value, ensure_ascii=False)
    if line.isascii():
        return line.replace("\x7f", "\\u007f")
    return _HARMFUL_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], whole_characters(line))


def whole_characters(text: str) -> str:
    r"""Return the text with halves of characters put together, or, where one stands alone, replaced by U+FFFD.

    JSON may carry halves (`\ud83d`), Python keeps them, and nothing can be written that holds one.
    """
    if not _HALVES.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _escaped(match: re.Match[str]) -> str:
    return _named(match[0])


def _named(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _selecting(found: re.Match[str]) -> str:
    """Keep a selector that chooses between a sign's two looks, one a sign: a row of them would be a hidden text."""
    base = found.string[max(0, found.start() - 1) : found.start()]
    return found[0] if found[0] in "\ufe0e\ufe0f" and _SELECTS.match(base) else _named(found[0])


def _joining(found: re.Match[str]) -> str:
    """Keep a joiner inside a picture, and where RFC 5892 has it: after a virama, or between letters that join."""
    if found["emoji"]:
        return found[0]
    text, at = found.string, found.start()
    before, after = text[max(0, at - 1) : at], text[at + 1 : at + 2]
    if before and after.isalpha():
        virama = unicodedata.combining(before) == 9 and after >= "\u0900"  # the scripts that have one
        if virama or (_CURSIVE.match(before) and _CURSIVE.match(after)):
            return found[0]
    return _named(found[0])


def _unpiled(found: re.Match[str]) -> str:
    shown, piled = [], 0
    for character in found[0]:
        piled = piled + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        shown.append(character if piled <= MAX_STACKED_MARKS else _named(character))
    return "".join(shown)
