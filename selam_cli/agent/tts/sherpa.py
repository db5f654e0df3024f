"""Voices of sherpa-onnx: offline, in the language of a model that the user names; this is how Somali gets a voice.

A voice is a folder as the sherpa-onnx project publishes them, of the kind VITS: Piper's voices, and Meta's MMS.
"""

from __future__ import annotations

import textwrap
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import numpy as np

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.stt.in_workers import installed
from selam_cli.agent.worker.pool import WorkerPool
from selam_cli.agent.worker.process import Program
from selam_cli.config.user_path import expanded
from selam_cli.core.catalog import LANGUAGES
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.sound.resample import Resampler

TOKENS_NAME: Final = "tokens.txt"
DICTIONARIES_NAME: Final = "espeak-ng-data"
"""The folder that comes with voices whose pronunciation is espeak-ng's."""

_AT_MOST_CHARACTERS: Final = 300
"""What is asked for at once: a model may write a sentence without end, and nothing sounds before all of it is made."""


class SherpaVoice:
    """A Synthesizer (`agent/engines.py`) of one language."""

    name = "sherpa-onnx"

    def __init__(self, folder: Path, language: str, *, workers: int = 2) -> None:
        self.languages = frozenset({language})
        self._folder = folder
        folder = expanded(folder)
        self.pool = WorkerPool(
            Program(
                "sherpa-onnx",
                "selam_cli.agent.tts.sherpa_speaker:SherpaSpeaker",
                {"folder": str(folder)},
                start_within_s=60.0,
                hang_after_s=60.0,
                yield_within_s=5.0,
                part="voice",
                died_loading=unusable(folder),
            ),
            size=workers,
        )

    async def speak(self, text: str, language: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield a sentence's sound: PCM16, 16 kHz, mono. Raises EngineFault. The model is the only voice."""
        if language not in self.languages:
            known = " and ".join(LANGUAGES[code].name for code in self.languages)
            raise EngineFault("audio_error", f"This voice of sherpa-onnx speaks {known} only.")
        for part in textwrap.wrap(text, _AT_MOST_CHARACTERS, break_on_hyphens=False):
            async with self.pool.worker() as worker:
                answer = await worker.ask("speak", text=part)
            resampler = Resampler(answer["rate_hz"], WIRE_RATE_HZ)
            yield resampler.process(np.frombuffer(answer.get("body", b""), "<i2")).tobytes()
            yield resampler.flush().tobytes()

    def silence(self, language: str) -> str:
        """Say that the model is silent; of those that need espeak-ng's pronunciation, as Piper's, it is known why."""
        told = f"The voice in {self._folder} (sherpa-onnx) is silent: it makes no sound of {LANGUAGES[language].name}."
        needs_espeak = (self._folder.expanduser() / DICTIONARIES_NAME).is_dir()
        why = " sherpa-onnx 2.0 no longer has the pronunciation that Piper's voices need." if needs_espeak else ""
        return f"{told}{why} Name another as tts_model in the settings file, such as one of Meta's MMS."

    async def close(self) -> None:
        """End the workers."""
        await self.pool.close()


def available(folder: Path | None, language: str | None) -> str | None:
    """Return why it cannot be used here, None where it can; nothing is loaded to know it."""
    if not installed("sherpa_onnx"):
        return (
            "sherpa-onnx, which speaks with a voice that you name, is not installed: pip install 'selam-voice[sherpa]'."
        )
    if folder is None:
        return "Name the folder of a voice for sherpa-onnx as tts_model in the settings file."
    folder = expanded(folder)
    if not folder.is_dir():
        return f"There is no folder {folder}, where the voice for sherpa-onnx should be."
    if model_in(folder) is None:
        return f"{folder} holds no model of a voice, a file that ends in .onnx."
    if not (folder / TOKENS_NAME).is_file():
        return f"{folder} holds no {TOKENS_NAME}, which belongs to the voice."
    if language is None:
        return f"Say as tts_language what the voice in {folder} speaks: {', '.join(LANGUAGES)}."
    return None


def model_in(folder: Path) -> Path | None:
    """Return the model's file in a folder: `model.onnx`, else the first by name."""
    models = sorted(folder.glob("*.onnx"), key=lambda path: (path.name != "model.onnx", path.name))
    return next(iter(models), None)


def unusable(folder: Path) -> str:
    """Say that a model is not what it should be."""
    return (
        f"The voice in {folder} cannot be used: it is damaged, or not a VITS voice as the sherpa-onnx project "
        "publishes them. Name another folder as tts_model in the settings file."
    )
