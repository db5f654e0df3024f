"""Control actions on their way: which wait for an acknowledgement, how long it took, and which never got one."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from selam_cli.core.protocol import Action, ClientMessage, Control, ControlAck

NO_ACK_S: Final = 2.0


class Controls:
    """Matches each acknowledgement with the oldest request of the same action. All times are monotonic seconds."""

    def __init__(self) -> None:
        self._sent_at: dict[str, deque[float]] = {}
        self._due_at: dict[str, float] = {}
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()

    def asked(self, action: Action) -> int:
        """Return how often this session was asked for an action."""
        return self._asked[action]

    def answered(self, action: Action) -> int:
        """Return how often this session acknowledged an action."""
        return self._answered[action]

    def request(self, action: Action, now: float) -> Control:
        """Return what asks the server for an action."""
        self._asked[action] += 1
        self._due_at.setdefault(action, now + NO_ACK_S)
        return Control(action)

    def on_sent(self, message: ClientMessage, now: float) -> None:
        """Count the round trip from the moment a control has left, not from when it was queued."""
        if isinstance(message, Control):
            self._sent_at.setdefault(str(message.action), deque(maxlen=64)).append(now)

    def acknowledged(self, ack: ControlAck, now: float) -> float | None:
        """Return the round trip in ms; None for an acknowledgement that nothing waits for."""
        self._answered[ack.action] += 1
        self._due_at.pop(ack.action, None)
        sent = self._sent_at.get(ack.action)
        return (now - sent.popleft()) * 1_000 if sent else None

    def deadline(self) -> float | None:
        """Return when an acknowledgement is missed next."""
        return min(self._due_at.values(), default=None)

    def missed(self, now: float) -> list[str]:
        """Return the actions whose acknowledgement did not come in time, each once."""
        missed = [action for action, due_at in self._due_at.items() if due_at <= now]
        for action in missed:
            del self._due_at[action]
            self._sent_at.pop(action, None)
        return missed

    def reset(self) -> None:
        """Forget everything on its way: it went down with its connection."""
        for figures in (self._due_at, self._sent_at, self._asked, self._answered):
            figures.clear()
