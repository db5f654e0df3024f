"""What the embedded agent is told to do: the table `[agent]` of the settings file, and the keys of its endpoints.

The keys come from the environment alone, each for its own endpoint; the service's own endpoints take the user's key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

from selam_cli.config.settings_file import (
    Check,
    SettingsFile,
    checked,
    name,
    one_of,
    spoken_language,
    web_address,
    whole,
)
from selam_cli.core.outside_text import variable

HEARING: Final = ("auto", "openai", "sherpa", "whisper", "pocketsphinx", "none")
THINKING: Final = ("auto", "openai", "selam", "ollama", "none")
SPEAKING: Final = ("auto", "openai", "selam", "espeak", "sherpa", "none")

TABLE: Final = "agent"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Every setting of the embedded agent; the names are those of the settings file. No key shows in a repr."""

    hearing: str = "auto"
    hearing_url: str | None = None
    hearing_model: str | None = None
    thinking: str = "auto"
    thinking_url: str | None = None
    thinking_model: str | None = None
    speaking: str = "auto"
    speaking_url: str | None = None
    speaking_model: str | None = None
    speaking_language: str | None = None
    patience_s: int = 30
    end_of_speech_ms: int = 700
    hearing_key: str | None = field(default=None, repr=False)
    thinking_key: str | None = field(default=None, repr=False)
    speaking_key: str | None = field(default=None, repr=False)


_CHECKS: Final[dict[str, Check]] = {
    "hearing": one_of(*HEARING),
    "hearing_url": web_address,
    "hearing_model": name,
    "thinking": one_of(*THINKING),
    "thinking_url": web_address,
    "thinking_model": name,
    "speaking": one_of(*SPEAKING),
    "speaking_url": web_address,
    "speaking_model": name,
    "speaking_language": spoken_language,
    "patience_s": whole(1, 600),
    "end_of_speech_ms": whole(200, 3_000),
}

_KEYS: Final = {
    "hearing_key": "SELAM_HEARING_KEY",
    "thinking_key": "SELAM_THINKING_KEY",
    "speaking_key": "SELAM_SPEAKING_KEY",
}


def load_agent_settings(environment: Mapping[str, str] | None = None) -> AgentSettings:
    """Return what the settings file's table and the environment say.

    Raises UsageFault for an unknown key or a value out of range, with its line.
    """
    environment = os.environ if environment is None else environment
    settings = with_table(AgentSettings(), SettingsFile.read(environment))
    keys = {part: variable(environment, name) or None for part, name in _KEYS.items()}
    return replace(settings, **keys)  # type: ignore[arg-type]  # the keys' fields


def with_table(settings: AgentSettings, file: SettingsFile) -> AgentSettings:
    """Return settings with those of a file's table. Raises UsageFault."""
    known = [f.name for f in fields(AgentSettings) if f.name in _CHECKS]
    for key, value in file.table(TABLE).items():
        place = file.place(key, TABLE)
        file.expect(key, known, place)
        settings = replace(settings, **{key: checked(_CHECKS[key], value, place)})  # type: ignore[arg-type]  # the check gives the field's type
    return settings
