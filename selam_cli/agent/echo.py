"""The answer of an agent without engines: it says what it can't do, and plays back what it heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from selam_cli.agent.responder import Answer, Speech, Utterance
from selam_cli.core.protocol import Response, StartSession, Transcription


class Echo:
    """Proves microphone, speaker, network and keys with the user's own voice."""

    greeting = (
        "This is the embedded agent. It does not understand words yet: it plays back what you said, "
        "which proves your microphone, your speakers and your keys."
    )

    async def answer(self, utterance: Utterance, session: StartSession) -> AsyncGenerator[Answer, None]:
        """Yield how long the utterance was, in words that claim nothing else, and its sound."""
        yield Transcription(f"({utterance.seconds:.1f} s of speech, not transcribed)")
        yield Response(f"You spoke for {utterance.seconds:.1f} seconds. This is how you sounded:")
        yield Speech(utterance.audio)
