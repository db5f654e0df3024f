"""How loud the agent itself may come back through its listener's microphone.

A loudspeaker is heard by the microphone beside it. Where the agent speaks loudly, that echo is above `vad_threshold`
and a voice like any other: only its loudness, known from what was sent, tells it from a user who speaks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from selam_cli.core.pcm import loudest_rms

ECHO: Final = 0.1
"""−20 dB of the loudest moment: an echo above that is for the client's canceller, and a higher share would keep
soft-spoken people out."""

REMEMBERED_S: Final = 2.0
"""From the sending of a sound until its echo is over: it is sent ahead, and waits in the client and on both ways."""


@dataclass(slots=True)
class _Said:
    at: float
    audio: bytes
    loudest: float | None = None


class OwnVoice:
    """What was sent last. Times are seconds of one monotonic clock, handed in; RMS is in int16 units."""

    def __init__(self) -> None:
        self._said: deque[_Said] = deque()
        self._answered = float("-inf"), 0.0
        """When the last question was, and its answer: a chunk's frames all ask at the same time."""

    def say(self, audio: bytes, now: float) -> None:
        """Note a chunk that is sent: PCM16."""
        self._forget(now)
        self._said.append(_Said(now, audio))

    def echo_rms(self, now: float) -> float:
        """Return the RMS that an echo may have by now, over one frame; 0.0 where nothing was said lately."""
        if now != self._answered[0]:
            self._forget(now)
            self._answered = now, ECHO * max((self._loudest(said) for said in self._said), default=0.0)
        return self._answered[1]

    def _forget(self, now: float) -> None:
        while self._said and self._said[0].at < now - REMEMBERED_S:
            self._said.popleft()

    @staticmethod
    def _loudest(said: _Said) -> float:
        # Measured when a user may be speaking, not for every chunk: most are never asked about.
        if said.loudest is None:
            said.loudest, said.audio = loudest_rms(said.audio), b""
        return said.loudest
