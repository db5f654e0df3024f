"""The thread in which the sound libraries are called, and what becomes of a call that does not come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from selam_cli.sound.stalled import ANSWER_WITHIN_S

_Opened = TypeVar("_Opened")


class SoundThread(ThreadPoolExecutor):
    """One thread, because PortAudio must not open or close two streams at once; it reports when it is held up."""

    def __init__(self) -> None:
        super().__init__(1, "sound")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_change: Callable[[bool], None] = lambda _: None
        self._patience: asyncio.TimerHandle | None = None
        self.stalled = False
        """A call has not come back for longer than any takes."""

    def watch(self, loop: asyncio.AbstractEventLoop, on_change: Callable[[bool], None]) -> None:
        """Report on the loop when the thread is held up (True), and when it goes on (False)."""
        self._loop, self._on_change = loop, on_change

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have something done after all that was submitted before."""
        return super().submit(self._watched, work, *arguments, **named)

    def _watched(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        self._tell(busy=True)
        try:
            return work(*arguments, **named)
        finally:
            self._tell(busy=False)

    def _tell(self, *, busy: bool) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(self._on_busy, busy)

    def _on_busy(self, busy: bool) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if busy:
            self._patience = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, self._change, True)  # noqa: FBT003  # as above
        elif self.stalled:
            self._change(False)  # noqa: FBT003  # as above

    def _change(self, stalled: bool) -> None:
        self.stalled = stalled
        self._on_change(stalled)


async def opened_in(thread: Executor, open_it: Callable[[], _Opened], close: Callable[[_Opened], object]) -> _Opened:
    """Have something opened in a thread. What is no longer waited for when it has opened is closed there at once."""
    opening = thread.submit(open_it)
    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(lambda late: _close_late(late, close))
        raise


def _close_late(opening: Future[_Opened], close: Callable[[_Opened], object]) -> None:
    with contextlib.suppress(CancelledError):
        if opening.exception() is None:
            close(opening.result())
