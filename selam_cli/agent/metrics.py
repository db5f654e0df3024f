"""What an agent reports to its operator, and the times of each turn; `prometheus.py` keeps the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from selam_cli.core.protocol import ErrorReport, ReplyChunk, Response, ServerMessage, Transcription

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder where workers keep their figures together; it is set before they start."""


class Metrics:
    """Takes every figure and keeps none: the agent of a single conversation has no operator.

    Seconds are from the end of the user's speech, as the agent detects it.
    """

    def connected(self) -> None:
        """A client has joined."""

    def disconnected(self) -> None:
        """It is gone."""

    def refused(self, reason: str) -> None:
        """A client was not let in."""

    def session_started(self) -> None:
        """A session began."""

    def session_ended(self, status: str) -> None:
        """A session ended: `ended` by its client, `gone` with it, or by us for another reason."""

    def received(self, size_bytes: int) -> None:
        """A message came in."""

    def sent(self, size_bytes: int) -> None:
        """A message went out."""

    def transcribed(self, seconds: float) -> None:
        """A turn's final transcription was there."""

    def first_token(self, seconds: float) -> None:
        """A turn's answer began, as text."""

    def first_sound(self, seconds: float) -> None:
        """A turn's answer began to sound."""

    def turn(self, outcome: str) -> None:
        """A turn ended: answered, interrupted, failed, no_words, or dropped with its session."""

    def beat(self) -> None:
        """The process is alive: called every second."""

    def clients(self) -> int | None:
        """Return how many clients have joined, with all workers'; None where that is not kept."""
        return None

    def workers_stuck(self) -> int:
        """Return how many of the processes on the port have not been alive lately."""
        return 0

    def page(self) -> bytes | None:
        """Return the figures as Prometheus reads them; None where none are kept."""
        return None


class TurnWatch:
    """Times one turn by what is sent of it, from the end of speech on; its end is reported once."""

    def __init__(self, metrics: Metrics, send: Callable[[ServerMessage], None]) -> None:
        self._metrics = metrics
        self._send = send
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._seen: set[type] = set()
        self._over = False

    def send(self, message: ServerMessage) -> None:
        """Send a message of this turn, and note the first of its kind."""
        self._send(message)
        kind = type(message)
        if kind in self._seen:
            return
        self._seen.add(kind)
        seconds = self._clock() - self._began
        match message:
            case Transcription():
                self._metrics.transcribed(seconds)
            case Response():
                self._metrics.first_token(seconds)
            case ReplyChunk():
                self._metrics.first_sound(seconds)

    def end(self, outcome: str) -> None:
        """The turn is over; one that reported an error has failed, however it went on."""
        if not self._over:
            self._over = True
            self._metrics.turn("failed" if ErrorReport in self._seen else outcome)
