"""The log: one file in the platform's log folder, to which every process of the program adds, and which stays small.

It is the processes' standard error, so that what sound libraries print stands in it as well. Several write to it at
once: each appends whole lines, and when it is full one of them moves it aside and the others follow.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from selam_cli import __version__
from selam_cli.core.outside_text import variable
from selam_cli.core.redaction import Redactor
from selam_cli.logs.redacting import RedactingFormatter, redact_uncaught

if sys.platform != "win32":
    import fcntl

FULL_AT_BYTES: Final = 2_000_000
OLDER_KEPT: Final = 2
"""`selam-voice.log.1` is the last one, `.2` the one before; with the current one they hold 6 MB at most."""

DEBUG_VARIABLE: Final = "SELAM_DEBUG"

log = logging.getLogger(__name__)


def log_path() -> Path | None:
    """Return where the log is, its folder made; None where that cannot be."""
    from platformdirs import user_log_path  # only a process that logs needs it

    with contextlib.suppress(OSError):
        return user_log_path("selam-voice", appauthor=False, ensure_exists=True) / "selam-voice.log"
    return None


def inherited_log() -> LogFile | None:
    """Return the log where this process's standard error leads there already: a child of one that logs."""
    file = LogFile(log_path(), 2)
    with contextlib.suppress(OSError):
        return file if file.is_current() else None
    return None


class LogFile:
    """The log as the place where some of this process's file descriptors lead; where there is none, they lead nowhere.

    Nothing here raises or waits for long: a full disk is no reason to stop talking.
    """

    def __init__(self, path: Path | None, *descriptors: int) -> None:
        self.path = path
        self._descriptors = descriptors
        self.problem = ""
        """Why it could not be opened or written, the first time that it could not."""
        self.on_problem: Callable[[str], None] = lambda _: None
        """Called with that once, in whichever thread had something to write."""

    def open(self) -> None:
        """Lead the descriptors to the file, moved aside where it is full."""
        self._lead()
        self.tend()

    def tend(self) -> None:
        """Move the file aside when it is full, and follow it where another process did."""
        if self.path is None:
            return
        with contextlib.suppress(OSError):
            if os.fstat(self._descriptors[0]).st_size >= FULL_AT_BYTES and self.is_current():
                with _locked(self.path):
                    if self.is_current():  # no other process was quicker
                        self._move_aside(self.path)
            if not self.is_current():
                self._lead()

    def is_current(self) -> bool:
        """Say whether the descriptors lead to the file that has the log's name. Raises OSError where it is unknown."""
        if self.path is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptors[0]), self.path.stat())
        except FileNotFoundError:
            return False

    def failed(self, problem: str) -> None:
        """It could not be opened or written."""
        if not self.problem:
            self.problem = problem
            self.on_problem(problem)

    @staticmethod
    def _move_aside(path: Path) -> None:
        older = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, OLDER_KEPT + 1))]
        for source, target in reversed(list(itertools.pairwise(older))):
            with contextlib.suppress(FileNotFoundError):
                source.replace(target)  # on Windows not while a process has it open: then another time

    def _lead(self) -> None:
        opened = self._opened()
        for descriptor in self._descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)

    def _opened(self) -> int:
        if self.path is None:
            self.failed("its folder cannot be made")
        else:
            try:
                return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            except OSError as error:
                self.failed(_why(error))
        return os.open(os.devnull, os.O_WRONLY)


class LogHandler(logging.Handler):
    """Writes records to the log, each in one piece, without keys and without anything that would steer a terminal."""

    def __init__(self, kind: str, file: LogFile, redactor: Redactor) -> None:
        super().__init__()
        self._file = file
        self._is_over = False
        self.setFormatter(RedactingFormatter(redactor, kind))

    def close(self) -> None:
        """Write no more: its descriptors are to lead elsewhere, and a late record would lead them to the log again."""
        self.acquire()  # a thread that is writing has done so
        self._is_over = True
        self.release()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; never raises."""
        if self._is_over:
            return
        try:
            os.write(2, f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._file.failed(_why(error))
        else:
            self._file.tend()


def log_to(kind: str, file: LogFile, redactor: Redactor) -> LogHandler:
    """Send this process's records and tracebacks to the log, on file descriptor 2; `kind` says which process it is."""
    redact_uncaught(redactor)
    root = logging.getLogger()
    handler = LogHandler(kind, file, redactor)
    root.handlers[:] = [handler]
    is_debugging = variable(os.environ, DEBUG_VARIABLE) == "1"
    root.setLevel(logging.DEBUG if is_debugging else logging.WARNING)
    logging.getLogger("selam_cli").setLevel(logging.DEBUG if is_debugging else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    log.info("started: selam-voice %s, %s, %s", __version__, python, platform.platform())
    return handler


def add_to_log(kind: str, text: str, redactor: Redactor) -> Path | None:
    """Add something from a process that does not log otherwise; return where it stands, None where that failed."""
    path = log_path()
    if path is None:
        return None
    record = logging.LogRecord("selam_cli", logging.ERROR, "", 0, "%s", (text,), None)
    line = f"{RedactingFormatter(redactor, kind).format(record)}\n".encode("utf-8", "backslashreplace")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return path if os.write(descriptor, line) == len(line) else None
        finally:
            os.close(descriptor)
    except OSError:
        return None


def _why(error: OSError) -> str:
    return error.strerror or "an unknown fault"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Be the only one that moves the log aside; on Windows none can while another has it open."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # opened anew: one that was inherited shares its lock
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
