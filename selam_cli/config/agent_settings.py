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

STT: Final = ("auto", "openai", "sherpa", "whisper", "pocketsphinx", "none")
LLM: Final = ("auto", "openai", "selam", "ollama", "none")
TTS: Final = ("auto", "openai", "selam", "espeak", "sherpa", "none")

TABLE: Final = "agent"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Every setting of the embedded agent; the names are those of the settings file. No key shows in a repr."""

    stt: str = "auto"
    stt_url: str | None = None
    stt_model: str | None = None
    llm: str = "auto"
    llm_url: str | None = None
    llm_model: str | None = None
    tts: str = "auto"
    tts_url: str | None = None
    tts_model: str | None = None
    tts_language: str | None = None
    patience_s: int = 30
    end_of_speech_ms: int = 700
    stt_key: str | None = field(default=None, repr=False)
    llm_key: str | None = field(default=None, repr=False)
    tts_key: str | None = field(default=None, repr=False)


_CHECKS: Final[dict[str, Check]] = {
    "stt": one_of(*STT),
    "stt_url": web_address,
    "stt_model": name,
    "llm": one_of(*LLM),
    "llm_url": web_address,
    "llm_model": name,
    "tts": one_of(*TTS),
    "tts_url": web_address,
    "tts_model": name,
    "tts_language": spoken_language,
    "patience_s": whole(1, 600),
    "end_of_speech_ms": whole(200, 3_000),
}

_KEYS: Final = {
    "stt_key": "SELAM_STT_KEY",
    "llm_key": "SELAM_LLM_KEY",
    "tts_key": "SELAM_TTS_KEY",
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
