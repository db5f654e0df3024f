"""Recognisers to order, for tests of the workers: each does what its class says when it is fed the word for it."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault


class Scripted:
    """Hears what it is fed as text, and obeys a few words."""

    def __init__(self, greeting: str = "") -> None:
        self._text = greeting
        self._greeting = greeting

    def begin(self, language: str | None, memory: list[float] | None) -> None:
        self._text = self._greeting
        self._remembered = memory or []

    def feed(self, audio: bytes) -> str | None:
        for word in audio.decode().split("|"):  # pieces that came close together come as one
            self._hear(word)
        return self._text

    def _hear(self, said: str) -> None:
        self._text += said
        match said:
            case "print":
                print("on standard output", flush=True)
                os.write(1, b"on file descriptor 1\n")
                os.write(2, b"on file descriptor 2\n")
            case "crash":
                os.abort()
            case "raise":
                raise ValueError("a library's own error")
            case "fault":
                raise EngineFault("validation_error", "This sound is no sound.")
            case "hang":
                time.sleep(600)
            case "hang holding the lock":
                ctypes.PyDLL(None).sleep(600)
            case "memory":
                self._text = str(self._remembered)
            case "secrets":
                self._text = ",".join(sorted(os.environ))
            case "files":
                self._text = ",".join(file.name for file in Path("/dev/fd").iterdir())
            case "read":
                self._text = repr(sys.stdin.readline())

    def finish(self) -> tuple[Heard, list[float]]:
        return Heard(self._text, "en"), [*self._remembered, float(len(self._text))]

    def drop(self) -> None:
        self._text = self._greeting


class NoModel:
    """Says why it can't start."""

    def __init__(self) -> None:
        raise EngineFault("session_error", "The model is missing: download it.")


class Broken:
    """Fails as a library fails."""

    def __init__(self) -> None:
        raise RuntimeError("libsomething.so: no such file")


class Sleepy:
    """Never gets up."""

    def __init__(self) -> None:
        time.sleep(600)
