"""What the program is told to do: defaults < settings file < environment < flags, in one frozen `Settings`.

A value is checked where it enters, so that its error can name where it stands: the flag, the variable, or the file and
its line. Source of names and ranges: cli.md and the service's public guide.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from selam_cli.core import protocol
from selam_cli.core.catalog import DEFAULT_VOICE, LANGUAGES
from selam_cli.errors import UsageFault

PTT_MODES: Final = ("auto", "hold", "toggle", "open")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of `talk` and `ask`; the names are those of the settings file."""

    voice: str = DEFAULT_VOICE
    language: str | None = None
    instructions: str | None = None
    vad_threshold: int = protocol.DEFAULT_VAD_THRESHOLD
    interrupt_threshold: int = protocol.DEFAULT_INTERRUPT_THRESHOLD
    server: str | None = None
    local: bool = False
    insecure: bool = False
    input: str | None = None
    output: str | None = None
    ptt: str = "auto"
    talk_key: str = "space"
    volume: int = 100
    pre_roll_ms: int = 300
    release_tail_ms: int = 200
    closing_silence: bool = True
    chunk_ms: int = 100
    max_talk_s: int = 120
    resend_within_s: int = 10


Check = Callable[[object], object]


class _OutOfRange(ValueError):
    """What is wrong with a value, as the end of a sentence that begins with its name."""


def _whole(low: int, high: int) -> Check:
    def check(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,9}", text) or not low <= int(text) <= high:
            raise _OutOfRange(f"must be a whole number from {low} to {high}, not {text[:40]!r}")
        return int(text)

    return check


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise _OutOfRange("must be true or false")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _OutOfRange("must be a text that is not empty")
    return value.strip()


def _device(value: object) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _name(value)


def _language(value: object) -> str | None:
    code = _name(value).lower()
    if code == "auto":
        return None
    if code not in LANGUAGES:
        raise _OutOfRange(f"must be auto or one of {', '.join(LANGUAGES)}, not {code[:40]!r}")
    return code


def _ptt(value: object) -> str:
    if value not in PTT_MODES:
        raise _OutOfRange(f"must be one of {', '.join(PTT_MODES)}, not {str(value)[:40]!r}")
    return str(value)


_KEY_NAME: Final = re.compile(
    r"((ctrl|alt|shift|super)\+)*([a-z0-9]|f([1-9]|1\d|2[0-4])|space|tab|enter|backspace|insert|delete|home|end|pageup"
    r"|pagedown|up|down|left|right|(left|right)_(shift|control|alt|super))"
)
_TAKEN_KEYS: Final = frozenset({"escape", "ctrl+c", "ctrl+q", "ctrl+z"})


def _talk_key(value: object) -> str:
    name = value if isinstance(value, str) and len(value) == 1 else _name(value)
    if name == " ":
        return "space"
    if name in _TAKEN_KEYS:
        raise _OutOfRange(f"cannot be {name}, which does something else")
    if not (len(name) == 1 and name.isprintable()) and not _KEY_NAME.fullmatch(name):
        raise _OutOfRange(f"must be a character or a key's name such as space, f9 or ctrl+t, not {name[:40]!r}")
    return name


def _instructions(value: object) -> str | None:
    if not isinstance(value, str):
        raise _OutOfRange("must be a text")
    text = _instructions_file(value[1:]) if value.startswith("@") else value
    if len(text) > protocol.MAX_INSTRUCTIONS:
        raise _OutOfRange(f"must have at most {protocol.MAX_INSTRUCTIONS} characters, and has {len(text)}")
    return text.strip() or None


def _instructions_file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise _OutOfRange(f"names the file {path!r}, which {reason}") from None


def _server(value: object) -> str:
    url = _name(value)
    if not re.match(r"(?i)(wss?|https?)://[^/\s?#]+", url):
        raise _OutOfRange("must be an address that begins with ws://, wss://, http:// or https://")
    return url


_CHECKS: Final[dict[str, Check]] = {
    "voice": _name,
    "language": _language,
    "instructions": _instructions,
    "vad_threshold": _whole(0, protocol.MAX_VAD_THRESHOLD),
    "interrupt_threshold": _whole(1, protocol.MAX_INTERRUPT_THRESHOLD),
    "server": _server,
    "local": _switch,
    "insecure": _switch,
    "input": _device,
    "output": _device,
    "ptt": _ptt,
    "talk_key": _talk_key,
    "volume": _whole(0, 100),
    "pre_roll_ms": _whole(0, 1_000),
    "release_tail_ms": _whole(0, 2_000),
    "closing_silence": _switch,
    "chunk_ms": _whole(100, 200),
    "max_talk_s": _whole(5, 3_600),
    "resend_within_s": _whole(0, 3_600),
}

_VARIABLES: Final = {"SELAM_SERVER": "server", "SELAM_VOICE": "voice", "SELAM_LANGUAGE": "language"}


def load_settings(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that hold; a flag that is None was not given.

    Raises UsageFault for an unknown key, a value out of range, or a settings file that cannot be read.
    """
    environment = os.environ if environment is None else environment
    settings = _from_file(Settings(), environment)
    for variable, name in _VARIABLES.items():
        if environment.get(variable):
            settings = _with(settings, name, environment[variable], variable)
    for name, value in flags.items():
        if value is not None:
            settings = _with(settings, name, value, f"--{name.replace('_', '-')}")
    if flags.get("local") and flags.get("server") is not None:
        raise UsageFault("--local and --server exclude each other.", "Give one of them.")
    if flags.get("local"):
        return replace(settings, server=None)
    return replace(settings, local=False) if flags.get("server") is not None else settings


def settings_file(environment: Mapping[str, str]) -> Path:
    """Return where the settings file is looked for; it need not exist."""
    if environment.get("SELAM_CONFIG"):
        return Path(environment["SELAM_CONFIG"]).expanduser()
    from platformdirs import user_config_path  # noqa: PLC0415  # loaded only where a path is asked for

    return user_config_path("selam-voice", appauthor=False) / "config.toml"


def _from_file(settings: Settings, environment: Mapping[str, str]) -> Settings:
    path = settings_file(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if environment.get("SELAM_CONFIG"):
            raise UsageFault(
                f"The settings file {path} does not exist.", "Correct SELAM_CONFIG, or unset it."
            ) from None
        return settings
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"The settings file {path} cannot be read: {error}.", "Mend or remove it.") from None
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageFault(f"The settings file {path} is no valid TOML: {error}.", "Correct that line.") from None
    known = {field.name for field in fields(Settings)}
    for name, value in parsed.items():
        place = f"{path}, line {_line_of(name, text)}: {name}"
        if name not in known:
            raise UsageFault(f"{place} is no setting.", f"Settings are: {', '.join(sorted(known))}.")
        settings = _with(settings, name, value, place)
    return settings


def _line_of(name: str, text: str) -> int:
    pattern = re.compile(rf"""\s*(?:\[+\s*)?["']?{re.escape(name)}["']?\s*(?:[.=\]]|$)""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _with(settings: Settings, name: str, value: object, place: str) -> Settings:
    try:
        return replace(settings, **{name: _CHECKS[name](value)})  # type: ignore[arg-type]  # the check gives the field's type
    except _OutOfRange as error:
        raise UsageFault(f"{place} {error}.", "Correct it and try again.") from None
