"""What waits to be sent: in order, and bounded in seconds of audio."""

from __future__ import annotations

from collections import deque
from typing import Final

from selam_cli.core.protocol import WIRE_RATE_HZ, AudioChunk, ClientMessage

AUDIO_AT_MOST_S: Final = 30.0
"""Seconds of audio that may wait for a slow connection; past it the oldest is dropped and counted."""


class Outbox:
    """A queue that drops old audio rather than grow; a control is never dropped and never overtaken.

    An utterance waits in its own buffer and is put in here piece by piece, so what can be dropped is an open
    microphone's sound alone.
    """

    def __init__(self) -> None:
        self._waiting: deque[ClientMessage] = deque()
        self._audio_bytes = 0
        self.dropped_s = 0.0
        """Seconds of audio that were dropped since the beginning."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait."""
        return self._audio_bytes / (2 * WIRE_RATE_HZ)

    def put(self, message: ClientMessage) -> float:
        """Append a message; return how many seconds of older audio had to go for it."""
        self._waiting.append(message)
        if not isinstance(message, AudioChunk):
            return 0.0
        self._audio_bytes += len(message.audio)
        before = self.dropped_s
        while self.queued_s > AUDIO_AT_MOST_S:
            self._drop_oldest()
        return self.dropped_s - before

    def take(self) -> ClientMessage:
        """Take the oldest message."""
        message = self._waiting.popleft()
        if isinstance(message, AudioChunk):
            self._audio_bytes -= len(message.audio)
        return message

    def withdraw_audio(self) -> None:
        """Take back all audio; the rest stays in its order."""
        self._waiting = deque(message for message in self._waiting if not isinstance(message, AudioChunk))
        self._audio_bytes = 0

    def clear(self) -> None:
        """Forget everything: it belonged to a session that is over."""
        self._waiting.clear()
        self._audio_bytes = 0

    def _drop_oldest(self) -> None:
        place, oldest = next((i, m) for i, m in enumerate(self._waiting) if isinstance(m, AudioChunk))
        del self._waiting[place]
        self._audio_bytes -= len(oldest.audio)
        self.dropped_s += len(oldest.audio) / (2 * WIRE_RATE_HZ)
