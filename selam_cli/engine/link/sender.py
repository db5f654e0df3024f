"""The sending end of one connection: what waits leaves in order, no faster than the other end reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import socketio

from selam_cli.core.protocol import ClientMessage
from selam_cli.engine.link.client import emit
from selam_cli.engine.link.liveness import Liveness
from selam_cli.engine.link.outbox import Outbox


class Sender:
    """An outbox, and the task that empties it."""

    def __init__(self, on_sent: Callable[[ClientMessage], None]) -> None:
        self._on_sent = on_sent
        self._outbox = Outbox()
        self._outgoing = asyncio.Event()

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._outbox.queued_s

    def put(self, message: ClientMessage) -> float:
        """Append a message; return how many seconds of older audio were dropped for it."""
        dropped_s = self._outbox.put(message)
        self._outgoing.set()
        return dropped_s

    def withdraw_audio(self, *, everything: bool = False) -> None:
        """Take back the audio of the last utterance that has not been sent, or all of it."""
        self._outbox.withdraw_audio(everything=everything)

    async def run(self, client: socketio.AsyncClient, liveness: Liveness) -> None:
        """Send what waits and what will, until the connection is gone; its owner hears of that by itself."""
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            while self._outbox:
                await liveness.until_room()
                if not self._outbox:
                    break  # withdrawn meanwhile
                message = self._outbox.take()
                liveness.writing()
                try:
                    await emit(client, message)
                    # `emit` never pushes back; the library's own queue is empty only when the socket took everything.
                    await client.eio.queue.join()
                    await liveness.written(message, last=not self._outbox)
                except (socketio.exceptions.SocketIOError, aiohttp.ClientError, ConnectionError):
                    return
                self._on_sent(message)
