"""Engines in their processes, which meet with a trouble when a test has written its name into a file."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import stat
import sys
from pathlib import Path

from selam_cli.agent.providers import Heard
from selam_cli.agent.tts import espeak_worker
from selam_cli.agent.worker.program import Memory

TROUBLE_FILE = "SELAM_TEST_TROUBLE"
TROUBLES = ("killed", "crashed", "stopped", "raises", "talks garbage")


def meet_with_trouble(answers: int) -> None:
    """Meet with what is ordered, once; `answers` is the file that the agent listens to."""
    order = Path(os.environ[TROUBLE_FILE])
    try:
        trouble = order.read_text()
        order.unlink()
    except FileNotFoundError:
        return
    match trouble:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crashed":
            ctypes.string_at(0)
        case "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raises":
            raise ValueError("a library's own error")
        case "talks garbage":
            os.write(answers, b"Segmentation fault? Not at all.\n" * 40)


class TroubledRecogniser:
    """Hears how many bytes it was fed, and meets with trouble at the end of an utterance."""

    def __init__(self) -> None:
        self._fed = 0

    def begin(self, language: str | None, memory: Memory) -> None:
        self._fed = 0

    def feed(self, audio: bytes) -> str | None:
        self._fed += len(audio)
        return str(self._fed)

    def finish(self) -> tuple[Heard, Memory]:
        meet_with_trouble(_to_the_agent())
        return Heard(str(self._fed), "en"), None

    def drop(self) -> None:
        self._fed = 0


def _to_the_agent() -> int:
    """Return the file descriptor of the worker's answers: the only pipe beyond standard error that it writes to."""
    return next(
        fd
        for fd in range(3, 64)
        if Path(f"/dev/fd/{fd}").exists()
        and stat.S_ISFIFO(os.fstat(fd).st_mode)
        and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
    )


class TroubledVoice(espeak_worker.Worker):
    """Speaks with espeak-ng's library, and meets with trouble after a sentence's first piece of sound."""

    def _send(self, kind: bytes, content: bytes) -> None:
        super()._send(kind, content)
        if kind == espeak_worker.SOUND:
            try:
                meet_with_trouble(self._output)
            except ValueError:
                sys.excepthook(*sys.exc_info())  # within the library's callback ctypes would swallow it
                os._exit(1)


if __name__ == "__main__":
    espeak_worker.Worker = TroubledVoice  # type: ignore[misc]  # what `main` makes
    espeak_worker.main()
