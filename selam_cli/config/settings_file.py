"""The settings file, and the checks of what stands in it: every error names the place where it can be mended."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from selam_cli.config.user_path import expanded
from selam_cli.core.catalog import LISTED, language_code
from selam_cli.core.outside_text import CURLY_QUOTES, NotUnicode, decoded, variable
from selam_cli.errors import UsageFault

Check = Callable[[object], object]
"""Returns the value as the program wants it. Raises OutOfRange."""


class OutOfRange(ValueError):
    """What is wrong with a value, as the end of a sentence that begins with its name."""


def checked(check: Check, value: object, place: str) -> object:
    """Return a value that has been checked. Raises UsageFault that names the place."""
    try:
        return check(value)
    except OutOfRange as error:
        raise UsageFault(f"{place} {error}.", "Correct it and try again.") from None


def whole(low: int, high: int) -> Check:
    """Check for a whole number in a range."""

    def check(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,9}", text) or not low <= int(text) <= high:
            raise OutOfRange(f"must be a whole number from {low} to {high}, not {text[:40]!r}")
        return int(text)

    return check


def one_of(*names: str) -> Check:
    """Check for one of some words."""

    def check(value: object) -> str:
        if value not in names:
            raise OutOfRange(f"must be one of {', '.join(names)}, not {str(value)[:40]!r}")
        return str(value)

    return check


def switch(value: object) -> bool:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise OutOfRange("must be true or false")
    return value


def name(value: object) -> str:
    """Check for a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise OutOfRange("must be a text that is not empty")
    return value.strip()


def spoken_language(value: object) -> str:
    """Check for a language of the agent's, however it is written; returns its code."""
    said = name(value)
    code = language_code(said)
    if code is None:
        raise OutOfRange(f"is {said[:40]!r}, which is none of the languages that there are: {LISTED}")
    return code


def address(*schemes: str) -> Check:
    """Check for an address that begins with one of some schemes."""
    pattern = re.compile(rf"(?i)({'|'.join(schemes)})://[^/\s?#]+")
    told = [f"{scheme}://" for scheme in schemes]
    listed = f"{', '.join(told[:-1])} or {told[-1]}"

    def check(value: object) -> str:
        url = name(value)
        if not pattern.match(url):
            raise OutOfRange(f"must be an address that begins with {listed}")
        return url

    return check


web_address: Final = address("http", "https")


def settings_path(environment: Mapping[str, str]) -> Path:
    """Return where the settings file is looked for; it need not exist."""
    if named := variable(environment, "SELAM_CONFIG"):
        return expanded(named)
    from platformdirs import user_config_path  # loaded only where a path is asked for

    return user_config_path("selam-voice", appauthor=False) / "config.toml"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file as it was read; an empty one where there is none."""

    path: Path
    text: str = ""
    parsed: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> SettingsFile:
        """Read it. Raises UsageFault where it was named and is missing, or cannot be read."""
        path = settings_path(environment)
        try:
            text = decoded(path.read_bytes())
        except FileNotFoundError:
            if variable(environment, "SELAM_CONFIG"):
                raise UsageFault(
                    f"The settings file {path} does not exist.", "Correct SELAM_CONFIG, or unset it."
                ) from None
            return cls(path)
        except NotUnicode as error:
            reason = f"{path}, line {error.line}: a letter is not UTF-8; the settings file is in another encoding."
            raise UsageFault(reason, "Save it as UTF-8, in Notepad by Save as and Encoding.") from None
        except OSError as error:
            raise UsageFault(f"The settings file {path} cannot be read: {error}.", "Mend or remove it.") from None
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise _no_toml(path, text, str(error)) from None

    def table(self, title: str) -> Mapping[str, object]:
        """Return a table of it, empty where it has none. Raises UsageFault where that name is no table."""
        found = self.parsed.get(title, {})
        if not isinstance(found, dict):
            raise UsageFault(f"{self.place(title)} must be a table.", f"Write [{title}] above its settings.")
        return found

    def place(self, key: str, title: str = "") -> str:
        """Return where a key stands, with its line, as the beginning of a sentence."""
        return f"{self.path}, line {self._line_of(key, title)}: {key}"

    def expect(self, key: str, known: Collection[str], place: str) -> None:
        """Raise UsageFault for a key that is not known."""
        if key not in known:
            raise UsageFault(f"{place} is no setting.", f"Settings are: {', '.join(sorted(known))}.")

    def _line_of(self, key: str, title: str) -> int:
        lines = self.text.splitlines()
        begin = _line_with(rf"\[\s*{re.escape(title)}\s*\]", lines, 0) if title else 0
        return _line_with(rf"""(?:\[+\s*)?["']?{re.escape(key)}["']?\s*(?:[.=\]]|$)""", lines, begin) + 1


def _no_toml(path: Path, text: str, complaint: str) -> UsageFault:
    found = re.search(r"line (\d+)", complaint)
    line = int(found[1]) if found else text.count("\n") + 1  # what is missing is missing at the end
    if CURLY_QUOTES & set("".join(text.split("\n")[line - 1 : line])):
        return UsageFault(f"{path}, line {line}: TOML knows no curly quotes.", f"{_STRAIGHT} {_EXAMPLE}")
    return UsageFault(f"The settings file {path} is no valid TOML: {complaint}.", f"Correct that line. {_EXAMPLE}")


_STRAIGHT: Final = "Write straight ones there."
_EXAMPLE: Final = 'A text stands in straight quotes: voice = "mekdes".'


def _line_with(pattern: str, lines: list[str], begin: int) -> int:
    """Return the index of the first line from `begin` on that begins with a pattern; 0 where there is none."""
    compiled = re.compile(rf"\s*{pattern}")
    return next((number for number, line in enumerate(lines[begin:], begin) if compiled.match(line)), 0)
