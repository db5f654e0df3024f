"""What a bug report begins with: versions of the program, of Python, of the system, and of the libraries."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from typing import Final

from selam_cli import __version__

LIBRARIES: Final = (
    "textual", "rich", "typer", "python-socketio", "python-engineio", "aiohttp", "uvloop", "numpy", "sounddevice",
    "miniaudio", "soundfile", "samplerate", "webrtcvad-wheels", "keyring", "livekit", "pocketsphinx", "pycld2",
    "espeakng-loader", "sherpa-onnx", "faster-whisper",
)  # fmt: skip
"""Those whose version has ever explained a fault; what is not installed is left out."""


def versions() -> dict[str, str]:
    """Return names and versions: the program, Python and the system first."""
    found = {
        "selam-voice": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})",
        "system": _system(),
    }
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found


def _system() -> str:
    name = f"{platform.system()} {platform.release()}"
    with contextlib.suppress(OSError):
        name += f", {platform.freedesktop_os_release().get('PRETTY_NAME', '')}"
    return name
