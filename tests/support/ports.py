"""A port of this machine that stays the test's own while nobody listens on it: a server comes back where it was."""

from __future__ import annotations

import socket

SHARED = True if hasattr(socket, "SO_REUSEPORT") else None
"""What whoever listens on a kept port says as `reuse_port`; where a system cannot share one, none is kept."""


class KeptPort:
    """A free port of loopback, which the system gives to nobody else; who connects to it meanwhile is refused."""

    def __init__(self) -> None:
        self._keeper = socket.socket()
        if SHARED:
            self._keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._keeper.bind(("127.0.0.1", 0))
        self.number: int = self._keeper.getsockname()[1]
        if not SHARED:
            self.let_go()

    def let_go(self) -> None:
        """Give it back."""
        self._keeper.close()
