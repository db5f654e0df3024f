"""What the talk key does, where it stands, and what follows from it: the words and times of `push_to_talk`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from selam_cli.core.key_rhythm import RESUME_WITHIN_S

TAP_S: Final = 0.25
"""A reported release sooner than this makes the press a tap."""

SHORTEST_HOLD_S: Final = 0.50
"""A hold that says a word takes this long at least; decides where a stall hides how long the key was down."""

DOUBT_S: Final = 0.20
"""A repeat is followed by another within this; a press is not."""

DOUBT_AFTER_LATCH_S: Final = 2.2
"""The slowest delay before auto-repeat that systems offer, with room for a stall."""

RELEASE_LOST_S: Final = 1.5
"""Repeats came and stopped, and no release was reported: it was lost on the way."""

NEVER_REPEATED_S: Final = 3.0
"""The same for a key that does not even begin to repeat, on a keyboard that is known to (slowest delay: 2 s)."""

STRAGGLER_S: Final = 3.5
"""On a link that stalls, a single key this soon after the last one may be what was left of a hold: it is no tap."""

WARN_BEFORE_S: Final = 10.0


class Mode(StrEnum):
    """What the talk key does."""

    AUTO = "auto"
    """A hold talks while it lasts, a tap talks until the next tap."""
    HOLD = "hold"
    """Only a hold talks."""
    TOGGLE = "toggle"
    """Every press starts or stops, however long it is."""
    OPEN = "open"
    """The microphone is open; a press switches the listening of the agent."""


class KeyAction(Enum):
    """What follows from a key."""

    START = "start"
    STOP = "stop"
    RESUME = "resume"
    """The last STOP was wrongly inferred: the same utterance goes on."""
    LATCH = "latch"
    """It was a tap: the microphone stays open."""
    TOGGLE = "toggle"
    """In open mode: switch the agent's listening."""
    WARN = "warn"
    """The longest utterance is nearly reached."""


class KeyStage(Enum):
    """Where the key stands."""

    IDLE = "idle"
    PRESSED = "pressed"
    HELD = "held"
    LATCHED = "latched"
    ENDING = "ending"
    """A release was inferred; a key soon after means that it was not one."""
    SPENT = "spent"
    """The key that ended the talk, or was down when it was ended otherwise, may still be down."""
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Step:
    """An action and the monotonic time in seconds at which it holds (of the key itself, where a key caused it)."""

    action: KeyAction
    at: float
    inferred: bool = False
    """A STOP that was concluded from silence: a RESUME may still take it back."""
    within_s: float = RESUME_WITHIN_S
    """For how many seconds it may, if it was inferred."""
