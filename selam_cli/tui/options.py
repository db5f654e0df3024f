"""What the command line tells the screen."""

from __future__ import annotations

from dataclasses import dataclass

from selam_cli.core import protocol
from selam_cli.core.catalog import DEFAULT_VOICE


@dataclass(frozen=True, slots=True)
class ScreenOptions:
    """The conversation as it is asked for, shown until the engine sends its state, and how the talk key works."""

    voice: str = DEFAULT_VOICE
    language: str | None = None
    instructions: str | None = None
    vad_threshold: int = protocol.DEFAULT_VAD_THRESHOLD
    interrupt_threshold: int = protocol.DEFAULT_INTERRUPT_THRESHOLD
    ptt: str = "auto"
    talk_key: str = "space"
    max_talk_s: float = 120.0
    resend_within_s: float = 10.0
