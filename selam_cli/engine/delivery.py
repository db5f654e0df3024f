"""From the utterance to the wire: which of its samples go out when, and in chunks of which length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from selam_cli.core import pcm
from selam_cli.core.pcm import Chunker, Samples
from selam_cli.core.protocol import AudioChunk, ClientMessage
from selam_cli.engine import events
from selam_cli.engine.capture import Utterance
from selam_cli.engine.link.outbox import AUDIO_AT_MOST_S
from selam_cli.settings import Settings

LAGGING_S: Final = 0.25
"""Seconds of audio in the outbox past which chunks grow to their largest."""

HANDED_OVER_S: Final = 1.0
"""Seconds of an utterance that are in the outbox at most: the rest waits in the utterance, where nothing is dropped."""


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
    """Feeds the wire from an utterance, whose own buffer is what waits: nothing is copied, nothing is sent twice."""

    def __init__(self, settings: Settings, emit: Callable[[events.Event], None]) -> None:
        self._settings = settings
        self._emit = emit
        self._wire: Wire | None = None
        self._open_microphone = Chunker()
        self.feeding: Utterance | None = None
        """An utterance of which there is more to hand over."""
        self.session = 0
        """Counts sessions, so that an utterance knows whether the one there is has heard of it."""

    def attach(self, wire: Wire) -> None:
        """Use this way to the server from now on."""
        self._wire = wire

    @property
    def up(self) -> bool:
        """Whether there is a session to send to."""
        return self._wire is not None and self._wire.up

    def queued_s(self, utterance: Utterance | None) -> float:
        """Seconds of speech that have not left this machine."""
        waiting = self._wire.queued_s if self._wire is not None else 0.0
        return waiting + (utterance.unsent_seconds if utterance is not None else 0.0)

    def send(self, message: ClientMessage) -> None:
        """Put a message on its way; without a session it is dropped."""
        if self._wire is not None:
            self._wire.send(message)

    def begin_session(self) -> None:
        """A session has begun that knows of nothing."""
        self.session += 1
        self.feeding = None

    def withdraw(self) -> Utterance | None:
        """Take back what of the last utterance is still here; return it where it is complete and was being sent."""
        cut, self.feeding = self.feeding, None
        if self._wire is not None:
            self._wire.withdraw_audio()
        return cut if cut is not None and cut.complete else None

    def pump(self, utterance: Utterance | None) -> None:
        """Send what is due of an utterance, as far as there is room; after its last sample, the closing silence."""
        if utterance is not None and self.up and not utterance.closed:
            self._feed(utterance, to_its_end=False)

    def finish(self) -> bool:
        """Hand over the rest of the last utterance before anything else is sent; False where that is too much."""
        utterance = self.feeding
        if utterance is None:
            return True
        if not self.up or self.queued_s(utterance) > AUDIO_AT_MOST_S - pcm.CLOSING_SILENCE_MS / 1_000:
            return False
        self._feed(utterance, to_its_end=True)
        return True

    def _feed(self, utterance: Utterance, *, to_its_end: bool) -> None:
        self.feeding = utterance
        utterance.session = self.session
        while to_its_end or self._has_room:
            chunk = utterance.next_chunk(2 * pcm.samples_in(self._chunk_ms()))
            if chunk is None:
                break
            self.send(AudioChunk(chunk))
        if utterance.complete and not utterance.unsent_seconds:
            self._close(utterance)

    @property
    def _has_room(self) -> bool:
        return self._wire is not None and self._wire.queued_s < HANDED_OVER_S

    def stream(self, samples: Samples) -> None:
        """Send what an open microphone hears."""
        for chunk in self._open_microphone.feed(samples, self._chunk_ms()):
            self.send(AudioChunk(chunk))

    def _close(self, utterance: Utterance) -> None:
        utterance.closed = True
        self.feeding = None
        if self._settings.closing_silence:
            silence = bytes(2 * pcm.samples_in(pcm.CHUNK_MS))
            for _ in range(pcm.CLOSING_SILENCE_MS // pcm.CHUNK_MS):
                self.send(AudioChunk(silence))
        outcome = "resent" if utterance.resent else "sent"
        self._emit(events.Utterance(utterance.turn, outcome, round(utterance.seconds, 3)))

    def _chunk_ms(self) -> int:
        lagging = self._wire is not None and self._wire.queued_s > LAGGING_S
        return pcm.CHUNK_MAX_MS if lagging else self._settings.chunk_ms
