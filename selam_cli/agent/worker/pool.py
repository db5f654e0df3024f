"""A few workers for many sessions: an utterance has one to itself, and one that finds none free waits in turn.

What is said meanwhile is kept, so that waiting costs time and no words. An utterance that is given up frees its caller
at once; its worker is handed on when it has dropped the work.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault, SpokenAudio
from selam_cli.agent.worker.process import Program, Worker, WorkerGone
from selam_cli.agent.worker.program import Memory

log = logging.getLogger(__name__)

MOST_WORKERS: Final = 4
MOST_WAITING: Final = 32
WAIT_S: Final = 20.0
PIECE_BYTES: Final = 16_000
"""Half a second: a worker is asked for no more at a time, so that it can drop an utterance soon."""


class WorkerPool:
    """Workers of one program. `size` at most; by default as many as cores, four at most."""

    def __init__(
        self,
        program: Program,
        *,
        size: int | None = None,
        most_waiting: int = MOST_WAITING,
        wait_s: float = WAIT_S,
    ) -> None:
        self.program = program
        self._most_waiting = most_waiting
        self._wait_s = wait_s
        self._free = asyncio.Semaphore(size or min(MOST_WORKERS, os.cpu_count() or 1))
        self._waiting = 0
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [worker.pid for worker in self._all if worker.alive]

    def begin(
        self, language: str | None, on_partial: Callable[[str], None], speaker: SpeakerProfile | None = None
    ) -> PooledListening:
        """Begin an utterance of a speaker; None for an unknown one."""
        return PooledListening(self, language, on_partial, speaker or SpeakerProfile())

    def warm_up(self) -> None:
        """Start one worker if there is none, so that the first utterance need not wait for its model."""
        if not self._all:
            self.in_background(self._start_and_keep())

    async def close(self) -> None:
        """End every worker and whatever they are doing."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        workers, self._all, self._idle = self._all, set(), []
        await asyncio.gather(*(worker.end() for worker in workers))

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """Lend a worker. Raises EngineFault where none is to be had; what it fails with becomes an EngineFault."""
        await self._await_turn()
        try:
            worker = await self._take()
        except BaseException:
            self._free.release()
            raise
        try:
            yield worker
        except (WorkerGone, TimeoutError) as error:
            self.in_background(self._give_back(worker, ended=True))
            raise self._fault(worker, hung=isinstance(error, TimeoutError)) from None
        except BaseException:
            self.in_background(self._give_back(worker, unfinished=True))
            raise
        self.in_background(self._give_back(worker))

    def in_background(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Have something done that no caller waits for, until the pool closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _await_turn(self) -> None:
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise _overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise _overloaded() from None
        finally:
            self._waiting -= 1

    async def _take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            self._all.discard(worker)
            await worker.kill()
        return await self._start()

    async def _start(self) -> Worker:
        worker = await Worker.start(self.program)
        self._all.add(worker)
        return worker

    async def _start_and_keep(self) -> None:
        try:
            async with self.worker():
                pass
        except EngineFault as fault:
            log.warning("%s", fault.message)  # the first user to speak gets the error

    async def _give_back(self, worker: Worker, *, unfinished: bool = False, ended: bool = False) -> None:
        try:
            if ended:
                await worker.kill()
            if ended or (unfinished and not await worker.let_go()):
                self._all.discard(worker)
            else:
                self._idle.append(worker)
        finally:
            self._free.release()

    def _fault(self, worker: Worker, *, hung: bool) -> EngineFault:
        log.error("%s %s: %s", self.program.name, "hung" if hung else "ended by itself", worker.last_words)
        return self.program.fault("took too long" if hung else "stopped unexpectedly")


@dataclass(slots=True)
class SpeakerProfile:
    """What an engine has learned of a speaker's sound. Kept here, so that any worker can hear the next words."""

    memory: Memory = None


class PooledListening:
    """One utterance on its way through a worker."""

    def __init__(
        self, pool: WorkerPool, language: str | None, on_partial: Callable[[str], None], speaker: SpeakerProfile
    ) -> None:
        self._speaker = speaker
        self._language = language
        self._on_partial = on_partial
        self._unfed = bytearray()
        self._whole = False
        self._more = asyncio.Event()
        self._work = pool.in_background(self._listen(pool))
        self._work.add_done_callback(_look_at_its_end)

    def feed(self, audio: bytes) -> None:
        """Take what is being said."""
        self._unfed += audio
        self._more.set()

    async def heard(self, utterance: SpokenAudio) -> Heard:
        """Return what was said. Raises EngineFault."""
        self._whole = True
        self._more.set()
        heard: Heard = await self._work
        return heard

    def cancel(self) -> None:
        """Drop what was said."""
        self._work.cancel()

    async def _listen(self, pool: WorkerPool) -> Heard:
        async with pool.worker() as worker:
            await worker.ask("begin", language=self._language, memory=self._speaker.memory)
            while not self._whole or self._unfed:
                await self._more.wait()
                self._more.clear()
                await self._feed(worker)
            answer = await worker.ask("finish")
        self._speaker.memory = answer["memory"]
        return Heard(answer["text"], answer["language"])

    async def _feed(self, worker: Worker) -> None:
        while self._unfed:
            piece = bytes(self._unfed[:PIECE_BYTES])
            del self._unfed[:PIECE_BYTES]
            partial = (await worker.ask("feed", piece))["partial"]
            if partial and not self._whole:
                self._on_partial(partial)


def _look_at_its_end(work: asyncio.Task[Heard]) -> None:
    if not work.cancelled():
        work.exception()  # no caller asks for that of an utterance that was given up


def _overloaded() -> EngineFault:
    return EngineFault(
        "audio_error", "Too many people are speaking at once for this machine. Say it again in a moment."
    )
