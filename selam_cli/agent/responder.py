"""The seam where hearing, thinking and speaking plug in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from selam_cli.core.protocol import WIRE_RATE_HZ, Response, StartSession, Transcription


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a user said in one turn: PCM16, 16 kHz, mono."""

    audio: bytes

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.audio) / (2 * WIRE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of the answer's sound, of any length: PCM16, 16 kHz, mono."""

    audio: bytes


Answer = Transcription | Response | Speech


class Responder(Protocol):
    """Answers utterances. The conversation paces what comes, and cancels it when the user interrupts."""

    greeting: str
    """What this agent can do, for `connected.message`."""

    def answer(self, utterance: Utterance, session: StartSession) -> AsyncGenerator[Answer, None]:
        """Yield the transcription, the answer's text and its sound, each as soon as it is there.

        Closing the generator must stop the work: it is closed as soon as the user interrupts.
        """
