"""Which microphones and speakers there are, and which one a person means."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Final

from selam_cli.core.outside_text import variable
from selam_cli.errors import DeviceError
from selam_cli.sound.device import FOLLOWERS, AudioDevice, Direction

BACKEND_VARIABLE: Final = "SELAM_SOUND"
"""Set to portaudio or miniaudio, it keeps the other from being tried."""


def backends() -> list[ModuleType]:
    """Return the modules that wrap a sound library which loads here, the preferred one first."""
    wanted = variable(os.environ, BACKEND_VARIABLE)
    found: list[ModuleType] = []
    if wanted != "miniaudio":
        try:
            from selam_cli.sound import portaudio  # it needs a system library

            found.append(portaudio)
        except ImportError:
            pass  # the wheel for Linux brings no PortAudio of its own
    if wanted != "portaudio":
        try:
            from selam_cli.sound import mini  # no wheel on every platform

            found.append(mini)
        except ImportError:
            pass
    return found


def list_devices() -> list[AudioDevice]:
    """Return all devices: the microphones as the first library that finds any lists them, the speakers likewise."""
    return [device for direction in ("input", "output") for _, device in _candidates(direction)]


def find_device(spec: str | None, direction: Direction, *, no_monitor: bool = False) -> tuple[ModuleType, AudioDevice]:
    """Return the device that is meant and the module that opens it.

    `spec` is None for the default one, a number, or a part of a name; of a monitor, the whole name. Raises DeviceError
    where there is none; with `no_monitor` also where the default one is a monitor and there is nothing else.
    """
    candidates = _candidates(direction)
    if not candidates:
        raise no_device(direction)
    if spec is None:
        default = _default(candidates)
        if no_monitor and default[1].monitor:
            raise no_device(direction)
        return default
    number = int(spec) if spec.isascii() and spec.isdigit() else None
    by_number = next((candidate for candidate in candidates if candidate[1].number == number), None)
    monitors = [device.name for _, device in candidates if device.monitor]
    name = best_match(spec, [device.name for _, device in candidates if not device.monitor], monitors)
    found = by_number or next((candidate for candidate in candidates if candidate[1].name == name), None)
    if found is None:
        raise _not_found(spec, direction, [device for _, device in candidates])
    return found


def best_match(spec: str, names: Sequence[str], monitors: Sequence[str] = ()) -> str | None:
    """Return the name that a person means: the whole of it, else its beginning, else a part; None where none fits.

    A monitor is meant by the whole of its name only: it shares the rest with the headset whose speaker it hears.
    """
    wanted = spec.casefold()
    for fits in (str.__eq__, str.startswith, str.__contains__):
        for name in (*names, *monitors) if fits is str.__eq__ else names:
            if fits(name.casefold(), wanted):
                return name
    return None


def _default(candidates: list[_Candidate]) -> _Candidate:
    """Return the system's choice; a microphone where that is a monitor, and the monitor where there is no other."""
    microphones = [candidate for candidate in candidates if not candidate[1].monitor]
    default = next((candidate for candidate in candidates if candidate[1].is_default), None)
    if default is not None and (not default[1].monitor or not microphones):
        return default
    # Hardware that ALSA lists is mostly the sound server's, so what the server lists itself comes first.
    on_server = [candidate for candidate in microphones if candidate[1].host_api == "PulseAudio"]
    return (on_server or microphones or candidates)[0]


def _not_found(spec: str, direction: Direction, listed: list[AudioDevice]) -> DeviceError:
    microphones = [device for device in listed if not device.monitor]
    names = ", ".join(f"{device.number} {device.name}" for device in (microphones or listed)[:6])
    remedy = "See selam-voice devices."
    if best_match(spec, [device.name for device in listed if device.monitor]) is not None:
        remedy = f"A monitor, which carries what a speaker plays, is chosen by its full name. {remedy}"
    return DeviceError(f"There is no {_WORDS[direction]} {spec!r}. There is: {names}.", remedy)


def look_again() -> None:
    """Have every library list the devices as they are; all of its streams must have been closed."""
    for backend in backends():
        backend.look_again()


def no_device(direction: Direction) -> DeviceError:
    """Say that there is nothing to speak into or hear from, and what helps."""
    remedy = (
        "Connect one, or speak from a file with --input FILE."
        if direction == "input"
        else "Connect one, or go on without sound with --output null."
    )
    if sys.platform.startswith("linux"):
        remedy += " On Linux, PortAudio needs the packages libportaudio2 and libasound2-plugins."
    return DeviceError(f"There is no {_WORDS[direction]} that can be used.", remedy)


_WORDS: Final = {"input": "microphone", "output": "speaker"}
_Candidate = tuple[ModuleType, AudioDevice]


def _candidates(direction: Direction) -> list[_Candidate]:
    found: list[_Candidate] = []
    for backend in backends():
        if not found:
            found = [(backend, device) for device in backend.list_devices() if device.direction == direction]
        elif found[0][1].host_api == "ALSA":
            # Through ALSA, PortAudio sees the sound server as one device; the server knows all of them by their names.
            on_server = [device for device in backend.server_devices() if device.direction == direction]
            if any(device.is_default and device.monitor for device in on_server):
                found = [(library, replace(device, monitor=device.name in FOLLOWERS)) for library, device in found]
            first = max(device.number for _, device in found) + 1
            named = [device for device in on_server if not device.is_default]
            found += [(backend, replace(device, number=first + index)) for index, device in enumerate(named)]
    return found
