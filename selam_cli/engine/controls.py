"""Control actions on their way: which wait for an acknowledgement, how long it took, and which never got one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from selam_cli.core.protocol import Action, ClientMessage, Control, ControlAck
from selam_cli.engine import events

NO_ACK_S: Final = 2.0


class Controls:
    """Sends control actions and matches each acknowledgement with the oldest request of the same action."""

    def __init__(self, emit: Callable[[events.Event], None], send: Callable[[Control], None]) -> None:
        self._emit = emit
        self._send = send
        self._sent_at: dict[str, deque[float]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.asked: Counter[str] = Counter()
        """How often this session was asked for each action …"""
        self.answered: Counter[str] = Counter()
        """… and how often it acknowledged that."""

    def request(self, action: Action) -> None:
        """Ask the server for an action; a notice follows where no acknowledgement comes in time."""
        self._send(Control(action))
        self.asked[action] += 1
        if action not in self._timers:
            self._timers[action] = asyncio.get_running_loop().call_later(NO_ACK_S, self._missed, action)

    def on_sent(self, message: ClientMessage) -> None:
        """The round trip is counted from the moment a control has left, not from when it was queued."""
        if isinstance(message, Control):
            self._sent_at.setdefault(str(message.action), deque(maxlen=64)).append(time.monotonic())

    def acknowledged(self, ack: ControlAck) -> float | None:
        """Return the round trip in ms; None for an acknowledgement that nobody waits for."""
        self.answered[ack.action] += 1
        timer = self._timers.pop(ack.action, None)
        if timer is not None:
            timer.cancel()
        sent = self._sent_at.get(ack.action)
        return (time.monotonic() - sent.popleft()) * 1_000 if sent else None

    def reset(self) -> None:
        """Forget everything on its way: it went down with its connection."""
        for timer in self._timers.values():
            timer.cancel()
        for figures in (self._timers, self._sent_at, self.asked, self.answered):
            figures.clear()

    def _missed(self, action: Action) -> None:
        self._timers.pop(action, None)
        self._sent_at.pop(action, None)
        self._emit(
            events.Notice(
                "no_ack", "warning", f"The server did not acknowledge {action} in 2 seconds.", "It may be overloaded."
            )
        )
