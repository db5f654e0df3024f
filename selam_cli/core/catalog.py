"""The service's languages and voices, and which of them fit together.

Source: the service's public guide. The service may gain a voice before this file does, so an unknown one is passed on
with a warning; an unknown language is refused (cli.md counts it as wrong usage).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Language:
    """A language the agent speaks: ISO 639-1 code, English name, and its own name for itself."""

    code: str
    name: str
    endonym: str


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice; `languages` holds the one language it speaks, `gender` is f, m, or empty where the guide is silent."""

    name: str
    language: str
    gender: str = ""
    gpt_audio: bool = False


DEFAULT_VOICE: Final = "mekdes"

LANGUAGES: Final[dict[str, Language]] = {
    language.code: language
    for language in (
        Language("am", "Amharic", "አማርኛ"),
        Language("so", "Somali", "Soomaali"),
        Language("ti", "Tigrinya", "ትግርኛ"),
        Language("om", "Oromo", "Afaan Oromoo"),
        Language("en", "English", "English"),
    )
}

VOICES: Final[dict[str, Voice]] = {
    voice.name: voice
    for voice in (
        Voice("mekdes", "am", "f"),
        Voice("ameha", "am", "m"),
        Voice("betty", "am", "f"),
        Voice("ubax", "so", "f"),
        Voice("muuse", "so", "m"),
        Voice("sami", "ti", "m"),
        Voice("ibsaa", "om", "m"),
        Voice("aria", "en", "f"),
        Voice("andrew", "en", "m"),
        *(Voice(name, "en", gpt_audio=True) for name in ("alloy", "echo", "fable", "onyx", "nova", "shimmer")),
    )
}


def voices_for(language: str) -> tuple[Voice, ...]:
    """Voices that speak a language, native ones first."""
    return tuple(voice for voice in VOICES.values() if voice.language == language)


def mismatch(voice: str, language: str | None) -> str | None:
    """Say in one sentence why a voice and a language do not fit and which voices would; None when all is well."""
    known = VOICES.get(voice)
    if known is None:
        known_names = ", ".join(VOICES)
        return f"The voice {voice!r} is not in this version's list; it is passed on as it is. Known: {known_names}."
    if language is None or language == known.language:
        return None
    fitting = ", ".join(fit.name for fit in voices_for(language) if not fit.gpt_audio)
    asked, own = LANGUAGES[language].name, LANGUAGES[known.language].name
    kind = "a GPT Audio voice and speaks English only" if known.gpt_audio else f"a voice for {own}"
    return f"{voice} is {kind}, and {asked} is asked for. Voices that fit {asked}: {fitting}."
