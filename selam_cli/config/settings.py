"""What the program is told to do: defaults < settings file < environment < flags, in one frozen `Settings`.

A value is checked where it enters, so that its error can name where it stands: the flag, the variable, or the file and
its line. Source of names and ranges: docs/settings.md and the service's public guide.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from selam_cli.config import agent_settings
from selam_cli.config.settings_file import (
    Check,
    OutOfRange,
    SettingsFile,
    address,
    checked,
    name,
    one_of,
    spoken_language,
    switch,
    whole,
)
from selam_cli.config.user_path import expanded, expanded_name
from selam_cli.core import outside_text, protocol
from selam_cli.core.catalog import AUTO, DEFAULT_VOICE, voice_name
from selam_cli.core.outside_text import NotUnicode, decoded, tidied, unquoted
from selam_cli.errors import UsageFault

PTT_MODES: Final = ("auto", "hold", "toggle", "open")
MICROPHONE_MODES: Final = ("open", "per_turn")


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
    microphone: str = "open"
    cues: bool = False
    pre_roll_ms: int = 300
    release_tail_ms: int = 200
    closing_silence: bool = True
    echo_cancellation: bool | None = None
    """None: where the extra `aec` is installed."""
    noise_suppression: bool = False
    gain_control: bool = False
    chunk_ms: int = 100
    max_talk_s: int = 120
    resend_within_s: int = 10


def _device(value: object) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else expanded_name(name(value))


def _language(value: object) -> str | None:
    said = name(value)
    return None if said.casefold() == AUTO else spoken_language(said)


def _voice(value: object) -> str:
    return voice_name(name(value))


def _microphone(value: object) -> str:
    if value not in MICROPHONE_MODES:
        modes = " or ".join(MICROPHONE_MODES)
        raise OutOfRange(f"must be {modes}, not {str(value)[:40]!r}; which microphone is the setting input")
    return str(value)


_KEY_NAME: Final = re.compile(
    r"((ctrl|alt|shift|super)\+)*([a-z0-9]|f([1-9]|1\d|2[0-4])|space|tab|enter|backspace|insert|delete|home|end|pageup"
    r"|pagedown|up|down|left|right|(left|right)_(shift|control|alt|super))"
)
_TAKEN_KEYS: Final = frozenset({"escape", "ctrl+c", "ctrl+q", "ctrl+z"})


def _talk_key(value: object) -> str:
    key = value if isinstance(value, str) and len(value) == 1 else name(value)
    if key == " ":
        return "space"
    if key in _TAKEN_KEYS:
        raise OutOfRange(f"cannot be {key}, which does something else")
    if not (len(key) == 1 and key.isprintable()) and not _KEY_NAME.fullmatch(key):
        raise OutOfRange(f"must be a character or a key's name such as space, f9 or ctrl+t, not {key[:40]!r}")
    return key


def _instructions(value: object) -> str | None:
    if not isinstance(value, str):
        raise OutOfRange("must be a text")
    named = unquoted(value)  # cmd.exe keeps single quotes
    text = _instructions_file(named[1:]) if named.startswith("@") else tidied(value)
    if len(text) > protocol.MAX_INSTRUCTIONS:
        raise OutOfRange(f"must have at most {protocol.MAX_INSTRUCTIONS} characters, and has {len(text)}")
    return text.strip() or None


def _instructions_file(path: str) -> str:
    try:
        return decoded(expanded(path).read_bytes())
    except NotUnicode as error:
        raise OutOfRange(f"names the file {path!r}, whose line {error.line} is not UTF-8: save it as UTF-8") from None
    except (OSError, ValueError):
        raise OutOfRange(f"names the file {path!r}, which cannot be read") from None


_CHECKS: Final[dict[str, Check]] = {
    "voice": _voice,
    "language": _language,
    "instructions": _instructions,
    "vad_threshold": whole(0, protocol.MAX_VAD_THRESHOLD),
    "interrupt_threshold": whole(1, protocol.MAX_INTERRUPT_THRESHOLD),
    "server": address("ws", "wss", "http", "https"),
    "local": switch,
    "insecure": switch,
    "input": _device,
    "output": _device,
    "ptt": one_of(*PTT_MODES),
    "talk_key": _talk_key,
    "volume": whole(0, 100),
    "microphone": _microphone,
    "cues": switch,
    "pre_roll_ms": whole(0, 1_000),
    "release_tail_ms": whole(0, 2_000),
    "closing_silence": switch,
    "echo_cancellation": switch,
    "noise_suppression": switch,
    "gain_control": switch,
    "chunk_ms": whole(100, 200),
    "max_talk_s": whole(5, 3_600),
    "resend_within_s": whole(0, 3_600),
}

_VARIABLES: Final = {"SELAM_SERVER": "server", "SELAM_VOICE": "voice", "SELAM_LANGUAGE": "language"}


def load_settings(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that hold; a flag that is None was not given.

    Raises UsageFault for an unknown key, a value out of range, or a settings file that cannot be read.
    """
    environment = os.environ if environment is None else environment
    settings = _from_file(Settings(), environment)
    for variable, key in _VARIABLES.items():
        if said := outside_text.variable(environment, variable):
            settings = _with(settings, key, said, variable)
    for key, value in flags.items():
        if value is not None:
            meant = unquoted(value) if isinstance(value, str) and key != "instructions" else value
            settings = _with(settings, key, meant, f"--{key.replace('_', '-')}")
    if flags.get("local") and flags.get("server") is not None:
        raise UsageFault("--local and --server exclude each other.", "Give one of them.")
    if flags.get("local"):
        return replace(settings, server=None)
    return replace(settings, local=False) if flags.get("server") is not None else settings


def _from_file(settings: Settings, environment: Mapping[str, str]) -> Settings:
    file = SettingsFile.read(environment)
    agent_settings.with_table(agent_settings.AgentSettings(), file)  # a mistake there is reported here, not by a child
    for key, value in file.parsed.items():
        if key != agent_settings.TABLE:
            place = file.place(key)
            file.expect(key, (*_CHECKS, agent_settings.TABLE), place)
            settings = _with(settings, key, value, place)
    return settings


def _with(settings: Settings, key: str, value: object, place: str) -> Settings:
    return replace(settings, **{key: checked(_CHECKS[key], value, place)})  # type: ignore[arg-type]  # the check gives the field's type
