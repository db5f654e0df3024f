"""Waits for what may never come back: name lookups, key stores, libraries and disks that stand still."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

_Result = TypeVar("_Result")

END_WITHIN_S: Final = 3.0


async def in_thread(work: Callable[[], _Result], within_s: float) -> _Result:
    """Return what the work returns. Raises what it raises, and TimeoutError where it takes longer.

    The thread is a daemon of its own and none of the loop's: those are waited for when the program ends.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def settle(outcome: Future[_Result]) -> None:
        if done.done():
            return  # the wait for it was over before
        error = outcome.exception()
        if error is None:
            done.set_result(outcome.result())
        else:
            done.set_exception(error)

    def run() -> None:
        outcome: Future[_Result] = Future()
        try:
            outcome.set_result(work())
        except BaseException as error:  # handed over, and raised where it is waited for
            outcome.set_exception(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="doctor", daemon=True).start()
    async with asyncio.timeout(within_s):
        return await done


async def to_its_end(work: Callable[[threading.Event], _Result], within_s: float) -> _Result:
    """Return what the work returns, as `in_thread` does, but never leave it in the middle.

    Where no caller waits any more, the event that the work is given is set, and the work is to end soon: it has
    something to put back.
    """
    stop = threading.Event()
    working = asyncio.ensure_future(in_thread(lambda: work(stop), within_s))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({working}, timeout=END_WITHIN_S)
        raise


class WatchedExecutor(ThreadPoolExecutor):
    """A loop's threads, for libraries that look names up there; it knows whether one has not come back.

    Python waits for such threads at its end, however long a lookup takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have something done."""
        given = super().submit(work, *arguments, **named)
        self._given.append(given)
        return given

    @property
    def is_stuck(self) -> bool:
        """Whether something is still being done."""
        return any(not given.done() for given in self._given)
