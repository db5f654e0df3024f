"""One worker, as the agent sees it: started on demand, asked and answered, ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.worker import messages

log = logging.getLogger(__name__)

LEAVE_WITHIN_S: Final = 1.0
_PRIVATE: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in a worker. `factory` is `module:callable`, called there with `arguments`; `name` is for people.

    `died_loading` is the error where the process ends before its model is loaded: some libraries give no reason.
    """

    name: str
    factory: str
    arguments: dict[str, Any] = field(default_factory=dict)
    start_within_s: float = 30.0
    """How long loading its model may take."""
    hang_after_s: float = 20.0
    """How long one piece of work may take; one that gives no sign of life within it is ended."""
    yield_within_s: float = 1.0
    """How long it may go on with work that is no longer wanted; then it is ended, and the next one started afresh."""
    part: str = "hearing"
    died_loading: str = ""

    def fault(self, did: str) -> EngineFault:
        """Return the fault of a turn whose engine did that."""
        again = "Say it again." if self.part == "hearing" else "Ask again."
        return EngineFault("audio_error", f"The {self.part} ({self.name}) {did}. {again}")


class WorkerGone(Exception):
    """The worker ended without being told to."""


class Worker:
    """A process. Make it with `start`."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process) -> None:
        self._program = program
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[messages.Header]] = {0: asyncio.get_running_loop().create_future()}
        self._last_words: deque[str] = deque(maxlen=20)
        self._listening = asyncio.create_task(self._listen())
        self._overhearing = asyncio.create_task(self._overhear())

    @classmethod
    async def start(cls, program: Program) -> Worker:
        """Start it and wait until its model is loaded. Raises EngineFault where it does not come up."""
        worker = cls(program, await _spawned(program))
        try:
            async with asyncio.timeout(program.start_within_s):
                _check(await worker._answers[0])
        except BaseException as error:
            await worker.kill()
            if isinstance(error, WorkerGone | TimeoutError):
                log.warning("%s did not come up: %s", program.name, worker.last_words)
                raise _did_not_come_up(program, died=isinstance(error, WorkerGone)) from None
            raise
        return worker

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None and not self._listening.done()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The last line that it printed."""
        return self._last_words[-1] if self._last_words else "it said nothing."

    async def ask(self, do: str, body: bytes = b"", *, within_s: float | None = None, **fields: Any) -> messages.Header:
        """Have a piece of work done. Raises EngineFault as the engine says, WorkerGone, TimeoutError after a hang."""
        if not self.alive or self._process.stdin is None:
            raise WorkerGone
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(messages.packed({"do": do, "id": number, **fields}, body))
        async with asyncio.timeout(self._program.hang_after_s if within_s is None else within_s):
            return _check(await answer)

    async def let_go(self) -> bool:
        """Have it drop its utterance; return whether it can be used again. One that does not yield soon is ended."""
        try:
            await self.ask("drop", within_s=self._program.yield_within_s)
        except (WorkerGone, TimeoutError, EngineFault):
            await self.kill()
            return False
        return True

    async def end(self) -> None:
        """Close its standard input, which is its sign to leave."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), LEAVE_WITHIN_S)
        await self.kill()

    async def kill(self) -> None:
        """End it, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await asyncio.wait({self._listening, self._overhearing})

    async def _listen(self) -> None:
        """Give each answer to its caller; those that no caller waits for any more are dropped."""
        assert self._process.stdout is not None  # noqa: S101  # made with PIPE
        out = self._process.stdout
        try:
            while True:
                header_bytes, body_bytes = messages.lengths(await out.readexactly(messages.PREFIX_BYTES))
                header = messages.header_of(await out.readexactly(header_bytes))
                body = await out.readexactly(body_bytes)
                answer = self._answers.pop(header["id"], None)
                if answer is not None and not answer.done():
                    answer.set_result({**header, "body": body} if body else header)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (messages.BrokenMessage, KeyError) as error:
            log.warning("%s broke the messages: %s", self._program.name, error)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(WorkerGone())
                answer.exception()  # raised in the caller that waits; there may be none
        self._answers.clear()

    async def _overhear(self) -> None:
        """Keep what its libraries print for the log."""
        assert self._process.stderr is not None  # noqa: S101  # made with PIPE
        rest = b""
        while piece := await self._process.stderr.read(4_096):
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[-4_096:]
            for line in lines:
                self._note(line)
        self._note(rest)

    def _note(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            self._last_words.append(text)
            log.debug("%s: %s", self._program.name, text)


async def _spawned(program: Program) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "selam_cli.agent.worker.program",
        program.factory,
        str(program.hang_after_s),
        json.dumps(program.arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        start_new_session=True,  # Ctrl+C is for this process, which then lets its sessions say goodbye
    )


def _did_not_come_up(program: Program, *, died: bool) -> EngineFault:
    if died and program.died_loading:
        return EngineFault("session_error", program.died_loading)
    return program.fault("could not be started" if died else f"could not start within {program.start_within_s:g} s")


def environment(*, with_proxies: bool = True) -> dict[str, str]:
    """Return this process's environment without what is secret: a library needs no key.

    A proxy's address may hold a password; one that downloads a model, as faster-whisper does, needs it all the same.
    """
    private = _PRIVATE if with_proxies else (*_PRIVATE, "_PROXY")
    return {name: value for name, value in os.environ.items() if not any(part in name.upper() for part in private)}


def _check(answer: messages.Header) -> messages.Header:
    if "fault" in answer:
        raise EngineFault(*answer["fault"])
    return answer
