"""The program's entry: runs the command line and turns every failure into two sentences and an exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Final, NoReturn

_AT_EXIT: Final = frozenset({"sounddevice", "miniaudio", "livekit"})
"""Sound libraries, and the echo canceller's.

Their exit handlers end their connection with the sound server, which may never answer; so may the thread that still
waits for it. And a thread of theirs that calls into an interpreter that is being taken down aborts the process.
"""


def main() -> None:
    """Run `selam-voice` and exit."""
    _open_missing_streams()
    _leave_at_once_on_interrupt()
    from selam_cli.cli import run  # after the streams are safe
    from selam_cli.config.user_path import ensure_home
    from selam_cli.core.redaction import Redactor, secrets_of_environment
    from selam_cli.logs.redacting import redact_uncaught
    from selam_cli.procs.standard_output import guard_standard_output, make_readable

    ensure_home(os.environ)
    guard_standard_output()
    make_readable(sys.stdout, sys.stderr)
    redact_uncaught(Redactor.of(secrets_of_environment(os.environ)))
    _leave_at_once_on_interrupt(on=False)
    status = run(sys.argv[1:])
    _leave_at_once_on_interrupt()
    _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit; where a library was loaded that takes part in Python's exit, without that."""
    if not _AT_EXIT & sys.modules.keys():
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader is gone, or the stream is closed
            stream.flush()
    os._exit(status)


def _leave_at_once_on_interrupt(*, on: bool = True) -> None:
    """Have Ctrl+C end the program at once while it is loaded and when its work is done: nothing then needs a clean end.

    Where it is ignored, as in a shell's background jobs, it stays so.
    """
    before, after = signal.default_int_handler, signal.SIG_DFL
    if signal.getsignal(signal.SIGINT) in {before, after}:
        signal.signal(signal.SIGINT, after if on else before)


def _open_missing_streams() -> None:
    """Give a closed standard stream a harmless file.

    Otherwise the next file or socket to be opened takes its number, and what is printed goes into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            if descriptor == 1:
                os.environ["_SELAM_OUTPUT_CLOSED"] = "1"
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # a descriptor, not a path
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # a descriptor, not a path


if __name__ == "__main__":
    main()
