"""What happens to a conversation, and what it must know of its surroundings when it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selam_cli.core.protocol import Action, AudioEnd, ClientMessage, ReplyChunk, ServerMessage


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The line and the loudspeaker at the moment of an input."""

    up: bool = False
    """Whether there is a session to send to."""
    queued_s: float = 0.0
    """Seconds of sound that the connection was given and has not sent."""
    reply_active: bool = False
    """Whether there is a reply that has begun and was neither cut off nor ended."""
    reply_sounding: bool = False
    """Whether it sounds or is about to."""
    reply_drained: bool = False
    """Whether it is complete and has sounded to its end."""
    reply_held: bool = False
    """Whether sound of it was kept back."""
    replaying: bool = False
    """Whether it is one that is played again."""
    buffered_ms: float = 0.0
    """How much of it waits to sound."""
    reply_queued: bool = False
    """Whether messages of it have not reached the player."""


class Input:
    """Something that happened."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TimePassed(Input):
    """A deadline has come."""


@dataclass(frozen=True, slots=True)
class Updated(Input):
    """Fields of the state change that no turn moves: voice, microphone, …"""

    changes: Mapping[str, object]


# --- what the user does -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pressed(Input):
    """The user begins to talk, at this monotonic time; what was heard before `clean_from` holds the agent's voice."""

    at: float
    clean_from: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Released(Input):
    """The user has ended; it may be taken back for `within_s` seconds where that is only inferred."""

    at: float
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class MicrophoneClosed(Input):
    """What is being said ends at once, without a tail; it is not thrown away."""


@dataclass(frozen=True, slots=True)
class Discarded(Input):
    """Throw away what is being said, or what is kept."""


@dataclass(frozen=True, slots=True)
class Interrupted(Input):
    """Silence the agent."""


@dataclass(frozen=True, slots=True)
class Asked(Input):
    """The server is asked for one of the actions that change how it listens."""

    action: Action


@dataclass(frozen=True, slots=True)
class Muted(Input):
    """The user's microphone is closed to the server, or open again."""

    on: bool


@dataclass(frozen=True, slots=True)
class VolumeSet(Input):
    """The reply's loudness, 0 to 100."""

    volume: int


@dataclass(frozen=True, slots=True)
class CuesSwitched(Input):
    """Whether the beginning and the end of talking are marked by a sound."""

    on: bool


@dataclass(frozen=True, slots=True)
class Replayed(Input):
    """The last reply sounds again."""


@dataclass(frozen=True, slots=True)
class ResendAsked(Input):
    """What is kept is to be sent, now or as soon as there is a session."""


# --- what is said -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grew(Input):
    """The recording of a turn has this many samples by now."""

    turn: int
    samples: int


@dataclass(frozen=True, slots=True)
class Completed(Input):
    """The recording's last sample is in; `loudest` is the RMS of its loudest 100 ms."""

    turn: int
    loudest: float


@dataclass(frozen=True, slots=True)
class Fed(Input):
    """This many samples of a recording were handed to the connection; `whole`: all, and the silence behind them."""

    turn: int
    sent_samples: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Sent(Input):
    """A message has left this machine."""

    message: ClientMessage


@dataclass(frozen=True, slots=True)
class SoundDropped(Input):
    """This many seconds of an open microphone's sound had no room on the connection."""

    seconds: float


# --- what the connection does -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionOpened(Input):
    """There is a session."""


@dataclass(frozen=True, slots=True)
class LinkLost(Input):
    """The connection broke."""


@dataclass(frozen=True, slots=True)
class Reconnecting(Input):
    """A connection is tried, because the user did something."""


@dataclass(frozen=True, slots=True)
class Rested(Input):
    """There is no connection, for this reason, and none is tried until the user does something."""

    why: str


@dataclass(frozen=True, slots=True)
class Stalled(Input):
    """The server has stopped reading what it is sent, or reads again."""

    on: bool


@dataclass(frozen=True, slots=True)
class Closed(Input):
    """The conversation is over."""


# --- what the server says ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerSaid(Input):
    """A message of the server's."""

    message: ServerMessage


@dataclass(frozen=True, slots=True)
class ReplySlice(Input):
    """A part of a reply's sound is due; `goes_on`: it came with the part before."""

    part: ReplyChunk
    goes_on: bool


@dataclass(frozen=True, slots=True)
class ReplyEnd(Input):
    """All of the reply's sound was played out of the queue; None: the connection broke behind it."""

    message: AudioEnd | None
