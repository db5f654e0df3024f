"""Which microphones and speakers there are, and which one a person means."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Literal

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
    wanted = os.environ.get(BACKEND_VARIABLE, "")
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
    return [*_candidates("input")[1], *_candidates("output")[1]]


def find_device(spec: str | None, direction: Direction) -> tuple[ModuleType, Device]:
    """Return the device that is meant and the module that opens it.

    `spec` is None for the default one, a number, or a part of a name. Raises DeviceError where there is none.
    """
    backend, candidates = _candidates(direction)
    if backend is None:
        raise no_device(direction)
    if spec is None:
        return backend, next((device for device in candidates if device.is_default), candidates[0])
    found = _by_number(spec, candidates) or _by_name(spec, candidates)
    if found is None:
        names = ", ".join(f"{device.number} {device.name}" for device in candidates[:6])
        raise DeviceError(f"There is no {_WORDS[direction]} {spec!r}. There is: {names}.", "See selam-voice devices.")
    return backend, found


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


def _candidates(direction: Direction) -> tuple[ModuleType | None, list[Device]]:
    for backend in backends():
        found = [device for device in backend.list_devices() if device.direction == direction]
        if found:
            return backend, found
    return None, []


def _by_number(spec: str, candidates: list[Device]) -> Device | None:
    if not (spec.isascii() and spec.isdigit()):
        return None
    return next((device for device in candidates if device.number == int(spec)), None)


def _by_name(spec: str, candidates: list[Device]) -> Device | None:
    wanted = spec.casefold()
    for fits in (str.__eq__, str.startswith, str.__contains__):
        for device in candidates:
            if fits(device.name.casefold(), wanted):
                return device
    return None
