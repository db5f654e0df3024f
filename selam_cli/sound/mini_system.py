"""A sound system as miniaudio sees it: which devices there are, and nothing asked that could end the program.

Where PulseAudio cannot answer a question about one device, because it was just unplugged, the library reads through a
null pointer and the process is gone (mackron/miniaudio issue 1103; 0.11.25 and before). It asks as it opens a device,
for a name that we have already, and the package asks for each device that it lists. Neither question is needed.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NamedTuple

import miniaudio

from selam_cli.core.monitors import is_monitor

_CALLBACKS: Final = 13
_DETAILS_CALLBACK: Final = 3
"""Of the callbacks at the beginning of the library's context, the one that asks about one device."""


class Entry(NamedTuple):
    """A device in the library's list."""

    name: str
    id: Any
    """The library's own; valid for as long as this entry is kept."""
    is_default: bool
    is_monitor: bool = False
    """Whether it carries what a speaker plays."""


class SoundSystem:
    """A connection to a sound system; it lasts as long as the object. Raises MiniaudioError where there is none."""

    def __init__(self, backends: list[miniaudio.Backend] | None) -> None:
        self._devices = miniaudio.Devices(backends)
        self.backend: str = self._devices.backend

    def entries(self) -> tuple[list[Entry], list[Entry]]:
        """Return its microphones and its speakers at this moment. Raises MiniaudioError where it is gone."""
        lib, new = miniaudio.lib, miniaudio.ffi.new
        outputs, output_count = new("ma_device_info**"), new("ma_uint32*")
        inputs, input_count = new("ma_device_info**"), new("ma_uint32*")
        context = self._devices._context  # noqa: SLF001  # the package's own lists ask about each device
        result = lib.ma_context_get_devices(context, outputs, output_count, inputs, input_count)
        if result != lib.MA_SUCCESS:
            raise miniaudio.MiniaudioError("cannot list the devices", result)
        found = _entries(inputs[0], input_count[0]), _entries(outputs[0], output_count[0])
        if self.backend == "ALSA":
            found = _of_cards(found[0]), _of_cards(found[1])
        return [self._marked(entry) for entry in found[0]], found[1]

    def _marked(self, entry: Entry) -> Entry:
        """Mark an input that is a monitor; PulseAudio's ids tell it in every language, and are text."""
        own_id = _text(entry.id) if self.backend == "PulseAudio" else ""
        return entry._replace(is_monitor=is_monitor(entry.name, own_id))


def on_sound_server() -> list[miniaudio.Backend] | None:
    """Return what leads to PulseAudio or PipeWire; elsewhere than on Linux a system has one way to its devices.

    The library's own choice goes on to ALSA, whose list holds a dozen plug-ins and no device, and whose configuration
    is then read for a system without a sound server, for every library of this process.
    """
    return [miniaudio.Backend.PULSEAUDIO] if sys.platform.startswith("linux") else None


def ask_nothing(context: Any) -> Any:
    """Take from a PulseAudio context the question about one device, which the library can do without; return it."""
    ffi = miniaudio.ffi
    is_known = ffi.offsetof("struct ma_context", "backend") == _CALLBACKS * ffi.sizeof("void*")
    if is_known and context.backend == miniaudio.Backend.PULSEAUDIO.value:
        ffi.cast("void**", context)[_DETAILS_CALLBACK] = ffi.NULL
    return context


def _of_cards(entries: list[Entry]) -> list[Entry]:
    """Leave out what ALSA lists though no device is behind it: converters, mixers, other sound servers.

    The library names a card's device `:0,0` or `hw:0,0`, and the rest as ALSA does, without a card.
    """
    return [entry for entry in entries if ":" in _text(entry.id)]


def _text(device_id: Any) -> str:
    """Return an id of PulseAudio or ALSA, whose ids are names."""
    ffi = miniaudio.ffi
    return str(ffi.string(ffi.cast("char*", device_id)).decode("utf-8", "replace"))


def _entries(infos: Any, count: int) -> list[Entry]:
    ffi = miniaudio.ffi
    return [
        Entry(
            ffi.string(infos[index].name).decode("utf-8", "replace"),
            ffi.new("ma_device_id*", infos[index].id),
            bool(infos[index].isDefault),
        )
        for index in range(count)
    ]
