"""The answer of an agent without ears: it says what it can't do, and plays back what it heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from selam_cli.agent.responder import Answer, Speech, SpokenAudio, Turn, Understood
from selam_cli.core.endpointing import END_OF_SPEECH_MS
from selam_cli.core.protocol import ErrorReport, Response, StartSession


class Echo:
    """Proves microphone, speaker, network and keys with the user's own voice."""

    end_of_speech_ms = END_OF_SPEECH_MS

    def greeting(self, voice: str) -> str:
        """Say what it does instead of understanding."""
        return (
            "This is the embedded agent. It does not understand words yet: it plays back what you said, "
            "which proves your microphone, your speakers and your keys."
        )

    def refusal(self, session: StartSession) -> ErrorReport | None:
        """It needs nothing."""
        return None

    def open(self, session: StartSession) -> EchoDialogue:
        """It remembers nothing."""
        return EchoDialogue()


class EchoDialogue:
    """Turns that know nothing of each other."""

    hears_words = False

    def begin(self, on_partial: Callable[[str], None]) -> Turn:
        """Keep what is said."""
        return EchoTurn()

    def heard(self, text: str) -> None:
        """It has nothing to remember."""


class EchoTurn:
    """One utterance, and itself as its answer."""

    def __init__(self) -> None:
        self._utterance = SpokenAudio(b"")

    def feed(self, audio: bytes) -> None:
        """It has no use for the beginning of an utterance."""

    async def understood(self, utterance: SpokenAudio) -> Understood:
        """Say how long it was, in words that claim nothing else."""
        self._utterance = utterance
        return Understood(f"({utterance.seconds:.1f} s of speech, not transcribed)")

    async def answer(self) -> AsyncGenerator[Answer, None]:
        """Yield its sound."""
        yield Response(f"You spoke for {self._utterance.seconds:.1f} seconds. This is how you sounded:")
        yield Speech(self._utterance.audio)

    def cancel(self) -> None:
        """There is nothing to stop."""
