"""The JSON-lines face: events out through a writer that never blocks the engine, commands in through a thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Final

from selam_cli.engine.events import MERGEABLE, Event, to_line

MAX_LINE_BYTES: Final = 262_144
"""A command line longer than this is no command; the longest real one holds 8,000 characters of instructions."""


class LineWriter:
    """Writes events to a file descriptor from a thread of its own.

    A reader that falls behind never holds up the engine: of the mergeable events (`state`, `level`, `playout`) only the
    newest waits, and nothing else is dropped. `on_closed` is called once, in the thread, when nobody reads any more.
    """

    def __init__(self, descriptor: int, on_closed: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_closed = on_closed
        self._waiting: list[tuple[float, Event]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="event-lines", daemon=True)
        self._thread.start()

    def write(self, event: Event, t: float) -> None:
        """Queue an event; `t` is in seconds since the start. Never blocks."""
        with self._changed:
            kind = type(event)
            if kind in MERGEABLE:
                self._waiting = [entry for entry in self._waiting if type(entry[1]) is not kind]
            self._waiting.append((t, event))
            self._changed.notify()

    def close(self, within_s: float = 1.0) -> None:
        """Write what waits, as far as the reader takes it in time, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(within_s)

    def _run(self) -> None:
        while batch := self._next_batch():
            text = "".join(f"{to_line(event, t)}\n" for t, event in batch)
            try:
                _write_all(self._descriptor, text.encode("utf-8", "replace"))
            except OSError:
                self._on_closed()
                return

    def _next_batch(self) -> list[tuple[float, Event]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            batch, self._waiting = self._waiting, []
            return batch


def read_lines(descriptor: int, loop: asyncio.AbstractEventLoop, on_line: Callable[[str], None]) -> None:
    """Read lines in a thread and hand each to the loop; the empty string stands for the end of input.

    A thread, for asyncio's own pipe reader fails on Windows and on regular files.
    """

    def run() -> None:
        buffered = b""
        while True:
            try:
                piece = os.read(descriptor, 65_536)
            except OSError:
                piece = b""
            if not piece:
                break
            *whole, buffered = (buffered + piece).split(b"\n")
            for line in whole:
                _hand_over(loop, on_line, line)
            buffered = buffered[-MAX_LINE_BYTES:]
        _hand_over(loop, on_line, buffered)
        _hand_over(loop, on_line, None)

    threading.Thread(target=run, name="command-lines", daemon=True).start()


def _hand_over(loop: asyncio.AbstractEventLoop, on_line: Callable[[str], None], line: bytes | None) -> None:
    text = "" if line is None else line.decode("utf-8", "replace").strip()
    if line is not None and not text:
        return
    try:
        loop.call_soon_threadsafe(on_line, text)
    except RuntimeError:
        return  # the loop is closed: the engine has left


def _write_all(descriptor: int, encoded: bytes) -> None:
    view = memoryview(encoded)
    while view:
        view = view[os.write(descriptor, view) :]
