"""Standard output as every command writes it: what cannot be written is reported, and never taken for done.

A disk that is full, a quota, a limit: each is an error on the descriptor when the text is flushed, mostly long after
`print`. Left to Python it is a traceback, or an exit status of 120 in place of the program's. A reader that is gone
(`selam-voice voices | head -1`) is none of these and stays a BrokenPipeError.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import select
import sys
from collections.abc import Callable
from typing import Final, TextIO

from selam_cli.core.ascii_kin import kin, kin_of_same_width
from selam_cli.core.plain_text import plain_json
from selam_cli.errors import SelamError

STANDARD_OUTPUT: Final = "Standard output"
OUTPUT: Final = 1


class Unwritten(SelamError):
    """Something that was to go out could not be written; `error` has the system's own reason."""

    def __init__(self, what: str, error: OSError) -> None:
        reason = error.strerror or "an unknown fault"
        super().__init__(f"{what} cannot be written: {reason}.", "Make room there, or send it elsewhere.")


READABLE: Final = "selam-voice.readable"
READABLE_IN_CELLS: Final = "selam-voice.readable-in-cells"
"""Names of error handlers for encodings: what the encoding lacks is replaced by its kin in ASCII, never fatal."""


def _replacing(replaced: Callable[[str], str]) -> Callable[[UnicodeError], tuple[str, int]]:
    def handler(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return replaced(error.object[error.start : error.end]), error.end

    return handler


codecs.register_error(READABLE, _replacing(kin))
codecs.register_error(READABLE_IN_CELLS, _replacing(kin_of_same_width))


def make_readable(*streams: TextIO | None, errors: str = READABLE) -> None:
    """Have streams replace what their encoding lacks."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def encoded_for(text: str, encoding: str | None) -> bytes:
    """Return a text as a stream of an encoding takes it; None stands for UTF-8."""
    return text.encode(encoding or "utf-8", READABLE)


def json_line(value: object) -> str:
    """Return JSON for standard output: UTF-8, and on a stream of another encoding ASCII, which is UTF-8 as well."""
    line = plain_json(value)
    if codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8":
        return line
    return json.dumps(json.loads(line))


def write_all(descriptor: int, encoded: bytes) -> None:
    """Write all of it, also where only a part is taken at a time, or none at the moment. Raises OSError."""
    view = memoryview(encoded)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def guard_standard_output() -> None:
    """Have whatever is printed, by a library too, raise Unwritten where standard output cannot be written."""
    output = sys.stdout
    if sys.platform == "win32" and output.isatty():
        return  # Windows' console takes text by a way of its own, and no disk is behind it
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_GuardedOutput(OUTPUT, "w", closefd=False)),
        encoding=output.encoding,
        errors=output.errors,
        line_buffering=output.isatty(),
    )


def abandon_standard_output() -> None:
    """Lead it nowhere: at its exit Python would complain of what is still to be flushed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, OUTPUT)
    os.close(nowhere)


class _GuardedOutput(io.FileIO):
    def write(self, encoded: object, /) -> int:
        try:
            return super().write(encoded)  # type: ignore[arg-type]  # what FileIO takes is what it was given
        except ConnectionError as error:
            raise BrokenPipeError(error.errno, error.strerror) from None
        except OSError as error:
            raise Unwritten(STANDARD_OUTPUT, error) from None
