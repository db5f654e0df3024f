"""The thread in which sound libraries are called: what is told of a call that hangs, and what becomes of its result."""

from __future__ import annotations

import asyncio
import threading

import pytest

from selam_cli.engine.devices import sound_thread
from selam_cli.engine.devices.sound_thread import SoundThread, opened_in


@pytest.fixture
def thread(monkeypatch):
    monkeypatch.setattr(sound_thread, "ANSWER_WITHIN_S", 0.01)
    made = SoundThread()
    yield made
    made.shutdown()


async def test_a_call_that_hangs_is_told_and_so_is_its_return(thread):
    told: asyncio.Queue[bool] = asyncio.Queue()
    gate = threading.Event()
    thread.watch(asyncio.get_running_loop(), told.put_nowait)
    hanging, next_one = thread.submit(gate.wait, 60), thread.submit(lambda: "done")
    async with asyncio.timeout(60):
        assert await told.get()
        assert thread.stalled
        gate.set()
        assert not await told.get()
        assert not thread.stalled
        assert await asyncio.wrap_future(hanging)
        assert await asyncio.wrap_future(next_one) == "done"
    assert told.empty()


async def test_what_opens_when_it_is_no_longer_waited_for_is_closed(thread):
    gate, closed = threading.Event(), threading.Event()

    def open_it() -> str:
        gate.wait(60)
        return "device"

    opening = asyncio.create_task(opened_in(thread, open_it, lambda device: closed.set() if device else None))
    queued = asyncio.create_task(opened_in(thread, pytest.fail, pytest.fail))
    await asyncio.sleep(0)
    for task in (opening, queued):
        task.cancel()
    await asyncio.wait({opening, queued})
    assert not closed.is_set()
    gate.set()
    assert await asyncio.to_thread(closed.wait, 60)


async def test_what_fails_when_it_is_no_longer_waited_for_fails_in_silence(thread, caplog):
    gate = threading.Event()

    def open_it() -> None:
        gate.wait(60)
        raise OSError

    opening = asyncio.create_task(opened_in(thread, open_it, pytest.fail))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait({opening})
    gate.set()
    await asyncio.wrap_future(thread.submit(lambda: None))
    assert not caplog.records
