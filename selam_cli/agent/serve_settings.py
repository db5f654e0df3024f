"""How the agent listens."""

from __future__ import annotations

from dataclasses import dataclass

from selam_cli.agent.limits import NO_LIMITS, Limits


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the agent listens. `keys` None: no key is asked for, which only loopback allows.

    `shares_port`: other processes listen on the same port, and each request may reach another one. Long-polling, a
    conversation of many requests, does not survive that, so only WebSocket is taken then.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    keys: frozenset[str] | None = None
    allow_origins: tuple[str, ...] = ()
    max_sessions: int | None = None
    shares_port: bool = False
    limits: Limits = NO_LIMITS
