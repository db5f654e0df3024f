"""What the conversation wants done: each is carried out in order, before the next input is handled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from selam_cli.core.events import Event
from selam_cli.core.protocol import AudioEnd, ClientMessage, ReplyChunk
from selam_cli.core.session import SessionState


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that is to be done outside of the machine."""


# --- to the user and to the server ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Emit(Effect):
    """Emit an event to the user's side."""

    event: Event


@dataclass(frozen=True, slots=True)
class Send(Effect):
    """Put a message on its way to the server."""

    message: ClientMessage


class Moment(StrEnum):
    """What the rest of the engine goes by."""

    TALK_BEGINS = "talk begins"
    TALK_ENDS = "talk ends"
    TURN_ENDS = "turn ends"


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """Let the rest of the engine know."""

    moment: Moment


# --- the microphone's side --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartCapture(Effect):
    """Record an utterance; nothing from before `clean_from` is the user's voice. Times are monotonic seconds."""

    turn: int
    pressed_at: float
    clean_from: float


@dataclass(frozen=True, slots=True)
class StopCapture(Effect):
    """End the recording a release tail after `released_at`, and no earlier than `at_least_s` after it."""

    released_at: float
    at_least_s: float


@dataclass(frozen=True, slots=True)
class ResumeCapture(Effect):
    """Go on with the recording that was about to end."""


@dataclass(frozen=True, slots=True)
class EndCapture(Effect):
    """End the recording now, without a tail."""


@dataclass(frozen=True, slots=True)
class AbandonCapture(Effect):
    """End the recording now; nothing of it is wanted."""


@dataclass(frozen=True, slots=True)
class Feed(Effect):
    """Hand the connection what is due of a recording; `whole`: all that is left, whether or not there is room.

    It is answered by the input `Fed`.
    """

    turn: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class StartOver(Effect):
    """Send a recording from its beginning."""

    turn: int


@dataclass(frozen=True, slots=True)
class Merge(Effect):
    """Make one recording, of `turn`, of those of other turns; `parts`: the turn of each, and its first sample."""

    turn: int
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Drop(Effect):
    """Forget a recording."""

    turn: int


@dataclass(frozen=True, slots=True)
class Withdraw(Effect):
    """Take back the sound that was handed to the connection and has not left."""


# --- the speaker's side -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginReply(Effect):
    """A turn begins, which may bring a reply."""


@dataclass(frozen=True, slots=True)
class PutReply(Effect):
    """Queue the next message of a reply; None: nothing more of it comes, and no message says so."""

    message: ReplyChunk | AudioEnd | None


@dataclass(frozen=True, slots=True)
class PlayReply(Effect):
    """Play a part of a reply; `goes_on`: it came with the part before. `state` is the conversation's at that time."""

    part: ReplyChunk
    goes_on: bool
    state: SessionState


@dataclass(frozen=True, slots=True)
class FinishReply(Effect):
    """Nothing more of the reply comes; `total_chunks` is what the server counted, None where it did not say."""

    total_chunks: int | None
    state: SessionState


@dataclass(frozen=True, slots=True)
class EndReply(Effect):
    """The reply is over; `heard_whole`: it was heard to its end."""

    heard_whole: bool
    state: SessionState


@dataclass(frozen=True, slots=True)
class CutReply(Effect):
    """Silence the agent, and report what was heard of it; `is_text_due`: a text without a sound is cut off as well."""

    is_text_due: bool
    state: SessionState


@dataclass(frozen=True, slots=True)
class StopReply(Effect):
    """Silence what sounds, without a word: it was a reply played again."""


@dataclass(frozen=True, slots=True)
class HoldReply(Effect):
    """Keep back the reply's sound: the user is talking."""


@dataclass(frozen=True, slots=True)
class ReleaseReply(Effect):
    """Play what was kept back."""


@dataclass(frozen=True, slots=True)
class TellPlayout(Effect):
    """Report how the reply plays."""

    state: SessionState


@dataclass(frozen=True, slots=True)
class SetVolume(Effect):
    """Set the reply's loudness, 0 to 100."""

    volume: int


@dataclass(frozen=True, slots=True)
class PlayCue(Effect):
    """Play a cue, by its name; `with_first_sound`: once the microphone is heard, not before."""

    cue: str
    with_first_sound: bool = False
