"""espeak-ng's library (from PyPI's espeakng-loader), in a few processes of ours: `espeak_worker.py` says how they talk.

A process speaks one sentence at a time and makes it much faster than it is spoken, so a few serve many sessions. They
start when they are needed and end when they have been idle. One that crashes or hangs costs its sentence, no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.tts.espeak_source import STUCK_AFTER_S, VOICE_NAMES, end, failed, in_time
from selam_cli.agent.tts.espeak_worker import DONE, FAILED, HEADER, SAY, SOUND, STOP
from selam_cli.agent.worker.process import environment

AT_ONCE: Final = 3
IDLE_S: Final = 60.0
BREAK_OFF_WITHIN_S: Final = 1.0
"""A sentence that is not wanted any more ends within a millisecond; a process that takes this long is killed."""

MOST_BYTES: Final = 1_000_000
"""What a frame may hold: more is no frame, and not waited for."""

_PROGRAM: Final = "selam_cli.agent.tts.espeak_worker"


class EspeakLibrary:
    """Processes that hold the library, started on demand."""

    def __init__(
        self,
        languages: frozenset[str],
        *,
        at_once: int = AT_ONCE,
        idle_s: float = IDLE_S,
        stuck_after_s: float = STUCK_AFTER_S,
    ) -> None:
        self.languages = languages
        self._idle_s = idle_s
        self._stuck_after_s = stuck_after_s
        self._free = asyncio.Semaphore(at_once)
        self._idle: list[tuple[_Worker, asyncio.TimerHandle]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    @classmethod
    def installed(cls) -> EspeakLibrary | None:
        """Return it where espeakng-loader is installed, without loading anything of it."""
        spec = importlib.util.find_spec("espeakng_loader")
        if spec is None or spec.origin is None:
            return None
        dictionaries = Path(spec.origin).parent / "espeak-ng-data"
        languages = frozenset(code for code in VOICE_NAMES if (dictionaries / f"{code}_dict").exists())
        return cls(languages) if languages else None

    async def sound(self, text: str, voice: str, *, end_pause: bool) -> AsyncGenerator[bytes, None]:
        """Yield a text's sound; see `Source`."""
        while True:
            try:
                async with aclosing(self._attempt(text, voice, end_pause=end_pause)) as pieces:
                    async for piece in pieces:
                        yield piece
            except _DiedIdle:
                continue  # and there is one idle process less
            return

    async def _attempt(self, text: str, voice: str, *, end_pause: bool) -> AsyncGenerator[bytes, None]:
        await self._free.acquire()
        worker: _Worker | None = None
        try:
            worker = await self._take()
            async with aclosing(worker.say(text, voice, end_pause=end_pause)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if worker is None:
                self._free.release()
            else:
                self._give_back(worker)

    async def close(self) -> None:
        """End all processes, and wait for their end."""
        self._closed = True
        for worker, timer in self._idle:
            timer.cancel()
            self._see_off(worker.end())
        self._idle.clear()
        while self._leaving:
            await asyncio.wait(self._leaving)

    async def _take(self) -> _Worker:
        while self._idle:
            worker, timer = self._idle.pop()
            timer.cancel()
            if worker.is_alive:
                return worker
            self._see_off(worker.end())
        return await _Worker.start(self._stuck_after_s)

    def _give_back(self, worker: _Worker) -> None:
        if worker.is_ready:
            self._keep(worker)
            self._free.release()
        else:
            # Not waited for: the caller that broke the sentence off goes on at once.
            self._see_off(self._recover(worker))

    async def _recover(self, worker: _Worker) -> None:
        """Get a process back that was broken off in mid-sentence, or end it."""
        try:
            if await worker.break_off():
                self._keep(worker)
            else:
                await worker.end()
        finally:
            self._free.release()

    def _keep(self, worker: _Worker) -> None:
        if self._closed:
            self._see_off(worker.end())
            return
        timer = asyncio.get_running_loop().call_later(self._idle_s, self._dismiss, worker)
        self._idle.append((worker, timer))

    def _dismiss(self, worker: _Worker) -> None:
        self._idle = [(other, timer) for other, timer in self._idle if other is not worker]
        self._see_off(worker.end())

    def _see_off(self, leaving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(leaving)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


class _DiedIdle(Exception):
    """A process that was idle had ended before it was given a sentence, and this side had not noticed yet."""


class _Worker:
    """One process, as this side sees it."""

    def __init__(self, process: asyncio.subprocess.Process, stuck_after_s: float) -> None:
        assert process.stdin is not None  # noqa: S101  # made with PIPE
        assert process.stdout is not None  # noqa: S101  # made with PIPE
        self._process = process
        self._commands, self._frames = process.stdin, process.stdout
        self._stuck_after_s = stuck_after_s
        self._sentence = 0
        self._header: bytes | None = None
        """Of a frame whose content was still on its way when its reader was cancelled."""
        self.is_ready = True
        """Whether it waits for a sentence."""

    @classmethod
    async def start(cls, stuck_after_s: float) -> _Worker:
        try:
            # -P: a module of the user's folder is not run in place of the real one.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", _PROGRAM,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(with_proxies=False),
                start_new_session=True,  # Ctrl+C is for this process, whose end is theirs
            )  # fmt: skip
        except OSError as error:
            raise failed(f"its process does not start: {error.strerror}") from None
        return cls(process, stuck_after_s)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def say(self, text: str, voice: str, *, end_pause: bool) -> AsyncGenerator[bytes, None]:
        self._sentence += 1
        self.is_ready = False
        self._send(SAY, {"number": self._sentence, "text": text, "voice": voice, "end_pause": end_pause})
        has_begun = self._sentence == 1
        while True:
            try:
                kind, content = await in_time(self._frame(), self._stuck_after_s)
            except asyncio.IncompleteReadError:
                if not has_begun:
                    raise _DiedIdle from None
                raise failed("its process ended by itself") from None
            except EngineFault:
                self._process.kill()  # so that it is not waited for again
                raise
            has_begun = True
            if kind == SOUND:
                yield content
                continue
            self.is_ready = True
            if kind == FAILED:
                raise failed(content.decode(errors="replace"))
            return

    async def break_off(self) -> bool:
        """Stop the sentence; return whether the process is ready for another one."""
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, EngineFault):
            self._send(STOP, self._sentence)
            async with asyncio.timeout(BREAK_OFF_WITHIN_S):
                while (await self._frame())[0] == SOUND:
                    pass
            self.is_ready = True
        return self.is_ready

    async def end(self) -> None:
        await end(self._process)

    def _send(self, kind: bytes, content: object) -> None:
        if self._commands.is_closing():
            return  # it has ended, at which waiting for its answer fails
        encoded = json.dumps(content).encode()
        self._commands.write(HEADER.pack(kind, len(encoded)) + encoded)

    async def _frame(self) -> tuple[bytes, bytes]:
        # Reading exactly this many bytes takes all or, cancelled, nothing: what has been read of a frame is remembered.
        if self._header is None:
            self._header = await self._frames.readexactly(HEADER.size)
        kind, length = HEADER.unpack(self._header)
        if kind not in {SOUND, DONE, FAILED} or length > MOST_BYTES:
            raise failed("its process makes no sense")
        content = await self._frames.readexactly(length)
        self._header = None
        return kind, content
