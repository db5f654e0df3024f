"""Which microphones and speakers there are, and which one a person means."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Final, Literal

from selam_cli.core.outside_text import variable
from selam_cli.errors import DeviceError

Direction = Literal["input", "output"]

BACKEND_VARIABLE: Final = "SELAM_SOUND"
"""Set to portaudio or miniaudio, it keeps the other from being tried."""


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone or a speaker. `number` is how a person may name it; it holds for this moment's list only."""

    number: int
    name: str
    direction: Direction
    channels: int
    default_rate_hz: int
    host_api: str
    is_default: bool


def backends() -> list[ModuleType]:
    """Return the modules that wrap a sound library which loads here, the preferred one first."""
    wanted = variable(os.environ, BACKEND_VARIABLE)
    found: list[ModuleType] = []
    if wanted != "miniaudio":
        try:
            from selam_cli.sound import portaudio  # noqa: PLC0415  # it needs a system library

            found.append(portaudio)
        except ImportError:
            pass  # the wheel for Linux brings no PortAudio of its own
    if wanted != "portaudio":
        try:
            from selam_cli.sound import mini  # noqa: PLC0415  # no wheel on every platform

            found.append(mini)
        except ImportError:
            pass
    return found


def list_devices() -> list[Device]:
    """Return all devices: the microphones as the first library that finds any lists them, the speakers likewise."""
    return [device for direction in ("input", "output") for _, device in _candidates(direction)]


def find_device(spec: str | None, direction: Direction) -> tuple[ModuleType, Device]:
    """Return the device that is meant and the module that opens it.

    `spec` is None for the default one, a number, or a part of a name. Raises DeviceError where there is none.
    """
    candidates = _candidates(direction)
    if not candidates:
        raise no_device(direction)
    if spec is None:
        return next((candidate for candidate in candidates if candidate[1].is_default), candidates[0])
    number = int(spec) if spec.isascii() and spec.isdigit() else None
    by_number = next((candidate for candidate in candidates if candidate[1].number == number), None)
    name = best_match(spec, [device.name for _, device in candidates])
    found = by_number or next((candidate for candidate in candidates if candidate[1].name == name), None)
    if found is None:
        names = ", ".join(f"{device.number} {device.name}" for _, device in candidates[:6])
        raise DeviceError(f"There is no {_WORDS[direction]} {spec!r}. There is: {names}.", "See selam-voice devices.")
    return found


def best_match(spec: str, names: Sequence[str]) -> str | None:
    """Return the name that a person means: the whole of it, else its beginning, else a part; None where none fits."""
    wanted = spec.casefold()
    for fits in (str.__eq__, str.startswith, str.__contains__):
        for name in names:
            if fits(name.casefold(), wanted):
                return name
    return None


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


def _candidates(direction: Direction) -> list[tuple[ModuleType, Device]]:
    found: list[tuple[ModuleType, Device]] = []
    for backend in backends():
        if not found:
            found = [(backend, device) for device in backend.list_devices() if device.direction == direction]
        elif found[0][1].host_api == "ALSA":
            # Through ALSA, PortAudio sees the sound server as one device; the server knows all of them by their names.
            named = [device for device in backend.named_devices() if device.direction == direction]
            first = max(device.number for _, device in found) + 1
            found += [(backend, replace(device, number=first + index)) for index, device in enumerate(named)]
    return found
