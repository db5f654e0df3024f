"""The process's standard streams, kept clean of everything but our own words.

ALSA, PortAudio and libpulse print on file descriptor 2 at any time, and a library's print on 1 would break the JSON
lines. So the engine keeps copies of both for itself and points the originals at its log.
"""

from __future__ import annotations

import contextlib
import os
import sys

from selam_cli.core.plain_text import plain_line
from selam_cli.core.redaction import Redactor
from selam_cli.logs.log_file import LogFile, log_path, log_to
from selam_cli.procs.standard_output import encoded_for


class StandardStreams:
    """Copies of standard output and error as file descriptors, while the originals lead to the log.

    `kind` is what the log calls this process: engine, ask, login.
    """

    def __init__(self, kind: str, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        sys.stdout.flush()
        sys.stderr.flush()
        self._output_encoding, self._error_encoding = sys.stdout.encoding, sys.stderr.encoding
        self.output_fd = os.dup(1)
        self.error_fd = os.dup(2)
        self.log = LogFile(log_path(), 2, 1)
        self.log.open()
        self._handler = log_to(kind, self.log, self._redactor)

    def say(self, sentence: str) -> None:
        """Write a line to the user's standard error; never raises, because its reader may be gone."""
        with contextlib.suppress(OSError):
            os.write(self.error_fd, self.for_error(f"{plain_line(self._redactor.line(sentence))}\n"))

    def for_output(self, text: str) -> bytes:
        """Return a text as standard output takes it."""
        return encoded_for(text, self._output_encoding)

    def for_error(self, text: str) -> bytes:
        """Return a text as standard error takes it."""
        return encoded_for(text, self._error_encoding)

    def give_back(self) -> None:
        """Point the originals at where they led before, and log no more."""
        self._handler.close()
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(self.output_fd, 1)
        os.dup2(self.error_fd, 2)
        for descriptor in (self.output_fd, self.error_fd):
            os.close(descriptor)
