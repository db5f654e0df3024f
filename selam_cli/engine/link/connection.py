"""One attempt: a connection and its session, from the handshake to the last message.

It is made new for each attempt, with a fresh python-socketio client, because one that was refused or broke keeps state
of its own. All that belongs to the attempt lives and ends with it, so nothing has to be reset by hand, and what arrives
late from a connection that is over cannot be taken for a message of the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import urlsplit

import socketio

from selam_cli.core import protocol
from selam_cli.core.protocol import ClientMessage, ErrorReport, MalformedPayload, ServerMessage
from selam_cli.engine.link.callbacks import LinkCallbacks
from selam_cli.engine.link.client import emit, new_client
from selam_cli.engine.link.liveness import Liveness
from selam_cli.engine.link.packets import MAX_MESSAGE_BYTES, UNREADABLE
from selam_cli.engine.link.rate_limit import InboundLimiter
from selam_cli.engine.link.refusals import connection_failure, refusal, session_over
from selam_cli.engine.link.sender import Sender
from selam_cli.engine.server_target import socketio_path
from selam_cli.errors import ConnectionFailed, SelamError, SessionError
from selam_cli.net.tunnel import proxy_for

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
"""For the socket, for `connected`, and again for `session_started`."""

GOODBYE_TIMEOUT_S: Final = 2.0


class _Stage(Enum):
    OPENING = auto()
    """No session yet: the handshake, `connected`, and the wait for `session_started`."""
    SESSION = auto()
    ENDING = auto()
    """`end_session` was the last message sent; what the server still sends is handed on."""
    OVER = auto()


class Connection:
    """Holds one session, once; `send` puts a message on its way while there is one."""

    def __init__(self, url: str, callbacks: LinkCallbacks, on_host: Callable[[str | None], None]) -> None:
        """`on_host` is given the host that the network has to reach: the server's, or the proxy's in between."""
        self._url = url
        self._tell = callbacks
        self._on_host = on_host
        self._proxy = proxy_for(url)
        self._client = self._made_client()
        self._sender = Sender(callbacks.on_sent)
        self._limiter = InboundLimiter(callbacks.on_flood)
        self._stage = _Stage.OPENING
        self._stalled = self._closed = False
        self._refusal: SelamError | None = None
        self._turned_away: SelamError | None = None
        """A refusal in mid-session, until the session is seen to go on: then it was one engine's of the server."""
        self._session_since = 0.0
        self.session_s: float | None = None
        """How long the session lasted, once it is over; None where there was none."""
        loop = asyncio.get_running_loop()
        self._connected, self._started, self._ended, self._gone = (loop.create_future() for _ in range(4))

    @property
    def up(self) -> bool:
        """Whether there is a session to send to; nothing more is sent into one that is being ended."""
        return self._stage is _Stage.SESSION and not self._gone.done()

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._sender.queued_s

    def send(self, message: ClientMessage) -> float:
        """Put a message on its way; return how many seconds of older audio were dropped for it."""
        return self._sender.put(message) if self.up else 0.0

    def withdraw_audio(self) -> None:
        """Take back what of the last utterance has not been sent."""
        self._sender.withdraw_audio()

    async def hold(self, greeting: Callable[[], protocol.StartSession]) -> None:
        """Connect, start the session of `greeting`, and return when the connection is gone.

        Raises the SelamError that says why there was no session, or why the server ended it.
        """
        liveness: Liveness | None = None
        sending: asyncio.Task[None] | None = None
        try:
            await self._open()
            liveness = self._watched()
            await liveness.begin()
            await self._reach(self._connected, "The server accepted the connection but never said connected.")
            await emit(self._client, greeting())
            await self._reach(self._started, "The server did not start the session.")
            sending = asyncio.create_task(self._sender.run(self._client, liveness))
            await self._gone
            self._raise_refusal()
        finally:
            _settle(self._gone)
            if self._started.done():
                self.session_s = asyncio.get_running_loop().time() - self._session_since
            if liveness is not None:
                liveness.stop()
            if sending is not None:
                sending.cancel()
            await self._close()
            self._stage = _Stage.OVER

    async def leave(self) -> None:
        """End the session properly, as far as the server answers in time, and close the connection."""
        if self._stage is _Stage.SESSION:
            self._sender.withdraw_audio(everything=True)
            self._sender.put(protocol.EndSession())
            self._stage = _Stage.ENDING
        if self._stage is _Stage.ENDING and not self._stalled:  # one that reads nothing will not answer this either
            await asyncio.wait(
                {self._ended, self._gone}, timeout=GOODBYE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
        await self._close()

    # --- opening ------------------------------------------------------------------------------------------------------

    def _made_client(self) -> socketio.AsyncClient:
        client = new_client(self._proxy)
        client.on("*", self._on_event, namespace=protocol.NAMESPACE)
        client.on("connect_error", self._on_refused, namespace=protocol.NAMESPACE)
        client.on("disconnect", self._on_disconnect, namespace=protocol.NAMESPACE)
        return client

    async def _open(self) -> None:
        # Where a proxy stands in between, the network is back when the proxy can be reached again.
        self._on_host(urlsplit(self._url).hostname if self._proxy is None else self._proxy.host)
        try:
            # All of it: the library waits without end for a server that accepts and says nothing.
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.connect(
                    self._url,
                    namespaces=[protocol.NAMESPACE],
                    socketio_path=socketio_path(self._url),
                    transports=["websocket"],
                    wait_timeout=CONNECT_TIMEOUT_S,
                )
        except Exception as error:  # the decode boundary: whatever stands at that address answers here
            self._raise_refusal()
            # `from None`: the chained error of the HTTP library holds the address with its key.
            raise connection_failure(error, self._url) from None

    def _watched(self) -> Liveness:
        socket = self._client.eio.ws
        peer = socket.get_extra_info("peername")
        if peer:
            self._on_host(peer[0])
        socket.on_too_big = self._on_too_big
        return Liveness(socket, on_stalled=self._on_stalled, on_lost=self._on_silent)

    async def _reach(self, step: asyncio.Future[None], otherwise: str) -> None:
        await asyncio.wait({step, self._gone}, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if step.done():
            return
        self._raise_refusal()
        if self._gone.done():
            raise ConnectionFailed("The server closed the connection.", "It is tried again by itself.")
        raise SessionError(otherwise, "Try again, or check that the address is a Voice Agent's.")

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            raise self._refusal from None

    async def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        http = self._client.eio.http
        try:
            if self._stalled:
                await http.close()  # it would not read a goodbye
            await asyncio.wait_for(self._client.disconnect(), GOODBYE_TIMEOUT_S)
        except Exception as error:  # the library raises many things from a socket that is already gone
            log.debug("while disconnecting: %r", error)
        finally:  # also where the attempt is cancelled while it says goodbye
            if not http.closed:
                await http.close()

    # --- what comes in ------------------------------------------------------------------------------------------------

    def _on_event(self, event: str, *arguments: Any) -> None:
        if self._stage is _Stage.OVER:
            return
        if event == UNREADABLE:
            self._tell.on_malformed(MalformedPayload("message", "it is none of Socket.IO's that the protocol has"))
            return
        try:
            message = protocol.decode_server(event, arguments[0] if arguments else None)
        except MalformedPayload as error:
            self._tell.on_malformed(error)
            return
        if not self._limiter.admits(event, message, asyncio.get_running_loop().time()):
            return
        if message is None:
            log.debug("unknown event %.60r", event)
            return
        was_up = self.up
        self._note(message)
        has_begun = self.up and not was_up
        self._tell.on_message(message)
        if has_begun:
            self._tell.on_up()

    def _note(self, message: ServerMessage) -> None:
        """Note what a message means for the connection; then it is handed on."""
        match message:
            case protocol.Connected():
                _settle(self._connected)
            case protocol.SessionStarted() if self._stage is _Stage.OPENING and not self._gone.done():
                # Here and not where it is waited for: what the callbacks send goes into the session at once.
                self._stage = _Stage.SESSION
                self._session_since = asyncio.get_running_loop().time()
                self._started.set_result(None)
            case protocol.SessionEnded():
                if self._stage is not _Stage.ENDING:
                    self._refusal = session_over(message) or self._refusal
                    _settle(self._gone)  # the server's own leave
                _settle(self._ended)
            case ErrorReport() if self._stage is _Stage.OPENING:
                # An error in place of a session: the reason of the refusal that follows, or of the missing session.
                self._refusal = refusal(message)
                _settle(self._gone)
            case ErrorReport(type="authentication_error" | "authorization_error"):
                self._refusal = self._turned_away = refusal(message)  # final, once the server closes for it
            case protocol.Transcription() | protocol.Response() | protocol.AudioEnd():
                if self._refusal is self._turned_away:
                    self._refusal = None

    def _on_refused(self, *arguments: Any) -> None:
        # A failed handshake comes here too, as a bare text without a type; `_open` reads the exception instead.
        if not self._closed and self._client.eio.state == "connected":
            self._refusal = refusal(protocol.error_report(arguments[0] if arguments else None))

    def _on_disconnect(self, *_: Any) -> None:
        _settle(self._gone)

    def _on_stalled(self, stalled: bool) -> None:  # what the callback carries
        self._stalled = stalled
        self._tell.on_stalled(stalled)

    def _on_silent(self) -> None:
        self._stalled = True
        self._refusal = ConnectionFailed(
            "The server has stopped reading what it is sent.", "It is tried again by itself."
        )
        _settle(self._gone)

    def _on_too_big(self) -> None:
        megabytes = MAX_MESSAGE_BYTES // (1024 * 1024)
        self._refusal = ConnectionFailed(
            f"The server sent a message of more than {megabytes} MB, which nothing of a conversation has.",
            "It is tried again by itself; if it stays, tell whoever runs the server.",
        )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
