"""Is a frame a voice? WebRTC's detector, through the package `webrtcvad`."""

from __future__ import annotations

from collections import deque
from typing import Final

import webrtcvad

from selam_cli.core.protocol import WIRE_RATE_HZ

MODE: Final = 3
"""The strictest mode: it still takes keyboard clicks for voices, and loudness alone takes noise; both must agree."""


KEPT_FRAMES: Final = 10
"""Frames of the quiet before a sound that tell the detector what is background; without any, speech itself is."""


class VoiceDetector:
    """One session's detector; it adapts to what it has heard."""

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(MODE)
        self._passed_over: deque[bytes] = deque(maxlen=KEPT_FRAMES)

    def is_voiced(self, frame: bytes) -> bool:
        """Say whether 20 ms of PCM16 at 16 kHz, mono, hold a voice."""
        while self._passed_over:
            self._vad.is_speech(self._passed_over.popleft(), WIRE_RATE_HZ)
        return bool(self._vad.is_speech(frame, WIRE_RATE_HZ))

    def pass_over(self, frame: bytes) -> None:
        """Take a frame whose verdict is not needed: it is heard when one is needed soon after, which costs less."""
        self._passed_over.append(frame)
