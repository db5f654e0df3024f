"""The seam between a session and what answers it: an echo, or engines that hear, think and speak."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from selam_cli.core.protocol import WIRE_RATE_HZ, ErrorReport, Response, StartSession

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpokenAudio:
    """What a user said in one turn, whole, with its pre-roll and a natural end: PCM16, 16 kHz, mono."""

    audio: bytes

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.audio) / (2 * WIRE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Understood:
    """What a user said in one turn, as it is sent to the client.

    `has_words` False: there was a sound and no word, so nothing is answered and a reply that it broke into goes on.
    """

    text: str
    has_words: bool = True


@dataclass(frozen=True, slots=True)
class Sentence:
    """The text whose sound follows; what of it is heard is what the dialogue goes on from."""

    text: str


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of the answer's sound, of any length: PCM16, 16 kHz, mono."""

    audio: bytes


Answer = Response | Sentence | Speech | ErrorReport


class Turn(Protocol):
    """One turn, from the user's first sound to the answer's last."""

    def feed(self, audio: bytes) -> None:
        """Take what the user says, as they say it: PCM16, 16 kHz, mono, pieces of any length. Never blocks."""

    async def understood(self, utterance: SpokenAudio) -> Understood:
        """Return what was said; nothing more will be fed. Raises EngineFault where the hearing failed."""

    def answer(self) -> AsyncGenerator[Answer, None]:
        """Yield the answer's text and its sound, each as soon as it is there. Raises EngineFault.

        Closing the generator must stop the work: it is closed as soon as the user interrupts.
        """

    def cancel(self) -> None:
        """Stop hearing: what was said is dropped."""


class ChatHistory(Protocol):
    """One session's turns, and what is remembered of them."""

    hears_words: bool
    """Whether it can tell words from a cough; where not, any sound that breaks into a reply cuts it off."""

    def begin(self, on_partial: Callable[[str], None]) -> Turn:
        """Begin a turn: the user speaks. `on_partial` gets what is understood so far, on the loop's thread."""

    def heard(self, text: str) -> None:
        """Note how much of the last answer was heard, at its end or where it was cut off."""


class Responder(Protocol):
    """Answers sessions."""

    end_of_speech_ms: int
    """Milliseconds of silence that end what a user says."""

    def greeting(self, voice: str) -> str:
        """Return what this agent can and can't do for a voice, for `connected.message`."""

    def refusal(self, session: StartSession) -> ErrorReport | None:
        """Return why a session can't be had as asked for, naming what is missing; None where it can."""

    def open(self, session: StartSession) -> ChatHistory:
        """Return a dialogue for a session that is not refused."""


class EngineFault(Exception):
    """An engine failed; `type` is one of the protocol's error types, the message is for the user."""

    def __init__(self, type: str, message: str) -> None:  # noqa: A002  # the protocol's name
        super().__init__(message)
        self.type = type
        self.message = message


def report(failure: Exception) -> ErrorReport:
    """Return the error that a client gets where an engine failed: that costs its turn and nothing else."""
    if isinstance(failure, EngineFault):
        return ErrorReport(failure.type, failure.message)
    log.error("an engine failed", exc_info=failure)
    return ErrorReport("audio_error", "The agent could not answer. Say it again.")
