"""What a link reports to its owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from selam_cli.core.protocol import ClientMessage, MalformedPayload, ServerMessage
from selam_cli.errors import SelamError


@dataclass(frozen=True, slots=True)
class LinkCallbacks:
    """Given once, when a link is made; all are called on the loop's thread."""

    on_message: Callable[[ServerMessage], None]
    on_malformed: Callable[[MalformedPayload], None]
    on_connecting: Callable[[], None]
    on_up: Callable[[], None]
    """A session has started, and what is sent from now on goes into it."""
    on_lost: Callable[[SelamError], None]
    on_retry: Callable[[int, float], None]
    """The next attempt, counted since the last session, is made after this many seconds."""
    on_sent: Callable[[ClientMessage], None]
    on_stalled: Callable[[bool], None] = lambda _: None
    """The server has stopped reading what it is sent, or reads again."""
    on_dropped: Callable[[float], None] = lambda _: None
    """This many seconds of audio were dropped, because the outbox is bounded."""
    on_flood: Callable[[str], None] = lambda _: None
    """More of a kind of message comes than is let in; `unknown` stands for all events that the protocol lacks."""
