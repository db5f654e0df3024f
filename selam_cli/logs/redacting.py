"""The edges at which the program's words leave it unasked: log records and tracebacks.

What a server or a device says may be among them, and a log is read on a terminal, too.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from selam_cli.core.redaction import Redactor


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and takes out of the whole the keys and what would steer a terminal."""

    def __init__(self, redactor: Redactor, kind: str = "selam-voice") -> None:
        super().__init__(f"%(asctime)s {kind}[%(process)d] %(levelname)s %(name)s: %(message)s")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        return self._redactor.shown(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the library's name
        """Return the record's own line: untrusted line ends in it would begin lines that were not logged."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the library's name
        """Return the traceback, set in: its last lines are a message, too."""
        return super().formatException(ei).replace("\n", "\n  ")


def redacted_traceback(error: BaseException, redactor: Redactor) -> str:
    """Return an error's traceback as Python prints it, without keys."""
    return redactor.shown("".join(traceback.format_exception(error)))


def redact_uncaught(redactor: Redactor) -> None:
    """Have every traceback that Python itself would print, of the program or of a thread, pass the redactor."""

    def on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _write(redactor.shown("".join(traceback.format_exception(kind, error, trace))))

    def in_thread(caught: threading.ExceptHookArgs) -> None:
        if caught.exc_value is not None and caught.exc_type is not SystemExit:
            on_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)

    def unraisable(caught: sys.UnraisableHookArgs) -> None:
        _write(redactor.shown(f"{caught.err_msg or 'Exception ignored in'}: {caught.object!r}\n"))
        if caught.exc_value is not None:
            on_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)

    sys.excepthook, threading.excepthook, sys.unraisablehook = on_uncaught, in_thread, unraisable


def _write(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
