"""Whether the other end still reads what it is sent.

A socket cannot tell: the two kernels between a program and one that has stopped reading take megabytes, minutes of
speech, before a write waits. So a WebSocket ping follows what is sent. Its pong, which every WebSocket library gives by
itself, says that all before it was read. A peer that has answered no ping is judged by its socket alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from selam_cli.core.protocol import WIRE_RATE_HZ, AudioChunk, ClientMessage
from selam_cli.engine.link.rate_limit import ReadThrottle

TICK_S: Final = 0.25
STALLED_S: Final = 1.5
"""A peer that gives no sign for this long after something was sent is stalled: reported within 2 s, with two ticks."""

LOST_S: Final = 10.0
"""A peer that gives no sign for this long is treated as lost."""

PROBE_EVERY_S: Final = 10.0
"""How often a connection on which nothing is sent is probed: its other end may be gone without closing it."""

PROBE_LOST_S: Final = 20.0
"""A probe may wait longer than speech: nothing is lost meanwhile, and a server may be busy with an answer."""

PING_EVERY_S: Final = 0.5
"""Seconds of audio between pings while much is sent at once; the last of a row always has one."""

IN_FLIGHT_AT_MOST_S: Final = 5.0
"""Seconds of audio that may be under way unread, so that what waits, waits here, where it is seen."""


class WatchedSocket(aiohttp.ClientWebSocketResponse):
    """A WebSocket that reports every frame, and hands on all but pings and pongs."""

    on_frame: Callable[[aiohttp.WSMessage], None] | None = None
    on_too_big: Callable[[], None] | None = None
    _throttle: ReadThrottle | None = None

    async def receive(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109  # the library's signature
        """Return the next message; the library would keep pongs to itself, so pings are answered here."""
        self._throttle = self._throttle or ReadThrottle()
        while True:
            await self._throttle.wait()
            message = await super().receive(timeout)
            if (
                getattr(message.data, "code", None) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
                and self.on_too_big is not None
            ):
                self.on_too_big()
            if self.on_frame is not None:
                self.on_frame(message)
            if message.type is aiohttp.WSMsgType.PING:
                await self.pong(message.data)
            elif message.type is not aiohttp.WSMsgType.PONG:
                return message


class Liveness:
    """Watches one connection's other end.

    Time is counted in ticks, not by the clock: when this process itself was held up, what came meanwhile is read
    before the next tick.
    """

    def __init__(
        self, socket: WatchedSocket, *, on_stalled: Callable[[bool], None], on_lost: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._on_stalled = on_stalled
        self._on_lost = on_lost
        self._under_way: deque[tuple[int, float]] = deque()
        """Each ping that is not answered, with the seconds of audio that left between the one before it and it."""
        self._number = 0
        self._since_ping_s = 0.0
        self._answers = False
        self._alive = True
        self._writing = False
        self._of_ours = False
        """Whether what is under way is more than a probe."""
        self._quiet_ticks = 0
        self._idle_ticks = 0
        self._stalled = False
        self._room = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.Future[None] | None = None
        socket.on_frame = self._on_frame

    @property
    def in_flight_s(self) -> float:
        """Seconds of audio that left and are not known to have been read."""
        return sum(seconds for _, seconds in self._under_way) + self._since_ping_s

    async def until_room(self) -> None:
        """Wait until so little is under way that more may follow."""
        while self._answers and self.in_flight_s > IN_FLIGHT_AT_MOST_S:
            self._room.clear()
            await self._room.wait()

    def writing(self) -> None:
        """A message is being written to the socket, which may take its time."""
        self._writing = self._of_ours = True

    async def written(self, message: ClientMessage, *, last: bool) -> None:
        """The socket took a message; `last`: nothing waits behind it."""
        self._writing = False
        if not self._answers:  # where pongs are to be had, what the kernel takes says nothing of the other end
            self._alive = True
        if isinstance(message, AudioChunk):
            self._since_ping_s += len(message.audio) / (2 * WIRE_RATE_HZ)
        if last or self._since_ping_s >= PING_EVERY_S:
            await self._ping()

    async def begin(self) -> None:
        """Ask for the first sign, and watch from now on."""
        await self._ping()
        self._next_tick()

    def stop(self) -> None:
        """Watch no more: the connection is over."""
        for pending in (self._timer, self._probe):
            if pending is not None:
                pending.cancel()
        self._socket.on_frame = None

    def _next_tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        waiting = self._writing or (self._answers and bool(self._under_way))
        self._quiet_ticks = 0 if self._alive or not waiting else self._quiet_ticks + 1
        self._idle_ticks = 0 if waiting or not self._answers else self._idle_ticks + 1
        self._alive = False
        quiet_s = self._quiet_ticks * TICK_S
        self._tell(stalled=self._of_ours and quiet_s >= STALLED_S)
        if quiet_s >= (LOST_S if self._of_ours else PROBE_LOST_S):
            self._on_lost()
            return
        if self._idle_ticks * TICK_S >= PROBE_EVERY_S:
            self._idle_ticks = 0
            self._probe = asyncio.ensure_future(self._ping())
        self._next_tick()

    def _tell(self, *, stalled: bool) -> None:
        if stalled != self._stalled:
            self._stalled = stalled
            self._on_stalled(stalled)

    async def _ping(self) -> None:
        self._number += 1
        self._under_way.append((self._number, self._since_ping_s))
        self._since_ping_s = 0.0
        if not self._answers and len(self._under_way) > 64:
            self._under_way.popleft()
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):  # gone: the reader of the socket notices
            await self._socket.ping(b"%d" % self._number)

    def _on_frame(self, message: aiohttp.WSMessage) -> None:
        self._alive = True
        self._quiet_ticks = 0
        self._tell(stalled=False)
        if message.type is not aiohttp.WSMsgType.PONG:
            return
        try:
            answered = int(bytes(message.data))
        except ValueError:
            return  # a pong without a ping is allowed, and says nothing
        self._answers = True
        while self._under_way and self._under_way[0][0] <= answered:
            self._under_way.popleft()
        if not self._under_way and not self._writing:
            self._of_ours = False
        self._room.set()
