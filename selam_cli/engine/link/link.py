"""The way to one server: a connection at a time, and another one after a loss.

A `Link` outlives its connections. Each attempt is a `Connection` of its own; whether and when the next one is made,
`RetryPolicy` decides. What is left here is to wait: for the end of a connection, or for the time of the next one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from selam_cli.core import protocol
from selam_cli.core.protocol import ClientMessage
from selam_cli.engine.link.callbacks import LinkCallbacks
from selam_cli.engine.link.connection import Connection
from selam_cli.engine.link.network_watch import NetworkWatch
from selam_cli.engine.link.policy import RetryPolicy
from selam_cli.engine.link.refusals import is_final
from selam_cli.errors import ConnectionFailed, SelamError


class Link:
    """`run` keeps a session open until `leave`; `send` puts a message on its way."""

    def __init__(
        self,
        url: Callable[[], Awaitable[str]],
        greeting: Callable[[], protocol.StartSession],
        callbacks: LinkCallbacks,
        *,
        attempts: int | None = None,
    ) -> None:
        """`url` gives the handshake address, `greeting` the session to start.

        `attempts` bounds a row of failures before the first session; after one there is no bound.
        """
        self._url = url
        self._greeting = greeting
        self._tell = callbacks
        self._policy = RetryPolicy(attempts)
        self._network = NetworkWatch()
        self._connection: Connection | None = None
        self._hurry = asyncio.Event()
        self._leaving = asyncio.Event()
        self._restarting = False

    @property
    def up(self) -> bool:
        """Whether there is a session to say something to."""
        return self._connection is not None and self._connection.up

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._connection.queued_s if self._connection is not None else 0.0

    def send(self, message: ClientMessage) -> None:
        """Put a message on its way, in order. Audio is bounded; nothing else is ever dropped.

        Without a session nothing is sent: a caller that has something to say after a loss says it again.
        """
        dropped_s = self._connection.send(message) if self._connection is not None else 0.0
        if dropped_s:
            self._tell.on_dropped(dropped_s)

    def withdraw_audio(self) -> None:
        """Take back what of the last utterance has not been sent: the user threw it away."""
        if self._connection is not None:
            self._connection.withdraw_audio()

    def hurry(self) -> None:
        """Try again at once, whether the next attempt is being waited for or the one that is made fails."""
        self._hurry.set()

    async def run(self) -> None:
        """Connect, start the session, and come back after each loss, until `leave`.

        Raises the SelamError that ends it: a refusal is final, so is a session that the server ended for good, and so
        are `attempts` failures in a row before the first session.
        """
        while not self._leaving.is_set():
            error, session_s = await self._attempt()
            if self._leaving.is_set():
                return
            if is_final(error):
                raise error
            if self._restarting:
                self._restarting = False
                self._policy.replaced(session_s)
                continue
            self._tell.on_lost(error)
            retry = self._policy.after(session_s, random.random())  # noqa: S311  # spreads clients apart, guards nothing
            if retry is None:
                raise error
            self._tell.on_retry(retry.attempt, retry.delay_s)
            await self._wait(retry.delay_s)

    async def restart(self) -> None:
        """End the session and start another with what `greeting` now says; one connection carries one session."""
        if self._connection is not None and self._connection.up and not self._restarting:
            self._restarting = True
            await self._connection.leave()

    async def leave(self) -> None:
        """End the session properly, as far as the server answers in time, and close the connection."""
        self._leaving.set()
        self._hurry.set()
        if self._connection is not None:
            await self._connection.leave()

    async def _attempt(self) -> tuple[SelamError, float | None]:
        """Hold one connection until it is over, and return why it is and how long its session lasted."""
        error: SelamError = ConnectionFailed("The connection was lost.", "It is tried again by itself.")
        connection: Connection | None = None
        self._hurry.clear()
        self._network.look()
        self._tell.on_connecting()
        try:
            self._connection = connection = Connection(await self._url(), self._tell, self._network.remember)
            await connection.hold(self._greeting)
        except SelamError as failure:
            error = failure
        finally:
            self._connection = None
        return error, connection.session_s if connection is not None else None

    async def _wait(self, delay_s: float) -> None:
        """Wait for the next attempt, or until something speaks for trying it now."""
        if self._leaving.is_set():
            return
        sooner = {asyncio.ensure_future(self._hurry.wait()), asyncio.ensure_future(self._network.changes())}
        try:
            done, _ = await asyncio.wait(sooner, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in sooner:
                waiting.cancel()
        if done:
            self._policy.hurried()
