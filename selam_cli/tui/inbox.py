"""The one way from other threads to the screen: what comes is merged, kept in order, and taken in batches.

Text and notices are never dropped; of `state`, `level` and `playout` only the newest matters, so a screen that was held
up has one of each to draw and not a hundred.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from selam_cli.core.events import MERGEABLE


class Inbox:
    """Holds what came until `take`; `on_first` is called, in the thread that puts, when something begins to wait."""

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._waiting: list[object] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, item: object) -> None:
        """Add an item, from any thread."""
        kind = type(item)
        with self._lock:
            first = not self._waiting
            if kind in MERGEABLE:
                self._waiting = [waiting for waiting in self._waiting if type(waiting) is not kind]
            self._waiting.append(item)
        if first:
            self._on_first()

    def take(self) -> list[object]:
        """Return all that waits, oldest first."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            return waiting
