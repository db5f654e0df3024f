"""A command in the test's own process, its streams and all: what it says and decides, without a Python to start for it.

What a process is to show of itself – signals, pipes that close, what its environment makes of it – is no case for this.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, NamedTuple
from unittest.mock import patch

from selam_cli import cli
from selam_cli.commands import ask, key_trial, talk_json
from selam_cli.core.redaction import Redactor, secrets_of_environment
from selam_cli.logs.log_file import LogHandler
from selam_cli.logs.redacting import redact_uncaught
from selam_cli.procs.standard_output import guard_standard_output, make_readable


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    output: bytes
    errors: bytes


def run_here(
    *arguments: str,
    stdin: bytes = b"",
    stdout: BinaryIO | None = None,
    environment: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> Ended:
    """Run a command as the program's entry does; `encoding` is that of its standard streams.

    In another thread than the main one signals stay the test's.
    """
    with ExitStack() as kept:
        given, said, told = (kept.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        kept.enter_context(patch.dict(os.environ, environment or {}))
        kept.enter_context(logging_as_before())
        if threading.current_thread() is not threading.main_thread():
            kept.enter_context(patch.object(LogHandler, "filter", _is_not_the_tests))
            for module in (ask, talk_json, key_trial):
                kept.enter_context(patch.object(module, "end_on_signals"))
        with _standard_streams((given, stdout or said, told), encoding):
            redact_uncaught(Redactor.of(secrets_of_environment(os.environ)))
            status = cli.run(arguments)
            sys.stderr.flush()
        said.seek(0)
        told.seek(0)
        return Ended(status, said.read(), told.read())


async def run_beside(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ended:
    """Run a command in a thread, beside the test's servers."""
    return await asyncio.to_thread(run_here, *arguments, stdin=stdin, environment=environment)


@contextmanager
def _standard_streams(files: tuple[BinaryIO, ...], encoding: str) -> Iterator[None]:
    """Have the standard streams, of Python and of the system, lead to these files."""
    objects, hooks = (sys.stdin, sys.stdout, sys.stderr), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    descriptors = [os.dup(number) for number in range(3)]
    try:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115  # descriptors
        sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        guard_standard_output()
        make_readable(sys.stdout, sys.stderr)
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = objects
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Undo what a command that writes a log does to the loggers of its process."""
    root = logging.getLogger()
    loggers = [root, logging.getLogger("selam_cli"), logging.getLogger("asyncio")]
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_not_the_tests(_: LogHandler, record: logging.LogRecord) -> bool:
    """Keep what the test's servers log out of the command's log."""
    return record.thread != threading.main_thread().ident
