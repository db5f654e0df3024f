"""English, Amharic and Somali by faster-whisper: offline once its library has downloaded a model.

It hears whole utterances, so there are no partials. Whisper knows neither Tigrinya nor Oromo.
"""

from __future__ import annotations

from typing import Final

from selam_cli.agent.stt.in_workers import HearerInWorkers, installed
from selam_cli.agent.worker.process import Program

LANGUAGES: Final = frozenset({"en", "am", "so"})
DEFAULT_MODEL: Final = "small"
"""A name that faster-whisper knows and downloads at its first use, or a folder."""


def available() -> str | None:
    """Return why it cannot be used here, None where it can. Whether its model is here is not looked at."""
    if installed("faster_whisper"):
        return None
    return (
        "faster-whisper, which hears English, Amharic and Somali, is not installed: pip install 'selam-voice[whisper]'."
    )


def hearer(model: str = DEFAULT_MODEL, *, workers: int | None = 1) -> HearerInWorkers:
    """Return the engine; one worker, because each uses all cores. Its first start may have to download the model."""
    program = Program(
        "faster-whisper",
        "selam_cli.agent.stt.whisper_recogniser:WhisperRecogniser",
        {"model": model},
        start_within_s=900.0,
        hang_after_s=120.0,
        yield_within_s=5.0,
    )
    return HearerInWorkers(program, LANGUAGES, workers=workers)
