"""The service's languages and voices, and which of them fit together.

Source: the service's public guide. The service may gain a voice before this file does, so an unknown one is passed on
with a warning; an unknown language is refused (docs/cli.md counts it as wrong usage).
"""

from __future__ import annotations

import re
import unicodedata
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


AUTO: Final = "auto"
"""What stands for "the language that is heard" where a text is needed."""

LISTED: Final = ", ".join(f"{language.code} ({language.name})" for language in LANGUAGES.values())
"""The languages for a sentence that says what there is."""

_OTHER_CODES: Final = {
    "amh": "am", "som": "so", "tir": "ti", "orm": "om", "gaz": "om", "gax": "om", "hae": "om", "eng": "en",
}  # fmt: skip
"""ISO 639-2 and 639-3; Oromo is a macrolanguage there, with three languages of its own in Ethiopia."""

_OTHER_NAMES: Final = {
    "amarigna": "am", "amarinya": "am", "amharigna": "am", "af soomaali": "so", "af somali": "so", "somaali": "so",
    "tigrigna": "ti", "tigrinia": "ti", "oromoo": "om", "oromiffa": "om", "oromiffaa": "om", "oromifa": "om",
    "afaan oromo": "om", "afan oromo": "om", "afan oromoo": "om", "ኦሮምኛ": "om", "ሶማሊኛ": "so", "ሱማሊኛ": "so",
    "እንግሊዝኛ": "en", "እንግሊዘኛ": "en",
}  # fmt: skip
"""How people write them besides the English name and the language's own."""

_NAMES: Final = {
    **_OTHER_NAMES,
    **{name.casefold(): lang.code for lang in LANGUAGES.values() for name in (lang.name, lang.endonym)},
}

_SUBTAGS: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*")
_ASIDE: Final = re.compile(r"[.@(].*", re.DOTALL)
_HYPHENS: Final = str.maketrans(dict.fromkeys("_\u2010\u2011\u2012\u2013\u2212", "-"))


def language_code(text: str) -> str | None:
    """Return our code for a language as people, locales and servers write it; None for one that is not ours.

    A code of two or three letters may carry script, region, encoding and modifier (RFC 5646, POSIX locales): `am-ET`,
    `am_ET.UTF-8`, `om-Latn-ET`, `amh`. A name is in English or in the language itself: `Amharic`, `አማርኛ`, and with
    what Windows adds to it, `Amharic_Ethiopia.1252`. Case does not matter.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = " ".join(_ASIDE.sub("", plain).translate(_HYPHENS).split())
    first, _, _ = plain.partition("-")
    named = _NAMES.get(plain.replace("-", " ")) or _NAMES.get(first)
    if named is not None or _SUBTAGS.fullmatch(plain) is None:
        return named
    return first if first in LANGUAGES else _OTHER_CODES.get(first)


def voice_name(text: str) -> str:
    """Return a voice's name as the service writes it, where it is known; another is passed on, without blanks."""
    name = text.strip()
    return name.casefold() if name.casefold() in VOICES else name


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
