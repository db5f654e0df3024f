"""One device in use, whatever happens while it is being opened: the races that no sound card plays on demand."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from selam_cli.engine.devices.supervisor import DeviceSupervisor
from selam_cli.errors import DeviceError
from selam_cli.sound.device_watch import Listed


class Stand:
    """Devices that open when the test lets them, and the notices about them."""

    def __init__(self, wanted, **options):
        self.there = {"default", "Headset"}
        self.opened, self.closed, self.notices = [], [], []
        self.places = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.changed = asyncio.Event()
        self.sounds = options.pop("sounds", True)
        self.thread = ThreadPoolExecutor(1)
        self.loop = asyncio.get_running_loop()
        self.in_use = DeviceSupervisor(
            "speaker", wanted, thread=self.thread, is_device=lambda spec: spec != "file", open_device=self._open,
            on_change=lambda _: self.changed.set(), emit=lambda event: (self.notices.append(event), self.changed.set()),
        )  # fmt: skip

    def _open(self, opening):
        self.begun.set()
        self.places.append(opening.in_place)
        assert self.gate.wait(20)
        name = opening.spec or "default"
        if name != "file" and name not in self.there:
            raise DeviceError(f"There is no {name}.")
        device = FakeDevice(name, self._on_closed)
        self.opened.append(name)
        if self.sounds:
            self.loop.call_soon_threadsafe(self.in_use.sounded, opening)
        return device

    def _on_closed(self, name):
        self.closed.append(name)
        self.loop.call_soon_threadsafe(self.changed.set)

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def name(self):
        current = self.in_use.current
        return None if current is None else current.device.name

    @property
    def codes(self):
        return [notice.code.removeprefix("speaker_") for notice in self.notices]


class FakeDevice:
    follows_default = True

    def __init__(self, name, on_closed):
        self.name = name
        self._on_closed = on_closed

    def close(self):
        self._on_closed(self.name)


@asynccontextmanager
async def stand(wanted, **options):
    someone = Stand(wanted, **options)
    try:
        yield someone
    finally:
        someone.gate.set()
        someone.in_use.close()
        someone.thread.shutdown()
        await asyncio.sleep(0)
    assert sorted(someone.opened) == sorted(someone.closed), "everything that was opened is closed again"


async def test_what_is_no_longer_needed_when_it_has_opened_is_closed():
    async with stand(None) as devices:
        devices.in_use.expect("default")
        devices.gate.clear()
        devices.in_use.need(needed=True)
        await asyncio.to_thread(devices.begun.wait, 20)
        devices.in_use.need(needed=False)
        devices.gate.set()
        await devices.until(lambda: devices.closed == ["default"])
        assert devices.name is None
        assert not devices.notices


async def test_a_file_that_is_chosen_while_a_device_opens_stays():
    async with stand(None) as devices:
        await devices.in_use.open()
        devices.gate.clear()
        devices.begun.clear()
        devices.in_use.on_lost(devices.in_use.current, "gone.")
        await asyncio.to_thread(devices.begun.wait, 20)
        devices.gate.set()  # a file needs no thread, so it is there first
        assert devices.in_use.change("file") is None
        assert devices.name == "file"
        await asyncio.wrap_future(devices.thread.submit(lambda: None))
        await asyncio.sleep(0.01)  # the opening that was overtaken comes to its end
        assert devices.name == "file"


async def test_a_device_that_was_chosen_and_opens_after_the_end_is_closed_again():
    async with stand(None) as devices:
        await devices.in_use.open()
        devices.gate.clear()
        devices.begun.clear()
        changing = asyncio.create_task(devices.in_use.change("Headset"))
        await asyncio.to_thread(devices.begun.wait, 20)
        devices.in_use.close()
        devices.gate.set()
        await changing
        assert devices.name is None


async def test_a_device_that_is_lost_before_it_is_in_use_is_replaced():
    async with stand("Headset") as devices:
        await devices.in_use.open()
        assert devices.name == "Headset"
        devices.there.discard("Headset")
        devices.in_use.on_lost(devices.in_use.current, "pulled.")
        await devices.until(lambda: devices.codes == ["lost", "changed"])
        assert devices.name == "default"
        devices.in_use.on_listed(Listed(("default",), "default"))
        devices.there.add("Headset")
        devices.in_use.on_listed(Listed(("default", "Headset"), "default"))
        await devices.until(lambda: devices.codes == ["lost", "changed", "back"])
        assert devices.name == "Headset"


async def test_a_device_that_is_listed_but_never_opens_leaves_the_stand_in_in_use():
    async with stand("Headset") as devices:
        await devices.in_use.open()
        devices.there.discard("Headset")
        devices.in_use.on_lost(devices.in_use.current, "pulled.")
        await devices.until(lambda: devices.codes == ["lost", "changed"])
        devices.in_use.on_listed(Listed(("default", "Headset"), "default"))
        async with devices.in_use.lock:
            pass
        await asyncio.sleep(0.01)
        assert devices.name == "default"
        assert devices.codes == ["lost", "changed"]


async def test_a_monitor_never_takes_the_place_of_a_microphone_that_vanishes():
    """The sound server puts it there by itself: what records goes on, from what the speaker plays."""
    async with stand(None) as devices:
        devices.in_use.on_listed(Listed(("Headset",), "Headset", ("Monitor of Headset",)))
        await devices.in_use.open()
        devices.there.clear()  # as `find_device` has it for who may not take a monitor
        devices.in_use.on_listed(Listed((), "Monitor of Speaker", ("Monitor of Speaker",)))
        await devices.until(lambda: devices.closed == ["default"])
        assert not devices.places[0], "what there was at the start may be what it is"
        devices.there.add("default")
        devices.in_use.on_listed(Listed(("Headset",), "Headset", ("Monitor of Headset",)))
        await devices.until(lambda: devices.codes == ["lost", "back"])
        assert devices.places[-1], "what comes in a microphone's place must not be a monitor"


async def test_a_monitor_that_was_the_default_one_from_the_beginning_is_honoured_and_told():
    async with stand(None) as devices:
        await devices.in_use.open()
        devices.in_use.on_listed(Listed((), "Monitor of Speaker", ("Monitor of Speaker",)))
        devices.in_use.on_listed(Listed((), "Monitor of Speaker", ("Monitor of Speaker", "Monitor of HDMI")))
        assert devices.name == "default"
        assert devices.codes == ["is_monitor"]
        assert "There is no other." in devices.notices[0].message


@pytest.mark.parametrize("now", [None, Listed(("default",), "default")])
async def test_a_device_that_vanishes_as_it_opens_is_not_waited_for(now):
    async with stand("Headset", sounds=False) as devices:
        devices.in_use.on_listed(Listed(("default", "Headset"), "default"))
        await devices.in_use.open()
        devices.there.discard("Headset")
        devices.in_use.on_listed(now)
        await devices.until(lambda: devices.codes == ["lost"])


async def test_a_device_that_never_works_is_told_once():
    async with stand("Headset", sounds=False) as devices:
        await devices.in_use.open()
        for _ in range(3):
            await devices.until(lambda: devices.in_use.current is not None)
            devices.in_use.on_lost(devices.in_use.current, "it stopped working.")
        assert devices.codes == ["lost"]
