"""Which sound library an engine is to use."""

from __future__ import annotations

import os

from selam_cli.sound import devices
from tests.support.needs import need

IN_A_SOAK = os.environ.get("SELAM_SOAK") == "1"


def libraries(*enough: str) -> tuple[str, ...]:
    """Return the libraries that a test is to try: those that are enough for what it shows, in a soak all."""
    return ("portaudio", "miniaudio", "both") if IN_A_SOAK else enough


def library_environment(name: str) -> dict[str, str]:
    """Return the environment for `portaudio`, `miniaudio` or `both`; skip where one of them is missing."""
    for module in ("sounddevice", "miniaudio"):
        need(module, _loads(module))
    return {} if name == "both" else {devices.BACKEND_VARIABLE: name}


def _loads(module: str) -> bool:
    try:
        __import__(module)
    except (ImportError, OSError):
        return False
    return True
