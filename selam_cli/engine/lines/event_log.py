"""Writes a conversation's course into the log: what a search for a fault needs, and nothing that was said.

Events pass through it on their way to the listener.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from selam_cli.core import events
from selam_cli.core.events import Event
from selam_cli.core.session import Phase

log = logging.getLogger(__name__)

_SEVERITY: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class EventLog:
    """Stands between the engine and its listener, and is called like the listener."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._microphone = self._speaker = ""
        self._phase: Phase | None = None

    def __call__(self, event: Event) -> None:
        """Log an event and hand it on."""
        if isinstance(event, events.StateChanged):
            self._note_state(event)
        else:
            noted = _words(event)
            if noted is not None:
                log.log(*noted)
        self._emit(event)

    def _note_state(self, state: events.StateChanged) -> None:
        """A state is emitted often: only another phase or another device is worth a line."""
        if state.phase is not self._phase:
            self._phase = state.phase
            log.debug("turn %d: %s", state.turn, state.phase)
        if state.microphone.name not in {"", self._microphone}:
            self._microphone = state.microphone.name
            log.info("microphone: %s, %d Hz", self._microphone, state.microphone.rate_hz)
        if state.speaker not in {"", self._speaker}:
            self._speaker = state.speaker
            log.info("speaker: %s", self._speaker)


def _words(event: Event) -> tuple[int, str, *tuple[object, ...]] | None:  # noqa: PLR0912  # a table: an event, its line
    """Return a level, a format and its values; None for what is emitted too often, or holds what was said."""
    match event:
        case events.Connecting(server=server):
            return logging.INFO, "connecting to %s", server
        case events.Connected(sid=sid, voice=voice):
            return logging.INFO, "connected: sid %s, voice %s", sid, voice
        case events.SessionStarted(session_id=session):
            return logging.INFO, "session %s started", session
        case events.SessionEnded(session_id=session, status=status):
            return logging.INFO, "session %s ended: %s", session, status
        case events.Reconnecting(attempt=attempt, in_seconds=in_s):
            return logging.WARNING, "connection lost: attempt %d in %.2f s", attempt, in_s
        case events.TalkStarted(turn=turn):
            return logging.INFO, "turn %d: talking", turn
        case events.UtteranceOutcome(turn=turn, outcome=outcome, seconds=seconds):
            return logging.INFO, "turn %d: %.2f s of speech %s", turn, seconds, outcome
        case events.Transcription(turn=turn, text=text, is_final=True):
            return logging.INFO, "turn %d: understood, %d characters", turn, len(text)
        case events.AudioEnd(turn=turn, total_chunks=chunks, seconds=seconds):
            return logging.INFO, "turn %d: %.2f s of answer in %d chunks", turn, seconds, chunks
        case events.Interrupted(turn=turn, heard_seconds=seconds):
            return logging.INFO, "turn %d: interrupted after %.2f s", turn, seconds
        case events.TurnEnded(turn=turn, outcome=outcome):
            return logging.INFO, "turn %d: %s", turn, outcome
        case events.Latency(turn=turn):
            return logging.DEBUG, "turn %d: %s", turn, _figures(event)
        case events.ControlAck(action=action, status=status):
            return logging.DEBUG, "%s: %s", action, status
        case events.Ack(ok=False, message=message):
            return logging.WARNING, "a command was refused: %s", message
        case events.Notice(code=code, severity=severity, message=message, remedy=remedy):
            return _SEVERITY.get(severity, logging.INFO), "%s: %s %s", code, message, remedy
        case events.ErrorRaised(type=kind, message=message, remedy=remedy, fatal=fatal):
            return logging.ERROR, "%s%s: %s %s", "fatal " if fatal else "", kind, message, remedy
    return None


def _figures(latency: events.Latency) -> str:
    figures = {
        "press to wire": latency.press_to_wire_ms,
        "understood": latency.transcription_ms,
        "text": latency.response_ms,
        "sound": latency.audio_ms,
        "round trip": latency.rtt_ms,
    }
    return ", ".join(f"{name} {ms:.0f} ms" for name, ms in figures.items() if ms is not None)
