"""A microphone or a speaker, as every sound library lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["input", "output"]

FOLLOWERS: Final = frozenset({"default", "pulse", "pipewire", "sysdefault"})
"""Names that mean whatever is the default device at the moment."""


@dataclass(frozen=True, slots=True)
class AudioDevice:
    """A microphone or a speaker. `number` is how a person may name it; it holds for this moment's list only."""

    number: int
    name: str
    direction: Direction
    channels: int
    default_rate_hz: int
    host_api: str
    is_default: bool
    monitor: bool = False
    """Whether it is no microphone but carries what a speaker plays (`core/monitors.py`)."""
