"""What runs in a worker: one recogniser or voice, fed by messages on standard input, answering on standard output.

    python -P -m selam_cli.agent.worker.program MODULE:FACTORY HANG_AFTER_S [ARGUMENTS as JSON]

Libraries print: standard output is taken away from them before they are loaded, and what they say goes to standard
error. The end of standard input is the end of the process, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.worker import messages

Memory = list[float] | None


class Recogniser(Protocol):
    """Speech to text in a process of its own, one utterance at a time. Any of it may block, and raise EngineFault."""

    def begin(self, language: str | None, memory: Memory) -> None:
        """An utterance begins; `memory` is what `finish` returned after the speaker's last one, None for the first."""

    def feed(self, audio: bytes) -> str | None:
        """Take a piece of it, PCM16 at 16 kHz; return what is understood so far, None for nothing new."""

    def finish(self) -> tuple[Heard, Memory]:
        """Return what was said, and what helps to hear the same speaker again: something that JSON can hold."""

    def drop(self) -> None:
        """Forget the utterance, if there is one."""


class Voice(Protocol):
    """Text to speech in a process of its own, one sentence at a time. Any of it may block, and raise EngineFault."""

    def speak(self, text: str) -> tuple[bytes, int]:
        """Return a sentence's sound, PCM16, mono, and its rate in Hz."""

    def drop(self) -> None:
        """Nothing is kept of a sentence, so there is nothing to forget."""


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the agent's to handle
    factory, hang_after_s = sys.argv[1], float(sys.argv[2])
    arguments = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    requests, answers = _own_pipes()
    inbox: SimpleQueue[tuple[messages.Header, bytes]] = SimpleQueue()
    threading.Thread(target=_read, args=(requests, inbox), name="requests", daemon=True).start()
    module, _, name = factory.partition(":")
    try:
        engine: Recogniser | Voice = getattr(importlib.import_module(module), name)(**arguments)
    except EngineFault as fault:
        _say(answers, {"id": 0, "fault": [fault.type, fault.message]})
        return
    _say(answers, {"id": 0})
    while True:
        request, body = inbox.get()
        with _ended_if_it_hangs(hang_after_s):
            answer, sound = _answer(engine, request, body)
        _say(answers, {**answer, "id": request["id"]}, sound)


def _answer(engine: Any, request: messages.Header, body: bytes) -> tuple[messages.Header, bytes]:
    """Have the engine do what is asked for, of what its kind can do; return the answer and its sound."""
    try:
        match request["do"]:
            case "begin":
                engine.begin(request["language"], request["memory"])
            case "feed":
                return {"partial": engine.feed(body)}, b""
            case "finish":
                heard, memory = engine.finish()
                return {"text": heard.text, "language": heard.language, "memory": memory}, b""
            case "speak":
                sound, rate_hz = engine.speak(request["text"])
                return {"rate_hz": rate_hz}, sound
            case "drop":
                engine.drop()
    except EngineFault as fault:
        return {"fault": [fault.type, fault.message]}, b""
    return {}, b""


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes for the messages, and leave nothing of them to libraries."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _read(requests: BinaryIO, inbox: SimpleQueue[tuple[messages.Header, bytes]]) -> None:
    # In a thread, so that the agent's end is noticed while the recogniser is at work.
    with contextlib.suppress(messages.BrokenMessage, OSError):
        while (message := messages.read(requests.read)) is not None:
            inbox.put(message)
    os._exit(0)


@contextlib.contextmanager
def _ended_if_it_hangs(after_s: float) -> Iterator[None]:
    # A thread in C that needs no interpreter lock: it ends even a library that never gives the lock back, and even
    # where no agent is left to do so. It says where that was.
    faulthandler.dump_traceback_later(after_s, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _say(answers: BinaryIO, answer: messages.Header, sound: bytes = b"") -> None:
    try:
        answers.write(messages.packed(answer, sound))
        answers.flush()
    except OSError:
        os._exit(0)  # the agent does not listen any more


if __name__ == "__main__":
    main()
