"""One client of the agent: what it may say when, and one ordered, bounded way out. Of Socket.IO it knows nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from selam_cli.agent.conversation import Conversation
from selam_cli.agent.responder import Responder
from selam_cli.core.catalog import LANGUAGES
from selam_cli.core.protocol import (
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


class Connection:
    """Carries one session at a time.

    `deliver` hands a message to the socket, in the order of `send`; it returns False when the client takes no more.
    """

    def __init__(self, responder: Responder, deliver: Callable[[ServerMessage], Awaitable[bool]]) -> None:
        self._responder = responder
        self._deliver = deliver
        self._conversation: Conversation | None = None
        self._session_id = ""
        self._told_of_no_session = False
        self._outbox: asyncio.Queue[ServerMessage | None] = asyncio.Queue()
        self._sender = asyncio.create_task(self._deliver_outbox())

    def send(self, message: ServerMessage) -> None:
        """Put a message on its way."""
        self._outbox.put_nowait(message)

    def take(self, message: ClientMessage) -> None:
        """Do what a message asks for, or say why not."""
        match message:
            case StartSession():
                self._start(message)
            case EndSession():
                self._end()
            case _ if self._conversation is None:
                self._tell_of_no_session()
            case AudioChunk():
                self._conversation.hear(message)
            case Control():
                self._conversation.control(message.action)

    async def leave(self) -> None:
        """End the session for our own reasons, and wait until everything has been handed to the socket."""
        self._end()
        self._outbox.put_nowait(None)
        await asyncio.wait({self._sender})

    def close(self) -> None:
        """The client is gone."""
        self._sender.cancel()
        if self._conversation is not None:
            self._conversation.end()
            self._conversation = None

    def _start(self, session: StartSession) -> None:
        if self._conversation is not None:
            self.send(ErrorReport("session_error", "A session is open already; one connection carries one session."))
            return
        if session.language is not None and session.language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            self.send(ErrorReport("validation_error", f"There is no language {session.language[:40]!r}: {known}."))
            return
        self._session_id = uuid4().hex
        self._told_of_no_session = False
        self._conversation = Conversation(session, self._responder, self.send)
        self.send(SessionStarted(self._session_id))

    def _end(self) -> None:
        if self._conversation is not None:
            self._conversation.end()
            self._conversation = None
            self.send(SessionEnded(self._session_id))

    def _tell_of_no_session(self) -> None:
        if not self._told_of_no_session:
            self._told_of_no_session = True
            self.send(ErrorReport("session_error", "No session is open. Send start_session first."))

    async def _deliver_outbox(self) -> None:
        while (message := await self._outbox.get()) is not None:
            if not await self._deliver(message):
                return
