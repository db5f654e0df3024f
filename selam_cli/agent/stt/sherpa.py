"""All five languages by sherpa-onnx with Omnilingual ASR: offline, with a model that the user downloads once.

It hears whole utterances, so there are no partials, and it does not say which language it heard.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from selam_cli.agent.models.catalog import OMNILINGUAL
from selam_cli.agent.stt.in_workers import HearerInWorkers, installed
from selam_cli.agent.worker.process import Program
from selam_cli.config.user_path import expanded

LANGUAGES: Final = frozenset({"am", "so", "ti", "om", "en"})
MODEL_NAMES: Final = ("model.int8.onnx", "model.onnx")
TOKENS_NAME: Final = "tokens.txt"


def available(folder: Path | None = None) -> str | None:
    """Return why it cannot be used here, None where it can; `folder` is a model of the user's own."""
    if not installed("sherpa_onnx"):
        return "sherpa-onnx, which hears all five languages, is not installed: pip install 'selam-voice[sherpa]'."
    if folder is not None:
        return _missing(expanded(folder))
    if not OMNILINGUAL.is_here():
        size = f"{OMNILINGUAL.size_bytes / 1e6:.0f} MB"
        return f"sherpa-onnx has no model yet: selam-voice models {OMNILINGUAL.name} downloads it once ({size})."
    return None


def hearer(folder: Path | None = None, *, workers: int | None = None) -> HearerInWorkers:
    """Return the engine; its workers start, and take about half a gigabyte each, when they are needed."""
    place = expanded(folder or OMNILINGUAL.folder())
    program = Program(
        "sherpa-onnx",
        "selam_cli.agent.stt.sherpa_recogniser:SherpaRecogniser",
        {"folder": str(place)},
        start_within_s=60.0,
        hang_after_s=60.0,
        yield_within_s=5.0,
        died_loading=unusable(place),
    )
    return HearerInWorkers(program, LANGUAGES, workers=workers)


def unusable(folder: Path) -> str:
    """Say that a model is not what it should be."""
    return (
        f"The model in {folder} cannot be used: it is damaged, or not one of Omnilingual ASR. Remove that folder "
        "and run selam-voice models omnilingual."
    )


def model_in(folder: Path) -> Path | None:
    """Return the model's file in a folder; the smaller one where both are there."""
    return next((folder / name for name in MODEL_NAMES if (folder / name).is_file()), None)


def _missing(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"There is no folder {folder}, where the model for sherpa-onnx should be."
    if model_in(folder) is None:
        return f"{folder} holds no {' and no '.join(MODEL_NAMES)}, which sherpa-onnx needs."
    if not (folder / TOKENS_NAME).is_file():
        return f"{folder} holds no {TOKENS_NAME}, which belongs to the model."
    return None
