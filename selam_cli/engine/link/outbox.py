"""What waits to be sent: in order, and bounded in seconds of audio."""

from __future__ import annotations

from collections import deque
from typing import Final

from selam_cli.core.protocol import WIRE_RATE_HZ, Action, AudioChunk, ClientMessage, Control

AUDIO_AT_MOST_S: Final = 30.0
"""Seconds of audio that may wait for a slow connection; past it the oldest is dropped and counted."""

_BEGINS_AN_UTTERANCE: Final = Control(Action.INTERRUPT)


class Outbox:
    """A queue that drops old audio rather than grow; a control is never dropped and never overtaken.

    An utterance waits in its own buffer and is put in here piece by piece, so what can be dropped is an open
    microphone's sound alone.
    """

    def __init__(self) -> None:
        self._waiting: deque[ClientMessage] = deque()
        self._audio_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait."""
        return self._audio_bytes / (2 * WIRE_RATE_HZ)

    def put(self, message: ClientMessage) -> float:
        """Append a message; return how many seconds of older audio were dropped for it."""
        self._waiting.append(message)
        if not isinstance(message, AudioChunk):
            return 0.0
        self._audio_bytes += len(message.audio)
        dropped_s = 0.0
        while self.queued_s > AUDIO_AT_MOST_S:
            dropped_s += self._drop_oldest()
        return dropped_s

    def take(self) -> ClientMessage:
        """Take the oldest message."""
        message = self._waiting.popleft()
        if isinstance(message, AudioChunk):
            self._audio_bytes -= len(message.audio)
        return message

    def withdraw_audio(self, *, everything: bool = False) -> None:
        """Take back the audio of the last utterance, or of all of them; the rest stays in its order.

        An interruption goes before each utterance: what waits before the last one was said earlier.
        """
        waiting, begun = list(self._waiting), 0
        if not everything:
            begun = max((i for i, message in enumerate(waiting) if message == _BEGINS_AN_UTTERANCE), default=0)
        taken_back = [message for message in waiting[begun:] if isinstance(message, AudioChunk)]
        self._audio_bytes -= sum(len(message.audio) for message in taken_back)
        kept = (message for message in waiting[begun:] if not isinstance(message, AudioChunk))
        self._waiting = deque((*waiting[:begun], *kept))

    def _drop_oldest(self) -> float:
        place, oldest = next((i, m) for i, m in enumerate(self._waiting) if isinstance(m, AudioChunk))
        del self._waiting[place]
        self._audio_bytes -= len(oldest.audio)
        return len(oldest.audio) / (2 * WIRE_RATE_HZ)
