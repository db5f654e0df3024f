"""A microphone or a speaker in use: the one that is wanted, else the system's default one, and back again.

Devices open, close and vanish in their own time. Whatever happens – a loss, another wish, a new device, a turn that
begins or ends – changes what is wished, and `_settle` makes it so, one step after another. The libraries are called in
one thread: a Bluetooth headset takes a second to open, and a sound server that stands still never answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from selam_cli.core import events
from selam_cli.engine.devices.sound_thread import opened_in
from selam_cli.errors import SelamError
from selam_cli.sound.device import FOLLOWERS
from selam_cli.sound.device_watch import Listed

TRY_AGAIN_S: Final = 0.25
TRY_AGAIN_LATER_S: Final = 2.0
QUICK_TRIES: Final = 40
"""A server that is restarted is back within these; a cable that was pulled may stay out for a day."""


class Device(Protocol):
    """What a microphone and a speaker have in common."""

    name: str
    follows_default: bool

    def close(self) -> None:
        """Close it; harmless when it is closed."""


D = TypeVar("D", bound=Device)


@dataclass(eq=False, slots=True)
class DeviceHandle(Generic[D]):
    """One opening of one device."""

    spec: str | None
    device: D | None = None
    sounded: bool = False
    """It has called back: it works."""
    lost: str = ""
    in_place: bool = False
    """Whether it takes the place of one that was in use, and so must not be a monitor that the user did not choose."""

    @property
    def follows(self) -> bool:
        """Whether it is whatever device is the default one."""
        return self.spec is None or (self.device is not None and self.device.name in FOLLOWERS)


class DeviceSupervisor(Generic[D]):
    """Keeps one device open, for as long as it is needed.

    `open_device` opens what an Opening's `spec` names; it runs in the thread where `is_device` says so. `on_change` is
    called when another device, or none, is in use, and when the one in use sounds for the first time.
    """

    def __init__(
        self,
        kind: str,
        wanted: str | None,
        *,
        thread: Executor,
        is_device: Callable[[str | None], bool],
        open_device: Callable[[DeviceHandle[D]], D],
        on_change: Callable[[DeviceHandle[D] | None], None],
        emit: Callable[[events.Event], None],
    ) -> None:
        self._kind = kind
        self._wanted = wanted
        self._thread = thread
        self._is_device = is_device
        self._open_device = open_device
        self._on_change = on_change
        self._emit = emit
        self.lock = asyncio.Lock()
        """Held while devices are opened and closed, by any task that needs this one unchanged."""
        self.current: DeviceHandle[D] | None = None
        self.needed = True
        self.lost_name = ""
        """What was lost and has not been replaced by anything that works."""
        self._wish = 0
        self._had = False
        self._wanted_fails = False
        self._standing_in = False
        self._news: tuple[str, str] | None = None
        self._listed: Listed | None = None
        self._default: str | None = None
        self._monitor_told: str | None = None
        self._monitor_honoured = False
        """There was nothing but a monitor from the beginning: that is how the user has set up the system."""
        self._retry: asyncio.TimerHandle | None = None
        self._tries = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    # --- wishes -------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open what is wanted for the first time. Raises SelamError, and then waits for it to appear."""
        async with self.lock:
            try:
                await self._take(self._wanted)
            except SelamError:
                self.lost_name = self._wanted or self._kind
                raise

    def expect(self, name: str) -> None:
        """Take it that this one can be opened when it is needed, and not before."""
        self._wanted = None if self._wanted is None else name
        self._had, self.needed = True, False

    def need(self, *, needed: bool) -> None:
        """Have it open, or closed; what takes a device's place stays open."""
        if needed != self.needed:
            self.needed = needed
            self.settle_soon()

    def change(self, spec: str) -> Coroutine[Any, Any, None] | None:
        """Use another one. What takes no time is done at once; else what is returned is to be awaited.

        Raises SelamError, here or there, and keeps the one in use, where it can't be had.
        """
        if self._is_device(spec):
            return self._change(spec)
        self._take_into_use(self._opened(spec), spec)
        return None

    def close(self) -> None:
        """Close it for good."""
        self._ended = True
        self._wish += 1
        self._stop_retrying()
        self._drop()

    # --- what happens -------------------------------------------------------------------------------------------------

    def is_current(self, opening: DeviceHandle[D]) -> bool:
        """Whether this one is in use; one that is being replaced does not count."""
        return self.current is opening

    def sounded(self, opening: DeviceHandle[D]) -> None:
        """The device called back."""
        if not opening.sounded:
            opening.sounded = True
            if self.is_current(opening):
                self._works(opening)

    def _works(self, opening: DeviceHandle[D]) -> None:
        self._tries = 0
        self.lost_name = ""
        self._on_change(opening)
        if self._news is not None:
            (code, message), self._news = self._news, None
            self._notice(code, "info", message)

    def on_lost(self, opening: DeviceHandle[D], reason: str) -> None:
        """The device ended by itself."""
        opening.lost = reason
        if self._ended or not self.is_current(opening):
            return
        self._wanted_fails = not opening.sounded and not self._is_stand_in(opening)
        if not self.lost_name:
            self.lost_name = opening.device.name if opening.device is not None else self._kind
            self._notice(f"{self._kind}_lost", "warning", f"The {self._kind} is gone: {reason}", "It is tried again.")
        self._drop()
        self._on_change(None)
        if opening.sounded:
            self.settle_soon()
        else:
            self._try_later()

    def on_listed(self, listed: Listed | None) -> bool:
        """The system's devices have changed. True where its default one has, and the one in use does not follow."""
        listed_before, self._listed = self._listed, listed
        current = self.current
        if current is not None and not current.sounded and _vanished(current, listed_before, listed):
            self.on_lost(current, "it is gone.")  # it was opened at that very moment, and would be waited for
        if listed is None or self._ended:
            return False
        before, self._default = self._default, listed.default or self._default
        only_monitors = listed.default_is_monitor and not listed.names
        self._monitor_honoured = only_monitors and (before is None or self._monitor_honoured)
        self._wanted_fails = False
        self.settle_soon()
        if current is None or not current.follows:
            return False
        if listed.default_is_monitor:
            self._on_monitor(current, listed)
            return False
        if before in {None, self._default}:
            return False
        self._notice(f"{self._kind}_changed", "info", f"The system's default {self._kind} is {self._default} now.")
        return not self.follows_default

    def _on_monitor(self, current: DeviceHandle[D], listed: Listed) -> None:
        """The system's default microphone is none: honour that where it was so from the beginning, and say so.

        Where it has become so, the one that was in use is gone, and the server may have put the monitor in its place.
        """
        stands_in = current.device is not None and not current.device.follows_default and bool(listed.names)
        if not self._monitor_honoured and not stands_in:
            self.on_lost(
                current, f"the system has {self._default} in its place, which hears only what it plays itself."
            )
        elif self._monitor_told != self._default and current.device is not None:
            self._monitor_told = self._default
            used = f"{current.device.name} is used." if listed.names else "There is no other."
            told = f"The system's default {self._kind} is {self._default}, which carries what a speaker plays. {used}"
            self._notice(f"{self._kind}_is_monitor", "warning", told, "Choose another in the system's sound settings.")

    def is_listed(self, name: str) -> bool:
        """Whether the system has a device of this name at the moment."""
        return self._listed is not None and self._listed.has(name)

    @property
    def follows_default(self) -> bool:
        """Whether the one in use needs no help to go along with the system's default device."""
        return self.current is None or self.current.device is None or self.current.device.follows_default

    def drop(self) -> None:
        """Close it for a moment, with the lock held; `settle_soon` opens it again."""
        self._drop()

    # --- making it so -------------------------------------------------------------------------------------------------

    def settle_soon(self) -> None:
        """Look at what is wished and make it so."""
        self._stop_retrying()
        task = asyncio.create_task(self._settle())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self) -> None:
        async with self.lock:
            while not self._ended:
                if not self.needed and self._is_device(self._wanted):
                    if self.current is not None:
                        self._drop()
                        self._on_change(None)
                    return
                if self.current is not None and not (self._is_stand_in(self.current) and self._wanted_is_listed()):
                    return
                if not await self._take_the_best():
                    return

    async def _take_the_best(self) -> bool:
        """Open the best that can be had; False where there is nothing more to do for now."""
        failure = SelamError("")
        for spec in self._candidates():
            try:
                await self._take(spec)
            except SelamError as error:
                failure = error
                continue
            return True
        if self.current is not None:
            self._wanted_fails = True  # the stand-in serves until the devices change again
        elif self._had:
            if not self.lost_name:
                self.lost_name = self._wanted or self._kind
                self._notice(f"{self._kind}_lost", "warning", failure.reason, failure.remedy)
            self._try_later()
        return False

    def _candidates(self) -> list[str | None]:
        if self._wanted is None or self.current is not None or not self._had:
            return [self._wanted]
        return [None] if self._wanted_fails else [self._wanted, None]

    async def _take(self, spec: str | None) -> None:
        wish = self._wish
        if self._is_device(spec):
            opening = await self._opened_in_thread(spec)
        else:
            opening = self._opened(spec)
        if wish != self._wish:
            self._close(opening)  # something else was wished meanwhile
        else:
            self._adopt(opening)

    def _opened(self, spec: str | None) -> DeviceHandle[D]:
        opening: DeviceHandle[D] = DeviceHandle(spec, in_place=self._had and not self._monitor_honoured)
        opening.device = self._open_device(opening)
        return opening

    async def _opened_in_thread(self, spec: str | None) -> DeviceHandle[D]:
        return await opened_in(self._thread, partial(self._opened, spec), _close_device)

    def _adopt(self, opening: DeviceHandle[D]) -> None:
        assert opening.device is not None  # noqa: S101  # it has just been opened
        if opening.spec is not None and opening.spec == self._wanted:
            self._wanted = opening.device.name  # a number holds for one list only
        self._news = self._news_of(opening)
        self._drop()
        self.current, self._had = opening, True
        self._standing_in = self._is_stand_in(opening)
        self._on_change(opening)
        if opening.lost:
            self.on_lost(opening, opening.lost)
        elif opening.sounded:
            self._works(opening)

    def _news_of(self, opening: DeviceHandle[D]) -> tuple[str, str] | None:
        """What to report of it once it works."""
        name = "" if opening.device is None else opening.device.name
        if opening.follows and self._default is not None and not (self._listed and self._listed.default_is_monitor):
            name = f"{name} ({self._default})"
        if self._is_stand_in(opening):
            if self._standing_in and not self.lost_name:
                return None
            return f"{self._kind}_changed", f"The {self._kind} is {name} until {self._wanted} is back."
        if self.lost_name or self._standing_in:
            return f"{self._kind}_back", f"The {self._kind} is back: {name}."
        return None

    async def _change(self, spec: str) -> None:
        async with self.lock:
            self._wish += 1
            opening = await self._opened_in_thread(spec)
            if self._ended:
                self._close(opening)
                return
            self._take_into_use(opening, spec)
        self.settle_soon()  # it may not be needed now

    def _take_into_use(self, opening: DeviceHandle[D], spec: str) -> None:
        """Adopt what the user chose, and from now on want that."""
        self._wish += 1
        self._wanted, self._wanted_fails = spec, False
        self._adopt(opening)
        self._news, self.lost_name = None, ""

    def _drop(self) -> None:
        current, self.current = self.current, None
        if current is not None:
            self._close(current)

    def _close(self, opening: DeviceHandle[D]) -> None:
        if opening.device is None:
            return
        if self._is_device(opening.spec):
            with contextlib.suppress(RuntimeError):  # the thread has ended: the program is leaving
                self._thread.submit(opening.device.close)
        else:
            opening.device.close()

    def _is_stand_in(self, opening: DeviceHandle[D]) -> bool:
        return opening.spec is None and self._wanted is not None

    def _wanted_is_listed(self) -> bool:
        return self._wanted is not None and not self._wanted_fails and self.is_listed(self._wanted)

    def _try_later(self) -> None:
        self._stop_retrying()
        self._tries += 1
        delay_s = TRY_AGAIN_S if self._tries < QUICK_TRIES else TRY_AGAIN_LATER_S
        self._retry = asyncio.get_running_loop().call_later(delay_s, self.settle_soon)

    def _stop_retrying(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _notice(self, code: str, severity: str, message: str, remedy: str = "") -> None:
        self._emit(events.Notice(code, severity, message, remedy))


def _close_device(opening: DeviceHandle[D]) -> None:
    if opening.device is not None:
        opening.device.close()


def _vanished(opening: DeviceHandle[D], before: Listed | None, now: Listed | None) -> bool:
    """Whether the system had this device, and has it no longer."""
    if before is None or opening.device is None:
        return False
    if now is None:
        return opening.follows or before.has(opening.device.name)
    return before.has(opening.device.name) and not now.has(opening.device.name)
