"""The JSON-lines face: events out through a writer that never blocks the engine, commands in through a thread."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from selam_cli.core.events import MERGEABLE, Event, to_line
from selam_cli.core.outside_text import Utf8Stream, tidied
from selam_cli.core.redaction import Redactor
from selam_cli.errors import SelamError
from selam_cli.procs.standard_output import Unwritten, write_all

MAX_LINE_BYTES: Final = 262_144
"""A command line longer than this is no command; the longest real one holds 8,000 characters of instructions."""

CLOSE_WITHIN_S: Final = 1.0
_PIECE_BYTES: Final = 65_536


class LineWriter:
    """Writes events to a file descriptor from a thread of its own.

    A reader that falls behind never holds up the engine: of the mergeable events (`state`, `level`, `playout`) only the
    newest waits, and nothing else is dropped. `on_closed` is called once, in the thread, when the reader is gone.
    The redactor knows the run's keys: no line holds one.
    """

    def __init__(self, descriptor: int, on_closed: Callable[[], None], redactor: Redactor | None = None) -> None:
        self._descriptor = descriptor
        self._on_closed = on_closed
        self._redactor = redactor or Redactor()
        self._waiting: list[tuple[float, Event]] = []
        self._changed = threading.Condition()
        self._closing = False
        self.failure: SelamError | None = None
        """Why lines can no longer be written."""
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

    def close(self, within_s: float | None = None) -> None:
        """Write what waits, as far as the reader takes it in time (`CLOSE_WITHIN_S`), and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_WITHIN_S if within_s is None else within_s)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                for piece in _pieces(f"{to_line(event, t, self._redactor)}\n" for t, event in batch):
                    write_all(self._descriptor, piece)
        except OSError as error:
            self.failure = _unwritten(error)
            self._on_closed()

    def _next_batch(self) -> list[tuple[float, Event]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            batch, self._waiting = self._waiting, []
            return batch


def _pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Join short lines, for few writes, and no long ones: a line may hold a megabyte."""
    piece = bytearray()
    for line in lines:
        piece += line.encode("utf-8", "replace")
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def read_lines(descriptor: int, loop: asyncio.AbstractEventLoop, on_line: Callable[[str], None]) -> None:
    """Read lines in a thread and hand each to the loop; the empty string stands for the end of input.

    A thread, because asyncio's own pipe reader fails on Windows and on regular files.
    """

    def run() -> None:
        buffered, stream = b"", Utf8Stream()
        while True:
            piece = read_piece(descriptor, 65_536)
            *whole, buffered = (buffered + stream.feed(piece)).split(b"\n")
            for line in whole:
                _hand_over(loop, on_line, line)
            buffered = buffered[-MAX_LINE_BYTES:]
            if not piece:
                break
        _hand_over(loop, on_line, buffered)
        _hand_over(loop, on_line, None)

    threading.Thread(target=run, name="command-lines", daemon=True).start()


def _hand_over(loop: asyncio.AbstractEventLoop, on_line: Callable[[str], None], line: bytes | None) -> None:
    text = "" if line is None else tidied(line.decode("utf-8", "replace")).strip()
    if line is not None and not text:
        return
    try:
        loop.call_soon_threadsafe(on_line, text)
    except RuntimeError:
        return  # the loop is closed: the engine has left


def _unwritten(error: OSError) -> SelamError:
    if isinstance(error, BrokenPipeError):
        return SelamError("Nobody reads the event lines any more.", "")
    return Unwritten("The event lines", error)


def read_piece(descriptor: int, most_bytes: int) -> bytes:
    """Wait for input and return it; nothing where it has ended.

    Another process that shares a terminal or a pipe may have made it non-blocking: no data yet is no end of input.
    """
    while True:
        try:
            return os.read(descriptor, most_bytes)
        except BlockingIOError:
            select.select([descriptor], [], [])
        except OSError:
            return b""
