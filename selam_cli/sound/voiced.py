"""Is a frame a voice? WebRTC's detector, through the package `webrtcvad`."""

from __future__ import annotations

from typing import Final

import webrtcvad

from selam_cli.core.protocol import WIRE_RATE_HZ

MODE: Final = 3
"""The strictest mode: it still takes keyboard clicks for voices, and loudness alone takes noise; both must agree."""


class VoiceDetector:
    """One session's detector; it adapts to what it has heard."""

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(MODE)

    def is_voiced(self, frame: bytes) -> bool:
        """Say whether 20 ms of PCM16 at 16 kHz, mono, hold a voice."""
        return bool(self._vad.is_speech(frame, WIRE_RATE_HZ))
