"""How much one client may ask of the agent: how fast it sends, how long it stays, how long it says nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from selam_cli.core.protocol import WIRE_RATE_HZ, ErrorReport
from selam_cli.core.token_bucket import TokenBucket

SPEECH_BYTES_PER_S: Final = 2 * WIRE_RATE_HZ * 4 // 3
"""Speech on the wire, in base64."""

BURST_S: Final = 240.0
"""Speech that may come at once: the longest utterance that our client keeps while its connection is down, twice."""

TIMES_REAL_TIME: Final = 4.0
"""How fast speech may come beyond that: a client that catches up after a stall is no flood."""

MESSAGE_COSTS_S: Final = 0.02
"""Every message counts as a frame of speech at least: two hundred of them a second, whatever is in them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client is held to; None stands for no such limit.

    `session_s` is a session's longest, `idle_s` the longest silence of a client in a session, `start_s` the longest
    time a client may stay without one. `paced`: it may send no faster than a `TokenBucket` lets it.
    """

    session_s: float | None = None
    idle_s: float | None = None
    start_s: float | None = None
    paced: bool = False


NO_LIMITS: Final = Limits()
"""For loopback: a program on this machine has other ways to keep it busy."""

PUBLIC: Final = Limits(session_s=3_600.0, idle_s=600.0, start_s=60.0, paced=True)
"""For untrusted clients."""

PARTING_WORDS: Final = {
    "too_fast": ErrorReport("validation_error", "Messages came faster than anybody speaks. Send sound as it is said."),
    "no_session": ErrorReport("session_error", "No session was started in time, so the connection is closed."),
}
"""The error for a client that has to leave; otherwise the status in `session_ended` says enough."""


class Stay:
    """One client's time at the agent. Times are of any steady clock, in seconds."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._may_send = TokenBucket(BURST_S, TIMES_REAL_TIME, now)
        self._heard_at = now

    def heard(self, size_bytes: int, now: float) -> bool:
        """Note a message of the client; False where it sends faster than it may."""
        self._heard_at = now
        return self.keeps_pace(size_bytes, now)

    def keeps_pace(self, size_bytes: int, now: float) -> bool:
        """Count what a client sends, said or not; False where it sends faster than it may."""
        cost_s = max(MESSAGE_COSTS_S, size_bytes / SPEECH_BYTES_PER_S)
        return self._may_send.take(cost_s, now) or not self._limits.paced

    def overdue(self, now: float, *, session_since: float | None, free_since: float) -> str | None:
        """Return why the client has to leave, as `session_ended` says it; None where it may stay.

        `session_since` is None while it has no session, and then `free_since` is when that began.
        """
        if session_since is None:
            return "no_session" if _past(free_since, self._limits.start_s, now) else None
        if _past(session_since, self._limits.session_s, now):
            return "time_limit"
        if _past(max(session_since, self._heard_at), self._limits.idle_s, now):
            return "idle"
        return None


def _past(since: float, limit_s: float | None, now: float) -> bool:
    return limit_s is not None and now - since >= limit_s
