"""Which sound library an engine is to use."""

from __future__ import annotations

from selam_cli.sound import devices
from tests.support.needs import need


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
