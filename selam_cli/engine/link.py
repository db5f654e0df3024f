"""The Socket.IO connection: one ordered, bounded way out, one door in, and coming back after a loss.

A `Link` outlives its connections. Each attempt uses a fresh python-socketio client, for one that was refused or broke
keeps state of its own; reconnection is ours, because the library would go on trying a refused key.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import socketio

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioChunk, ClientMessage, ErrorReport, MalformedPayload, ServerMessage
from selam_cli.engine.refusals import connection_failure, refusal
from selam_cli.errors import ConnectionFailed, SelamError, SessionError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
"""For the socket, for `connected`, and again for `session_started` (protocol.md)."""

GOODBYE_TIMEOUT_S: Final = 2.0
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 8.0
OUTBOX_AUDIO_S: Final = 30.0
"""Seconds of audio that may wait for a slow socket; past it the oldest is dropped and counted."""

MAX_MESSAGE_BYTES: Final = 12 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LinkCallbacks:
    """What the engine is told; all are called on the loop's thread."""

    on_message: Callable[[ServerMessage], None]
    on_malformed: Callable[[MalformedPayload], None]
    on_connecting: Callable[[], None]
    on_up: Callable[[], None]
    on_lost: Callable[[SelamError], None]
    on_retry: Callable[[int, float], None]
    on_sent: Callable[[ClientMessage], None]


class Link:
    """The way to one server. `run` keeps a session open until `leave`; `send` puts a message on its way."""

    def __init__(
        self,
        url: Callable[[], Awaitable[str]],
        greeting: Callable[[], protocol.StartSession],
        callbacks: LinkCallbacks,
        *,
        attempts: int | None = None,
    ) -> None:
        """`url` gives the handshake address, `greeting` the session to start; `attempts` bounds a row of failures."""
        self._url = url
        self._greeting = greeting
        self._tell = callbacks
        self._attempts = attempts
        self._client: socketio.AsyncClient | None = None
        self._outbox: deque[ClientMessage] = deque()
        self._audio_bytes = 0
        self._outgoing = asyncio.Event()
        self._hurry = asyncio.Event()
        self._leaving = asyncio.Event()
        self._restarting = False
        self._connected: asyncio.Future[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._refusal: SelamError | None = None
        self.up = False
        self.dropped_s = 0.0

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._audio_bytes / (2 * protocol.WIRE_RATE_HZ)

    def send(self, message: ClientMessage) -> None:
        """Put a message on its way, in order. Audio is bounded; nothing else is ever dropped.

        Without a session nothing is sent: whoever has something to say after a loss says it again.
        """
        if not self.up:
            return
        self._outbox.append(message)
        if isinstance(message, AudioChunk):
            self._audio_bytes += len(message.audio)
            self._bound_audio()
        self._outgoing.set()

    def withdraw_audio(self) -> None:
        """Take back the audio that has not been sent: the user threw the utterance away."""
        self._outbox = deque(message for message in self._outbox if not isinstance(message, AudioChunk))
        self._audio_bytes = 0

    def hurry(self) -> None:
        """Try again at once, where the next attempt is being waited for."""
        self._hurry.set()

    async def run(self) -> None:
        """Connect, start the session, and come back after each loss, until `leave`.

        Raises the SelamError that ends it: a refusal is final, and so are `attempts` failures in a row.
        """
        failures = 0
        while not self._leaving.is_set():
            try:
                await self._hold_session()
                failures = 0
            except (ConnectionFailed, SessionError) as error:
                # A session that does not come may be a server that is starting up: tried again like a lost one.
                failures += 1
                self._tell.on_lost(error)
                if self._attempts is not None and failures >= self._attempts:
                    raise
            else:
                if self._restarting:
                    self._restarting = False
                    continue
                if not self._leaving.is_set():
                    self._tell.on_lost(ConnectionFailed("The connection was lost.", "It is tried again by itself."))
            if not self._leaving.is_set():
                await self._back_off(failures)

    async def restart(self) -> None:
        """End the session and start another with what `greeting` now says; one connection carries one session."""
        if self.up and not self._restarting:
            self._restarting = True
            await self._end_session()
            await self._disconnect()

    async def leave(self) -> None:
        """End the session properly, as far as the server answers in time, and close the connection."""
        self._leaving.set()
        self._hurry.set()
        if self.up:
            await self._end_session()
        await self._disconnect()

    async def _end_session(self) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        self.withdraw_audio()
        self.send(protocol.EndSession())
        waiting = {self._ended} if self._gone is None else {self._ended, self._gone}
        await asyncio.wait(waiting, timeout=GOODBYE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)

    # --- one connection -----------------------------------------------------------------------------------------------

    async def _hold_session(self) -> None:
        loop = asyncio.get_running_loop()
        self._connected, self._started, self._gone = (loop.create_future() for _ in range(3))
        self._refusal = None
        self._tell.on_connecting()
        sender: asyncio.Task[None] | None = None
        try:
            client = await self._open()
            await self._wait_for(self._connected, "The server accepted the connection but never said connected.")
            event, payload = protocol.encode(self._greeting())
            await client.emit(event, payload, namespace=protocol.NAMESPACE)
            await self._wait_for(self._started, "The server did not start the session.")
            sender = asyncio.create_task(self._send_outbox(client))
            await self._gone
            self._raise_refusal()
        finally:
            self.up = False
            if sender is not None:
                sender.cancel()
            await self._disconnect()

    async def _open(self) -> socketio.AsyncClient:
        client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            logger=logging.getLogger("selam_cli.socketio"),
            engineio_logger=logging.getLogger("selam_cli.engineio"),
            websocket_extra_options={"max_msg_size": MAX_MESSAGE_BYTES},
        )
        for name in ("selam_cli.socketio", "selam_cli.engineio"):
            logging.getLogger(name).setLevel(logging.ERROR)  # their INFO lines hold every payload
        client.on("*", self._on_event, namespace=protocol.NAMESPACE)
        client.on("connect_error", self._on_refused, namespace=protocol.NAMESPACE)
        client.on("disconnect", self._on_disconnect, namespace=protocol.NAMESPACE)
        self._client = client
        url = await self._url()
        try:
            await client.connect(
                url,
                namespaces=[protocol.NAMESPACE],
                transports=["websocket"],
                wait_timeout=CONNECT_TIMEOUT_S,
            )
        except Exception as error:  # the decode boundary: whatever stands at that address answers here
            if self._refusal is not None:
                raise self._refusal from None
            # `from None`: the chained error of the HTTP library holds the address with its key.
            raise connection_failure(error, url) from None
        return client

    async def _wait_for(self, future: asyncio.Future[None], sentence: str) -> None:
        assert self._gone is not None  # noqa: S101  # made with the future
        await asyncio.wait({future, self._gone}, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if future.done():
            return
        self._raise_refusal()
        if self._gone.done():
            raise ConnectionFailed("The server closed the connection.", "It is tried again by itself.")
        raise SessionError(sentence, "Try again, or check that the address is a Voice Agent's.")

    def _raise_refusal(self) -> None:
        if self._refusal is not None and not self._leaving.is_set():
            raise self._refusal

    async def _send_outbox(self, client: socketio.AsyncClient) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            while self._outbox:
                message = self._outbox.popleft()
                if isinstance(message, AudioChunk):
                    self._audio_bytes -= len(message.audio)
                event, payload = protocol.encode(message)
                try:
                    await client.emit(event, payload, namespace=protocol.NAMESPACE)
                except socketio.exceptions.SocketIOError:
                    return  # the connection is gone; `_hold_session` hears of it by itself
                # `emit` never pushes back; the library's own queue is empty only when the socket took everything.
                await client.eio.queue.join()
                self._tell.on_sent(message)

    def _bound_audio(self) -> None:
        while self.queued_s > OUTBOX_AUDIO_S:
            oldest = next(message for message in self._outbox if isinstance(message, AudioChunk))
            self._outbox.remove(oldest)
            self._audio_bytes -= len(oldest.audio)
            self.dropped_s += len(oldest.audio) / (2 * protocol.WIRE_RATE_HZ)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await asyncio.wait_for(client.disconnect(), GOODBYE_TIMEOUT_S)
        except Exception as error:  # the library raises many things from a socket that is already gone
            log.debug("while disconnecting: %r", error)
        http = client.eio.http
        if http is not None and not http.closed:
            await http.close()

    async def _back_off(self, failures: int) -> None:
        delay = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(failures, 10))
        delay *= random.uniform(0.75, 1.25)  # noqa: S311  # spreads clients apart, guards nothing
        if failures == 0:
            delay = random.uniform(0.0, BACKOFF_FIRST_S)  # noqa: S311  # a session that held and broke: nearly at once
        self._tell.on_retry(failures + 1, delay)
        self._hurry.clear()
        if self._leaving.is_set():
            return
        await asyncio.wait({asyncio.ensure_future(self._hurry.wait())}, timeout=delay)

    # --- the door in --------------------------------------------------------------------------------------------------

    def _on_event(self, event: str, *arguments: Any) -> None:
        try:
            message = protocol.decode_server(event, arguments[0] if arguments else None)
        except MalformedPayload as error:
            self._tell.on_malformed(error)
            return
        if message is None:
            log.debug("unknown event %.60r", event)
            return
        match message:
            case protocol.Connected():
                _settle(self._connected)
            case protocol.SessionStarted() if self._started is not None and not self._started.done():
                # Here and not where it is waited for: whoever is told of the session may send into it at once.
                self._outbox.clear()
                self._audio_bytes = 0
                self.up = True
                self._started.set_result(None)
                self._tell.on_message(message)
                self._tell.on_up()
                return
            case protocol.SessionEnded():
                _settle(self._ended)
                if self._ended is None or self._ended.cancelled():
                    _settle(self._gone)  # the server's own leave
            case ErrorReport() if not self.up:
                # An error in place of a session: the reason of the refusal that follows, or of the missing session.
                self._refusal = refusal(message)
                _settle(self._gone)
            case ErrorReport(type="authentication_error" | "authorization_error"):
                self._refusal = refusal(message)  # final, once the server closes the connection for it
        self._tell.on_message(message)

    def _on_refused(self, *arguments: Any) -> None:
        # A failed handshake comes here too, as a bare text without a type; `_open` reads the exception instead.
        if self._client is not None and self._client.eio.state == "connected":
            self._refusal = refusal(protocol.error_report(arguments[0] if arguments else None))

    def _on_disconnect(self, *_: Any) -> None:
        _settle(self._gone)


def _settle(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
