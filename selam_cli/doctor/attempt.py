"""One session with a server, through the conversation's own link: begun, asked for its round trip, and ended."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from typing import Final

from selam_cli.config.settings import Settings
from selam_cli.core.protocol import Action, Connected, Control, ControlAck, ServerMessage, StartSession
from selam_cli.engine.link.callbacks import LinkCallbacks
from selam_cli.engine.link.link import Link
from selam_cli.engine.link.refusals import connection_failure
from selam_cli.engine.server_target import ServerTarget
from selam_cli.errors import SelamError, SessionError

GREETED_WITHIN_S: Final = 12.0
STARTED_WITHIN_S: Final = 12.0
"""Each more than the link's own time-out, so that its own words come first."""

ROUND_TRIPS: Final = 3
ROUND_TRIP_WITHIN_S: Final = 2.0


@dataclass(slots=True)
class Attempt:
    """How it went; `error` is what a conversation would have failed with."""

    error: SelamError | None = None
    connected_ms: float | None = None
    started_ms: float | None = None
    round_trip_ms: float | None = None
    began_at: float = field(default_factory=time.monotonic)

    def ms(self) -> float:
        """Return the time since it began."""
        return (time.monotonic() - self.began_at) * 1_000


async def attempt(target: ServerTarget, settings: Settings) -> Attempt:
    """Try the server. Never raises for it, and never takes longer than both time-outs and the goodbye."""
    tried = Attempt()
    greeted, up, acknowledged = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def on_message(message: ServerMessage) -> None:
        if isinstance(message, Connected):
            tried.connected_ms = tried.ms()
            greeted.set()
        elif isinstance(message, ControlAck):
            acknowledged.set()

    link = Link(
        lambda: _address(target, settings),
        lambda: StartSession(
            settings.voice, settings.language, settings.instructions, settings.vad_threshold,
            settings.interrupt_threshold,
        ),
        LinkCallbacks(
            on_message=on_message,
            on_malformed=lambda _: None,
            on_connecting=lambda: None,
            on_up=up.set,
            on_lost=lambda _: None,
            on_retry=lambda _attempt, _delay: None,
            on_sent=lambda _: None,
        ),
        attempts=1,
    )  # fmt: skip
    running = asyncio.create_task(link.run())
    try:
        await _either(running, greeted, GREETED_WITHIN_S)
        if greeted.is_set():
            await _either(running, up, STARTED_WITHIN_S)
        if up.is_set():
            tried.started_ms = tried.ms()
            tried.round_trip_ms = await _round_trip_ms(link, acknowledged)
        else:
            tried.error = _error(running, target, greeted=greeted.is_set())
    finally:
        await link.leave()
        running.cancel()
        await asyncio.wait({running})
    return tried


async def _either(running: asyncio.Task[None], event: asyncio.Event, within_s: float) -> None:
    """Wait for an event, or the link's end, which then says why there is none."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({running, waiting}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _address(target: ServerTarget, settings: Settings) -> str:
    return target.handshake_url(settings.voice)


def _error(running: asyncio.Task[None], target: ServerTarget, *, greeted: bool) -> SelamError:
    error = running.exception() if running.done() and not running.cancelled() else None
    if isinstance(error, SelamError):
        return error
    if not greeted:
        return connection_failure(error or TimeoutError(), target.url)
    return SessionError("The server greets and starts no session.", "Try again, or another server.")


async def _round_trip_ms(link: Link, acknowledged: asyncio.Event) -> float | None:
    """Return the median of some; every server answers an interruption, and one of nothing has no effect."""
    times: list[float] = []
    for _ in range(ROUND_TRIPS):
        acknowledged.clear()
        sent_at = time.monotonic()
        link.send(Control(Action.INTERRUPT))
        try:
            await asyncio.wait_for(acknowledged.wait(), ROUND_TRIP_WITHIN_S)
        except TimeoutError:
            return None
        times.append((time.monotonic() - sent_at) * 1_000)
    return statistics.median(times)
