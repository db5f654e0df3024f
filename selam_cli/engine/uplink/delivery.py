"""From a recording to the wire: which of its samples go out when, and in chunks of which length."""

from __future__ import annotations

from typing import Final, Protocol

from selam_cli.config.settings import Settings
from selam_cli.core import pcm
from selam_cli.core.pcm import Chunker, Samples
from selam_cli.core.protocol import AudioChunk, ClientMessage
from selam_cli.engine.uplink.capture import Recording

LAGGING_S: Final = 0.25
"""Seconds of audio in the outbox past which chunks grow to their largest."""

HANDED_OVER_S: Final = 1.0
"""Seconds of a recording that are in the outbox at most: the rest waits in the recording, where nothing is dropped."""


class Wire(Protocol):
    """The way to the server, as a conversation needs it."""

    @property
    def up(self) -> bool:
        """Whether a session is open."""

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""

    def send(self, message: ClientMessage) -> None:
        """Put a message on its way."""

    def withdraw_audio(self) -> None:
        """Take back what of the last utterance has not been sent."""


class Delivery:
    """Feeds the wire from a recording, whose own buffer is what waits: nothing is copied, nothing is sent twice."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wire: Wire | None = None
        self._open_microphone = Chunker()

    def attach(self, wire: Wire) -> None:
        """Use this way to the server from now on."""
        self._wire = wire

    @property
    def up(self) -> bool:
        """Whether there is a session to send to."""
        return self._wire is not None and self._wire.up

    @property
    def queued_s(self) -> float:
        """Seconds of audio that the wire was given and has not sent."""
        return self._wire.queued_s if self._wire is not None else 0.0

    def send(self, message: ClientMessage) -> None:
        """Put a message on its way; without a session it is dropped."""
        if self._wire is not None:
            self._wire.send(message)

    def withdraw(self) -> None:
        """Take back the audio that has not left."""
        if self._wire is not None:
            self._wire.withdraw_audio()

    def feed(self, recording: Recording, *, whole: bool = False) -> None:
        """Send what is due of a recording, as far as there is room; after its last sample, the closing silence.

        `whole`: send all that is left of it, whether or not there is room.
        """
        if not self.up or recording.closed:
            return
        while whole or self.queued_s < HANDED_OVER_S:
            chunk = recording.next_chunk(2 * pcm.samples_in(self._chunk_ms()))
            if chunk is None:
                break
            self.send(AudioChunk(chunk))
        if recording.complete and not recording.unsent_seconds:
            self._close(recording)

    def stream(self, samples: Samples) -> None:
        """Send what an open microphone hears."""
        for chunk in self._open_microphone.feed(samples, self._chunk_ms()):
            self.send(AudioChunk(chunk))

    def _close(self, recording: Recording) -> None:
        recording.closed = True
        if self._settings.closing_silence:
            silence = bytes(2 * pcm.samples_in(pcm.CHUNK_MS))
            for _ in range(pcm.CLOSING_SILENCE_MS // pcm.CHUNK_MS):
                self.send(AudioChunk(silence))

    def _chunk_ms(self) -> int:
        return pcm.CHUNK_MAX_MS if self.queued_s > LAGGING_S else self._settings.chunk_ms
