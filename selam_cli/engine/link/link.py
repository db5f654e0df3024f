"""The Socket.IO connection: one ordered, bounded way out, one door in, and coming back after a loss.

A `Link` outlives its connections. Each attempt uses a fresh python-socketio client, for one that was refused or broke
keeps state of its own; reconnection is ours, because the library would go on trying a refused key.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import socketio

from selam_cli.core import protocol
from selam_cli.core.protocol import ClientMessage, ErrorReport, MalformedPayload, ServerMessage
from selam_cli.core.proxy import Proxy
from selam_cli.engine.link.liveness import Liveness, WatchedSocket
from selam_cli.engine.link.network_watch import NetworkWatch, numeric_addresses
from selam_cli.engine.link.outbox import Outbox
from selam_cli.engine.link.packets import MAX_MESSAGE_BYTES, UNREADABLE, GuardedPacket
from selam_cli.engine.link.rate_limit import InboundLimiter
from selam_cli.engine.link.refusals import SessionOver, connection_failure, follow_no_redirect, refusal, session_over
from selam_cli.engine.target import socketio_path
from selam_cli.errors import ConnectionFailed, SelamError, SessionError
from selam_cli.tunnel import ProxyRefused, proxy_for

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
"""For the socket, for `connected`, and again for `session_started` (protocol.md)."""

GOODBYE_TIMEOUT_S: Final = 2.0
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 8.0
STEADY_AFTER_S: Final = 5.0
"""A session that held for less is no success: the waits between attempts go on growing."""


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
    on_stalled: Callable[[bool], None] = lambda _: None
    """The server has stopped reading what it is sent, or reads again."""
    on_dropped: Callable[[float], None] = lambda _: None
    """So many seconds of audio had to be dropped, for the way out is bounded."""
    on_flood: Callable[[str], None] = lambda _: None
    """So much of a kind of message comes that what is too much is passed over; `unknown` for those of no kind."""


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
        """`url` gives the handshake address, `greeting` the session to start.

        `attempts` bounds a row of failures before the first session; who has had one is waited for.
        """
        self._url = url
        self._greeting = greeting
        self._tell = callbacks
        self._attempts = attempts
        self._client: socketio.AsyncClient | None = None
        self._outbox = Outbox()
        self._outgoing = asyncio.Event()
        self._hurry = asyncio.Event()
        self._leaving = asyncio.Event()
        self._restarting = False
        self._connected: asyncio.Future[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._ending = False
        self._gone: asyncio.Future[None] | None = None
        self._refusal: SelamError | None = None
        self._turned_away: SelamError | None = None
        """What was told in mid-session, until the session is seen to go on: then it was one engine's of the server."""
        self._network = NetworkWatch()
        self._limiter = InboundLimiter(callbacks.on_flood)
        self._waits = 0
        self._up_since: float | None = None
        self._ever_up = False
        self._stalled = False
        self._in_session = False

    @property
    def up(self) -> bool:
        """Whether there is a session to say something to; one that is being ended hears nothing more."""
        return self._in_session and not self._ending

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._outbox.queued_s

    @property
    def dropped_s(self) -> float:
        """Seconds of audio that had to be dropped so far."""
        return self._outbox.dropped_s

    def send(self, message: ClientMessage) -> None:
        """Put a message on its way, in order. Audio is bounded; nothing else is ever dropped.

        Without a session nothing is sent: whoever has something to say after a loss says it again.
        """
        if not self.up:
            return
        dropped_s = self._outbox.put(message)
        self._outgoing.set()
        if dropped_s:
            self._tell.on_dropped(dropped_s)

    def withdraw_audio(self) -> None:
        """Take back what of the last utterance has not been sent: the user threw it away."""
        self._outbox.withdraw_audio()

    def hurry(self) -> None:
        """Try again at once, where the next attempt is being waited for or the one that is made fails."""
        self._hurry.set()

    async def run(self) -> None:
        """Connect, start the session, and come back after each loss, until `leave`.

        Raises the SelamError that ends it: a refusal is final, so is a session that the server ended for good, and so
        are `attempts` failures in a row before the first session.
        """
        failures = 0
        while not self._leaving.is_set():
            try:
                await self._hold_session()
                error: SelamError = ConnectionFailed("The connection was lost.", "It is tried again by itself.")
            except (SessionOver, ProxyRefused):
                raise
            except (ConnectionFailed, SessionError) as failure:
                # A session that does not come may be a server that is starting up: tried again like a lost one.
                error = failure
            if self._leaving.is_set():
                return
            if self._restarting:
                self._restarting = False
                continue
            failures = 0 if self._was_up() else failures + 1
            self._tell.on_lost(error)
            if self._attempts is not None and not self._ever_up and failures >= self._attempts:
                raise error
            await self._back_off(failures)

    def _was_up(self) -> bool:
        """Say whether there was a session; one that held is a success, after which the waits are short again."""
        since, self._up_since = self._up_since, None
        if since is not None and asyncio.get_running_loop().time() - since >= STEADY_AFTER_S:
            self._waits = 0
        return since is not None

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
        if self._in_session:
            await self._end_session()
        await self._disconnect()

    async def _end_session(self) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        self._outbox.withdraw_audio(everything=True)
        self.send(protocol.EndSession())
        self._ending = True
        waiting = {self._ended} if self._gone is None else {self._ended, self._gone}
        if not self._stalled:  # one that reads nothing will not answer this either
            await asyncio.wait(waiting, timeout=GOODBYE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)

    # --- one connection -----------------------------------------------------------------------------------------------

    async def _hold_session(self) -> None:
        loop = asyncio.get_running_loop()
        self._connected, self._started, self._gone = (loop.create_future() for _ in range(3))
        self._refusal = None
        self._stalled = self._ending = False
        self._hurry.clear()
        self._network.look()
        self._limiter = InboundLimiter(self._tell.on_flood)
        self._tell.on_connecting()
        liveness: Liveness | None = None
        sender: asyncio.Task[None] | None = None
        try:
            client = await self._open()
            liveness = self._watch_liveness(client)
            await liveness.begin()
            await self._wait_for(self._connected, "The server accepted the connection but never said connected.")
            event, payload = protocol.encode(self._greeting())
            await client.emit(event, payload, namespace=protocol.NAMESPACE)
            await self._wait_for(self._started, "The server did not start the session.")
            sender = asyncio.create_task(self._send_outbox(client, liveness))
            await self._gone
            self._raise_refusal()
        finally:
            self._in_session = False
            if liveness is not None:
                liveness.stop()
            if sender is not None:
                sender.cancel()
            await self._disconnect()

    def _watch_liveness(self, client: socketio.AsyncClient) -> Liveness:
        socket = client.eio.ws
        peer = socket.get_extra_info("peername")
        if peer:
            self._network.remember(peer[0])
        socket.on_too_big = self._on_too_big
        return Liveness(socket, on_stalled=self._on_stalled, on_lost=self._on_silent)

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

    async def _open(self) -> socketio.AsyncClient:
        url = await self._url()
        proxy = proxy_for(url)
        client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            serializer=GuardedPacket,
            logger=logging.getLogger("selam_cli.socketio"),
            engineio_logger=logging.getLogger("selam_cli.engineio"),
            http_session=aiohttp.ClientSession(
                connector=_connector(proxy), ws_response_class=WatchedSocket, trace_configs=[_no_redirects()]
            ),
            websocket_extra_options={"max_msg_size": MAX_MESSAGE_BYTES, "autoping": False},
        )
        for name in ("selam_cli.socketio", "selam_cli.engineio"):
            logging.getLogger(name).setLevel(logging.ERROR)  # their INFO lines hold every payload
        client.on("*", self._on_event, namespace=protocol.NAMESPACE)
        client.on("connect_error", self._on_refused, namespace=protocol.NAMESPACE)
        client.on("disconnect", self._on_disconnect, namespace=protocol.NAMESPACE)
        self._client = client
        # Where a proxy stands in between, the network is back when the proxy can be reached again.
        for address in numeric_addresses([urlsplit(url).hostname if proxy is None else proxy.host]):
            self._network.remember(address)
        try:
            # All of it: the library waits without end for a server that accepts and says nothing.
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.connect(
                    url,
                    namespaces=[protocol.NAMESPACE],
                    socketio_path=socketio_path(url),
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

    async def _send_outbox(self, client: socketio.AsyncClient, liveness: Liveness) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            while self._outbox:
                await liveness.until_room()
                if not self._outbox:
                    break  # withdrawn meanwhile
                message = self._outbox.take()
                liveness.writing()
                event, payload = protocol.encode(message)
                try:
                    await client.emit(event, payload, namespace=protocol.NAMESPACE)
                    # `emit` never pushes back; the library's own queue is empty only when the socket took everything.
                    await client.eio.queue.join()
                    await liveness.written(message, last=not self._outbox)
                except (socketio.exceptions.SocketIOError, aiohttp.ClientError, ConnectionError):
                    return  # the connection is gone; `_hold_session` hears of it by itself
                self._tell.on_sent(message)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        http = client.eio.http
        try:
            if self._stalled:
                await http.close()  # nobody would read a goodbye
            await asyncio.wait_for(client.disconnect(), GOODBYE_TIMEOUT_S)
        except Exception as error:  # the library raises many things from a socket that is already gone
            log.debug("while disconnecting: %r", error)
        if not http.closed:
            await http.close()

    async def _back_off(self, failures: int) -> None:
        delay = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(self._waits, 10))
        delay *= random.uniform(0.5, 1.0)  # noqa: S311  # spreads clients apart, guards nothing
        self._waits += 1
        self._tell.on_retry(failures + 1, delay)
        if self._leaving.is_set():
            return
        sooner = {asyncio.ensure_future(self._hurry.wait()), asyncio.ensure_future(self._network.changes())}
        try:
            done, _ = await asyncio.wait(sooner, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in sooner:
                waiting.cancel()
        if done:
            self._waits = 0  # whoever comes back is not to wait for what was in vain before

    # --- what comes in ------------------------------------------------------------------------------------------------

    def _on_event(self, event: str, *arguments: Any) -> None:
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
        match message:
            case protocol.Connected():
                _settle(self._connected)
            case protocol.SessionStarted() if self._started is not None and not self._started.done():
                # Here and not where it is waited for: whoever is told of the session may send into it at once.
                self._outbox.clear()
                self._in_session = self._ever_up = True
                self._up_since = asyncio.get_running_loop().time()
                self._started.set_result(None)
                self._tell.on_message(message)
                self._tell.on_up()
                return
            case protocol.SessionEnded():
                if not self._ending:
                    self._refusal = session_over(message) or self._refusal
                    _settle(self._gone)  # the server's own leave
                _settle(self._ended)
            case ErrorReport() if not self._in_session:
                # An error in place of a session: the reason of the refusal that follows, or of the missing session.
                self._refusal = refusal(message)
                _settle(self._gone)
            case ErrorReport(type="authentication_error" | "authorization_error"):
                self._refusal = self._turned_away = refusal(message)  # final, once the server closes for it
            case protocol.Transcription() | protocol.Response() | protocol.AudioEnd():
                if self._refusal is self._turned_away:
                    self._refusal = None
        self._tell.on_message(message)

    def _on_refused(self, *arguments: Any) -> None:
        # A failed handshake comes here too, as a bare text without a type; `_open` reads the exception instead.
        if self._client is not None and self._client.eio.state == "connected":
            self._refusal = refusal(protocol.error_report(arguments[0] if arguments else None))

    def _on_disconnect(self, *_: Any) -> None:
        _settle(self._gone)


def _connector(proxy: Proxy | None) -> aiohttp.BaseConnector | None:
    if proxy is None:
        return None
    from selam_cli.tunnel_connector import TunnelConnector  # noqa: PLC0415  # loaded where there is one

    log.info("through the proxy %s, which %s names", proxy.shown, proxy.variable)
    return TunnelConnector(proxy)


def _no_redirects() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(follow_no_redirect)
    return trace


def _settle(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
