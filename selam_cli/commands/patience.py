"""How long is waited for something that may never come: from the last sign of it on."""

from __future__ import annotations

import asyncio


class Patience:
    """A wait that begins, is renewed by every sign of life, and may be stopped meanwhile; it lives on one loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Wait from now on."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._over.set)

    def renew(self) -> None:
        """There was a sign: wait from now on, where anything is waited for."""
        if self._timer is not None:
            self.begin()

    def stop(self) -> None:
        """Wait for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def is_over(self) -> None:
        """Return when the time is over and there was no sign."""
        await self._over.wait()
