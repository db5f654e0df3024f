"""Which devices the system has at this moment and which are its default ones, watched while others play and record.

PortAudio never looks again, and no library says when something changed. One look through miniaudio takes a quarter of a
millisecond, 0.06 ms of it on the processor (measured on PulseAudio), so it is simply taken again and again, in a thread
of its own: a sound server that stands still would hold up the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from selam_cli.sound.devices import best_match

if TYPE_CHECKING:
    from selam_cli.sound.mini_system import Entry

LOOK_EVERY_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Listed:
    """The devices of one direction by their real names, and the name of the default one where there is one.

    `monitors` are the inputs that carry what a speaker plays; `names` holds none of them.
    """

    names: tuple[str, ...] = ()
    default: str | None = None
    monitors: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Say whether a device is there that a person means by this."""
        return best_match(name, self.names, self.monitors) is not None

    @property
    def default_is_monitor(self) -> bool:
        """Whether what the system would have us listen to is no microphone."""
        return self.default is not None and self.default in self.monitors


@dataclass(frozen=True, slots=True)
class DeviceList:
    """All devices of the system."""

    inputs: Listed = Listed()
    outputs: Listed = Listed()


class RosterWatch:
    """Calls `on_change` on the loop's thread with each roster that differs from the one before; None: none can be had.

    Where miniaudio is missing, and on a Linux without PulseAudio or PipeWire, there is no roster, and it never calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_change: Callable[[DeviceList | None], None]) -> None:
        self._loop = loop
        self._on_change = on_change
        self._over = threading.Event()
        # A daemon: it may be waiting for a server that never answers when the program leaves.
        threading.Thread(target=self._run, name="device-roster", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _run(self) -> None:
        try:
            eyes = _Eyes()
        except ImportError:
            return
        seen: DeviceList | None = None
        while not self._over.is_set():
            roster = eyes.look()
            if roster != seen:
                seen = roster
                try:
                    self._loop.call_soon_threadsafe(self._tell, roster)
                except RuntimeError:
                    return  # the loop is closed: the program is leaving
            self._over.wait(LOOK_EVERY_S)

    def _tell(self, roster: DeviceList | None) -> None:
        if not self._over.is_set():
            self._on_change(roster)


class _Eyes:
    """Looks through one connection to the sound server for as long as that lasts."""

    def __init__(self) -> None:
        import miniaudio  # no wheel on every platform

        from selam_cli.sound import mini_system  # it needs miniaudio

        self._error = miniaudio.MiniaudioError
        self._mini = mini_system
        self._system: mini_system.SoundSystem | None = None

    def look(self) -> DeviceList | None:
        try:
            if self._system is None:
                # ALSA knows no default device and no real names.
                self._system = self._mini.SoundSystem(self._mini.on_sound_server())
            inputs, outputs = self._system.entries()
        except self._error:
            self._system = None
            return None
        return DeviceList(_listed(inputs), _listed(outputs))


def _listed(entries: list[Entry]) -> Listed:
    default = next((entry.name for entry in entries if entry.is_default), None)
    return Listed(
        tuple(entry.name for entry in entries if not entry.is_monitor),
        default,
        tuple(entry.name for entry in entries if entry.is_monitor),
    )
