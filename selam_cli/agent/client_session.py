"""One client of the agent: what it may say when. Knows nothing of Socket.IO."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import uuid4

from selam_cli.agent.metrics import Metrics
from selam_cli.agent.responder import Responder
from selam_cli.agent.session import AgentSession
from selam_cli.core.catalog import LISTED, language_code, voice_name
from selam_cli.core.protocol import (
    WIRE_RATE_HZ,
    AudioChunk,
    ClientMessage,
    Control,
    EndSession,
    ErrorReport,
    ServerMessage,
    SessionEnded,
    SessionStarted,
    StartSession,
)

MAX_CHUNK_S: Final = 20
MAX_CHUNK_BYTES: Final = 2 * WIRE_RATE_HZ * MAX_CHUNK_S
"""A hundred times what the guide advises: a client that sends a whole recording as one chunk has to cut it."""


class ClientSession:
    """Carries one session at a time.

    `deliver` puts a message on its way, in order and without blocking; it returns False when the client takes no more.
    `session_since` is the loop's time at which the session began, None while there is none, and `free_since` the time
    since when that is so.
    """

    def __init__(
        self,
        responder: Responder,
        deliver: Callable[[ServerMessage], bool],
        metrics: Metrics,
    ) -> None:
        self._responder = responder
        self._deliver = deliver
        self._metrics = metrics
        self._clock = asyncio.get_running_loop().time
        self.session_since: float | None = None
        self.free_since = self._clock()
        self._conversation: AgentSession | None = None
        self._session_id = ""
        self._told_of_no_session = False
        self._open = True

    def send(self, message: ServerMessage) -> None:
        """Put a message on its way; nothing follows one that was not taken."""
        if self._open:
            self._open = self._deliver(message)

    def take(self, message: ClientMessage) -> None:
        """Do what a message asks for, or say why not."""
        match message:
            case StartSession():
                self._start(message)
            case EndSession():
                self._end()
            case _ if self._conversation is None:
                self._tell_of_no_session()
            case AudioChunk() if len(message.audio) > MAX_CHUNK_BYTES:
                advice = f"A chunk holds at most {MAX_CHUNK_S} s of sound; send 100 to 200 ms in each."
                self.send(ErrorReport("validation_error", advice))
            case AudioChunk():
                self._conversation.hear(message)
            case Control():
                self._conversation.control(message.action)

    def leave(self, status: str = "ended") -> None:
        """End the session for our own reasons."""
        self._end(status)

    def close(self) -> None:
        """The client is gone."""
        self._open = False
        self._end("gone")

    def _start(self, session: StartSession) -> None:
        if self._conversation is not None:
            self.send(ErrorReport("session_error", "A session is open already; one connection carries one session."))
            return
        language = None if session.language is None else language_code(session.language)
        if language is None and session.language is not None:
            self.send(ErrorReport("validation_error", f"There is no language {session.language[:40]!r}: {LISTED}."))
            return
        session = replace(session, voice=voice_name(session.voice), language=language)
        refusal = self._responder.refusal(session)
        if refusal is not None:
            self.send(refusal)
            return
        self._session_id = uuid4().hex
        self._told_of_no_session = False
        self._conversation = AgentSession(
            session,
            self._responder.open(session),
            self.send,
            self._metrics,
            end_of_speech_ms=self._responder.end_of_speech_ms,
        )
        self.session_since = self._clock()
        self._metrics.session_started()
        self.send(SessionStarted(self._session_id))

    def _end(self, status: str = "ended") -> None:
        if self._conversation is not None:
            self._conversation.end()
            self._conversation = None
            self.session_since, self.free_since = None, self._clock()
            self._metrics.session_ended(status)
            self.send(SessionEnded(self._session_id, status))

    def _tell_of_no_session(self) -> None:
        if not self._told_of_no_session:
            self._told_of_no_session = True
            self.send(ErrorReport("session_error", "No session is open. Send start_session first."))
