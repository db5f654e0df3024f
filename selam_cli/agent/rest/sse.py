r"""Reads a stream of server-sent events, whatever the pieces that it arrives in.

Source: the WHATWG's HTML standard, "Server-sent events". Only `data` is read: the chat protocol names no events, and a
lone comment keeps a connection alive. One thing is read less strictly than the standard says: an event that the
stream's end cuts off from its empty line still counts, because servers forget that line.
"""

from __future__ import annotations

import re
from typing import Final

MAX_EVENT_BYTES: Final = 1024 * 1024
"""A piece of an answer takes a few hundred bytes; a line without an end would take all memory."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """A line or an event outgrew MAX_EVENT_BYTES."""


class EventReader:
    """Turns pieces of bytes into the data of whole events."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._searched = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._at_start = True

    def feed(self, piece: bytes) -> list[str]:
        """Return the data of the events that became complete. Raises EventTooLong."""
        self._unread += piece
        events: list[str] = []
        for line in self._whole_lines():
            self._take_line(line, events)
        _check(len(self._unread))
        return events

    def finish(self) -> list[str]:
        """Return the data of an event that the stream's end completed."""
        events = self.feed(b"\n\n")
        self._unread.clear()
        return events

    def _whole_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        start = 0
        while (end := _LINE_END.search(self._unread, max(start, self._searched))) is not None:
            if end[0] == b"\r" and end.end() == len(self._unread):
                break  # its line feed may be the next piece's first byte
            lines.append(bytes(self._unread[start : end.start()]))
            start = end.end()
        del self._unread[:start]
        self._searched = max(0, len(self._unread) - 1)
        return lines

    def _take_line(self, line: bytes, events: list[str]) -> None:
        _check(len(line))
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            if self._data:
                events.append(b"\n".join(self._data).decode("utf-8", "replace"))
            self._data, self._data_bytes = [], 0
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_bytes += len(line)
            _check(self._data_bytes)


def _check(size_bytes: int) -> None:
    if size_bytes > MAX_EVENT_BYTES:
        raise EventTooLong
