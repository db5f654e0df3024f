"""Starts an engine as a child process and talks with it in lines; what a screen needs of the engine.

The child gets a process group of its own, or Ctrl+C would end it before it could end the session; it keeps the
controlling terminal, through which it restores the terminal if the screen dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, Final

from selam_cli.core.events import Event, from_line
from selam_cli.engine.host import terminal_modes

LEAVE_WITHIN_S: Final = 5.0
"""The engine waits at most 2 s for the server's goodbye; past this something hangs and is ended."""

_EARLY_WORDS_BYTES: Final = 4_000


class EngineClient:
    """One engine process: `listen` to its events, `send` it commands, `close` it; `restart` it after its end."""

    def __init__(self, process: subprocess.Popen[bytes], arguments: Sequence[str], modes: Mapping[str, str]) -> None:
        self._process = process
        self._arguments = tuple(arguments)
        self._modes = modes
        self._turns = self._turns_before = 0
        self._sending = threading.Lock()
        self._unsent = bytearray()
        self._reader: threading.Thread | None = None
        self._errors: threading.Thread | None = None
        self._early_words = b""

    @classmethod
    def start(cls, arguments: Sequence[str]) -> EngineClient:
        """Start `selam-voice talk --json` with the given further arguments. Returns at once.

        `-P` keeps a module of the user's folder, a `numpy.py` say, from being run in place of the real one.
        """
        modes = terminal_modes.remembered()
        return cls(_started(arguments, {**os.environ, **modes}), arguments, modes)

    def restart(self, options: Mapping[str, str | None]) -> None:
        """Start it again after its end, with these options in place of those that it had; then `listen` again.

        Its turns are counted on from those before. The terminal's modes are as they were remembered the first time,
        because the screen is up now.
        """
        replaced = {*options, "server"} if "local" in options else {*options}
        kept = [argument for argument in self._arguments if _option(argument) not in replaced]
        changed = [f"--{name}" if value is None else f"--{name}={value}" for name, value in options.items()]
        process = _started([*kept, *changed], {**os.environ, **self._modes})
        with self._sending:
            self._close_input()
            self._process = process
            self._unsent.clear()
        self._arguments = (*kept, *changed)
        self._early_words = b""
        self._turns_before = self._turns

    @property
    def pid(self) -> int:
        """The engine's process id."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """What the engine wrote to standard error before it took charge of it: a failure at its very start."""
        return self._early_words.decode("utf-8", "replace").strip()

    def listen(self, on_event: Callable[[float, Event], None], on_exit: Callable[[int], None]) -> None:
        """Hand over every event, from the first line on, and the exit status at the end; both in a thread."""
        process = self._process
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  # Popen was given PIPE
        self._errors = threading.Thread(
            target=self._keep_early_words, args=(process.stderr,), name="engine-stderr", daemon=True
        )
        self._errors.start()
        self._reader = threading.Thread(
            target=self._read, args=(process.stdout, on_event, on_exit), name="engine-lines", daemon=True
        )
        self._reader.start()

    def send(self, verb: str, argument: str = "", command_id: int | None = None) -> None:
        """Send a command, from any thread. Never blocks and never raises: an engine's end is reported by `on_exit`."""
        line = f"{verb} {argument}".rstrip()
        if command_id is not None:
            line = json.dumps({"id": command_id, "command": verb, "argument": argument})
        elif "\n" in line or "\r" in line:  # instructions may have several lines, a line of ours has one
            line = json.dumps({"command": verb, "argument": argument})
        with self._sending:
            self._unsent += line.encode() + b"\n"
            self._flush()

    def close(self) -> int:
        """Ask the engine to leave, wait for it, and return its exit status."""
        self.send("quit")
        with self._sending:
            self._close_input()
        try:
            status = self._process.wait(LEAVE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._errors is not None:
            self._errors.join(1.0)
        return status

    def _close_input(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _flush(self) -> None:
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with contextlib.suppress(BlockingIOError, BrokenPipeError, OSError):
            while self._unsent:
                written = os.write(self._process.stdin.fileno(), self._unsent)
                del self._unsent[:written]

    def _read(
        self,
        lines: IO[bytes],
        on_event: Callable[[float, Event], None],
        on_exit: Callable[[int], None],
    ) -> None:
        buffered = bytearray()
        while piece := lines.read(65_536):
            buffered += piece
            *whole, rest = buffered.split(b"\n")
            buffered = bytearray(rest)
            for line in whole:
                self._hand_over(line, on_event)
        status = self._process.wait()
        if self._errors is not None:
            self._errors.join(1.0)
        on_exit(status)

    def _hand_over(self, line: bytes | bytearray, on_event: Callable[[float, Event], None]) -> None:
        # A line that cannot be read is no reason to lose the ones after it.
        with contextlib.suppress(ValueError):
            parsed = from_line(line.decode("utf-8", "replace"))
            if parsed is not None:
                on_event(parsed[0], self._counted_on(parsed[1]))

    def _counted_on(self, event: Event) -> Event:
        """Number a turn as the screen does: an engine that was started again begins with its first."""
        turn: int | None = getattr(event, "turn", None)
        if turn is None:
            return event
        counted = turn + self._turns_before
        self._turns = max(self._turns, counted)
        return event if counted == turn else replace(event, turn=counted)  # type: ignore[call-arg]  # it has one

    def _keep_early_words(self, errors: IO[bytes]) -> None:
        while piece := errors.read(4_096):
            self._early_words = (self._early_words + piece)[-_EARLY_WORDS_BYTES:]


def _started(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603  # our own module, our own interpreter
        [sys.executable, "-P", "-m", "selam_cli", "talk", "--json", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONIOENCODING": "utf-8"},  # its last words are read here, not by a terminal
        bufsize=0,
        **_own_group(),
    )
    assert process.stdin is not None  # noqa: S101  # Popen was given PIPE
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows before Python 3.12 cannot
        os.set_blocking(process.stdin.fileno(), False)
    return process


def _option(argument: str) -> str:
    """Name an argument's option: `server` of `--server=URL`."""
    return argument.partition("=")[0].removeprefix("--")


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}
