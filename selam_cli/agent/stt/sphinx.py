"""English by pocketsphinx: nothing to download, because its wheel brings the model.

This is what the agent hears with where nothing better is set up.
"""

from __future__ import annotations

import platform
import sys
from typing import Final

from selam_cli.agent.stt.in_workers import HearerInWorkers, installed
from selam_cli.agent.worker.process import Program

LANGUAGES: Final = frozenset({"en"})

PROGRAM: Final = Program("pocketsphinx", "selam_cli.agent.stt.sphinx_recogniser:SphinxRecogniser")


def available() -> str | None:
    """Return why it cannot be used here, None where it can."""
    if installed("pocketsphinx"):
        return None
    if _has_no_wheel():
        return (
            f"pocketsphinx, which hears English offline, has no build for Python {sys.version_info.major}."
            f"{sys.version_info.minor} on this machine ({platform.system()}, {platform.machine()}): use Python 3.11 "
            "or 3.13, or another engine."
        )
    return "pocketsphinx, which hears English offline, is not installed: pip install 'selam-voice[local]'."


def hearer(*, workers: int | None = None) -> HearerInWorkers:
    """Return the engine; its workers start when they are needed."""
    return HearerInWorkers(PROGRAM, LANGUAGES, workers=workers)


def _has_no_wheel() -> bool:
    if sys.version_info >= (3, 14):
        return True
    arm = platform.machine().lower() in {"aarch64", "arm64"}
    return arm and (sys.platform == "win32" or (sys.platform == "linux" and sys.version_info[:2] == (3, 12)))
