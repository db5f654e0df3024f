"""WebRTC's echo canceller, noise suppression and gain control (package `livekit`, the extra `aec`).

Importing this, and making a `VoiceProcessor`, raise ImportError where the extra is missing or of no use. It is slow to
import (60 ms) and holds 40 MB, so only code that uses it imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

try:
    from livekit.rtc import AudioFrame, AudioProcessingModule
except Exception as failure:
    # The boundary to a library that checks its companions when it is imported: protobuf raises errors of its own
    # where versions do not fit.
    raise ImportError(f"livekit cannot be used: {failure}") from failure

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import AudioError
from selam_cli.sound.streams import Samples

FRAME: Final = WIRE_RATE_HZ // 100
"""The library takes frames of 10 ms and nothing else."""

ECHO_DELAY: Final = 128
NOISE_DELAY: Final = 96
"""By how many samples each of them lets the sound come later; measured by correlation, in every combination."""


class VoiceProcessor:
    """Frames of 10 ms, mono int16 at 16 kHz: `render` takes the speaker's, `process` the microphone's.

    The canceller finds the echo's delay by itself, from 10 to 500 ms, and follows it. Its high-pass is part of it.
    """

    def __init__(self, *, echo_cancellation: bool, noise_suppression: bool, gain_control: bool) -> None:
        self.cancels_echo = echo_cancellation
        self.only_cancels_echo = echo_cancellation and not noise_suppression and not gain_control
        self.delay_samples = ECHO_DELAY * echo_cancellation + NOISE_DELAY * noise_suppression
        self._module = AudioProcessingModule(
            echo_cancellation=echo_cancellation,
            noise_suppression=noise_suppression,
            auto_gain_control=gain_control,
        )
        # Before it has seen the speaker's side once, the canceller's delay is another.
        self.render(np.zeros(FRAME, np.int16))

    def render(self, frame: Samples) -> None:
        """Take a frame of what the speaker was handed, before its echo is heard. Raises AudioError."""
        _taken(self._module.process_reverse_stream, bytearray(frame.tobytes()))

    def process(self, frame: Samples) -> Samples:
        """Return a frame of the microphone, `delay_samples` late and the switches' work done. Raises AudioError."""
        changed = bytearray(frame.tobytes())
        _taken(self._module.process_stream, changed)
        return np.frombuffer(changed, np.int16)


def _taken(take: Callable[[AudioFrame], None], pcm16: bytearray) -> None:
    try:
        take(AudioFrame(pcm16, WIRE_RATE_HZ, 1, FRAME))
    except (RuntimeError, AssertionError) as failure:  # the library's own reports of a refusal, and of a lost module
        raise AudioError(f"The microphone's sound could not be processed ({failure}).") from failure
