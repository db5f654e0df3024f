"""Has a voice speak once, because one that loads may yet be silent: a model may know no sound of its own language.

Only a machine's own voices are tried before they are used; those of a service cost money, and `doctor` tries them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Final

import numpy as np

from selam_cli.agent.providers import Synthesizer
from selam_cli.agent.responder import EngineFault
from selam_cli.core.catalog import DEFAULT_VOICE, voices_for

log = logging.getLogger(__name__)

SENTENCES: Final = {
    "am": "ሰላም፣ መናገር እችላለሁ።",
    "so": "Salaan, waan hadli karaa.",
    "ti": "ሰላም፣ ክዛረብ እኽእል እየ።",
    "om": "Akkam, dubbachuu nan danda'a.",
    "en": "Hello, I can speak.",
}
"""A plain sentence of each language."""

FAINTEST: Final = 33
"""The least peak, of 32,767, that counts as sound: −60 dBFS, which no voice stays under."""

TRIED_WITHIN_S: Final = 10.0
"""An agent that starts is waited for 30 s; a large model loads in two or three."""


async def is_silent(voice: Synthesizer, language: str) -> bool:
    """Say whether a voice makes no sound of a plain sentence; what follows its first sound is not made.

    Raises EngineFault where it fails.
    """
    name = next((known.name for known in voices_for(language)), DEFAULT_VOICE)
    odd = b""
    async with aclosing(voice.speak(SENTENCES[language], language, name)) as sound:
        async for piece in sound:
            whole = (odd + piece)[: (len(odd) + len(piece)) // 2 * 2]
            odd = (odd + piece)[len(whole) :]
            if np.abs(np.frombuffer(whole, "<i2").astype(np.int32)).max(initial=0) >= FAINTEST:
                return False
    return True


async def unusable(voice: Synthesizer, language: str) -> str | None:
    """Return why a voice of this machine speaks no language, with the remedy; None where it does.

    A failure that may pass, of a machine that is busy, is no reason; nor is a voice that takes its time to load.
    """
    try:
        async with asyncio.timeout(TRIED_WITHIN_S):
            silent = await is_silent(voice, language)
    except TimeoutError:
        log.warning("%s was not heard within %.0f s", voice.name, TRIED_WITHIN_S)
        return None
    except EngineFault as fault:
        log.warning("the voice was not heard: %s", fault.message)
        return fault.message if fault.type == "session_error" else None
    return voice.silence(language) if silent else None
