"""The process's standard streams, kept clean of everything but our own words.

ALSA, PortAudio and libpulse print on file descriptor 2 at any time, and a library's print on 1 would break the JSON
lines. So the engine keeps copies of both for itself and points the originals at its log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Final

from selam_cli.core.redaction import redact

_ROTATE_AT_BYTES: Final = 2_000_000


class StandardStreams:
    """Copies of standard output and error as file descriptors, while the originals lead to the log."""

    def __init__(self, log_path: Path | None) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.output_fd = os.dup(1)
        self.error_fd = os.dup(2)
        self._log_fd = _opened(log_path)
        os.dup2(self._log_fd, 1)
        os.dup2(self._log_fd, 2)

    def say(self, sentence: str) -> None:
        """Write a line to the user's standard error; never raises, for nobody may be reading."""
        with contextlib.suppress(OSError):
            os.write(self.error_fd, f"{redact(sentence)}\n".encode())

    def give_back(self) -> None:
        """Point the originals at where they led before."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(self.output_fd, 1)
        os.dup2(self.error_fd, 2)
        for descriptor in (self.output_fd, self.error_fd, self._log_fd):
            os.close(descriptor)


class _Redacted(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_to_standard_error() -> None:
    """Send our log records, redacted, to file descriptor 2 (the log file, once it was redirected there)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacted("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if os.environ.get("SELAM_DEBUG") == "1" else logging.WARNING)
    logging.getLogger("selam_cli").setLevel(logging.DEBUG if os.environ.get("SELAM_DEBUG") == "1" else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def log_file() -> Path | None:
    """Return the log file's path in the platform's log folder, made and rotated; None where it cannot be written."""
    from platformdirs import user_log_path  # noqa: PLC0415  # only a process that logs needs it

    with contextlib.suppress(OSError):
        folder = user_log_path("selam-voice", appauthor=False, ensure_exists=True)
        path = folder / "selam-voice.log"
        if path.exists() and path.stat().st_size > _ROTATE_AT_BYTES:
            path.replace(folder / "selam-voice.log.1")
        return path
    return None


def _opened(path: Path | None) -> int:
    if path is not None:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return os.open(os.devnull, os.O_WRONLY)
