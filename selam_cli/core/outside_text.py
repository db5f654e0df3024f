"""Text that a person, an editor, a shell or another program wrote, read as it was meant.

Windows' Notepad and PowerShell begin a file with a byte-order mark and write UTF-16, editors end lines in CRLF and
files in a newline, `docker --env-file` and cmd.exe keep the quotes around a value. None of that is part of the text.
Sources: Unicode Standard 23.8 (byte-order mark); PowerShell, about_Character_Encoding; Docker, `run --env-file`.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK: Final = 4

_MARK: Final = "\ufeff"
_UNSEEN: Final = f" \t\r\n\v\f\xa0\u200b\u200e\u200f\u2028\u2029\u2060{_MARK}"
"""What a copy from a web page or a chat brings along at either end."""

_QUOTES: Final = {'"': '"', "'": "'", "“": "”“", "”": "”", "„": "“”", "‘": "’", "’": "’", "‚": "‘’", "«": "»", "`": "`"}
"""Opening quotation marks, each with what may close it."""

CURLY_QUOTES: Final = frozenset("“”„‘’‚«»")
"""What word processors and chat programs make of straight ones."""


class NotUnicode(ValueError):
    """Bytes that are text of another encoding, Latin-1 or Windows-1252 say; `line` is the first such one, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is not UTF-8")
        self.line = line


def decoded(raw: bytes) -> str:
    r"""Return a whole file's text, without byte-order mark and with `\n` at the ends of lines. Raises NotUnicode.

    UTF-8; also UTF-16 and UTF-32 where a mark, or UTF-16's zero bytes, show them.
    """
    encoding, start = _encoding(raw)
    try:
        text = raw[start:].decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[start : start + error.start].decode(encoding, "replace")
        raise NotUnicode(_with_newlines(before).count("\n") + 1) from None
    return tidied(text)


def tidied(text: str) -> str:
    r"""Return a text without byte-order mark, and with `\n` at the ends of its lines."""
    return _with_newlines(text.lstrip(_MARK))


def unquoted(text: str) -> str:
    """Return a value without blanks, invisible characters and quotation marks around it; those inside it stay."""
    text = text.strip(_UNSEEN)
    while len(text) >= 2 and text[-1] in _QUOTES.get(text[0], "") and not {text[0], text[-1]} & set(text[1:-1]):
        text = text[1:-1].strip(_UNSEEN)
    return text


def variable(environment: Mapping[str, str], name: str) -> str:
    """Return what an environment variable says, without quotes; empty where it is not set."""
    return unquoted(environment.get(name, ""))


class Utf8Stream:
    """Turns a stream of another program's text, in pieces of any size, into UTF-8 without byte-order mark."""

    def __init__(self) -> None:
        self._begun = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._undecided = True

    def feed(self, piece: bytes) -> bytes:
        """Return what of it is complete; a piece of no bytes is the end."""
        if self._undecided:
            self._begun += piece
            if piece and _may_become_a_mark(self._begun):
                return b""
            piece, self._begun = self._decide(self._begun), b""
        if self._decoder is None:
            return piece  # what of it is no UTF-8 is for the reader of a line to replace
        return self._decoder.decode(piece, final=not piece).encode("utf-8", "replace")

    def _decide(self, begun: bytes) -> bytes:
        self._undecided = False
        encoding, start = _encoding(begun)
        if encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        return begun[start:]


def _encoding(raw: bytes) -> tuple[str, int]:
    """Return the encoding that a text's first bytes show, and where the text begins."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding, len(mark)
    if raw[1:2] == b"\0" != raw[:1]:  # no text of UTF-8 holds a zero
        return "utf-16-le", 0
    return ("utf-16-be", 0) if raw[:1] == b"\0" and raw[1:2] not in {b"", b"\0"} else ("utf-8", 0)


def _may_become_a_mark(begun: bytes) -> bool:
    """Say whether what follows the first bytes may make them another encoding's."""
    if len(begun) >= _LONGEST_MARK:
        return False
    return any(mark.startswith(begun) and mark != begun for mark, _ in _MARKS)


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
