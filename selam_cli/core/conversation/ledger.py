"""Where every utterance is between the microphone and the server's sign that it has it.

Only the ledger moves an utterance, and only it makes the `utterance` event: so each is in one place, and what became of
it is emitted once. It holds figures alone; the sound is kept by the engine, and an effect says what it may drop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from selam_cli.core import events
from selam_cli.core.conversation import notices
from selam_cli.core.conversation.effects import Drop, Effect, Emit, Merge
from selam_cli.core.protocol import WIRE_RATE_HZ

KEPT_AT_MOST_S: Final = 600.0
"""Seconds of speech that are kept at most, 19 MB; past it the oldest goes, and a notice is emitted."""


class Place(StrEnum):
    """Where an utterance is."""

    RECORDING = "recording"
    """It is being said; what there is of it may be on its way already."""
    SENDING = "sending"
    """It is complete, and not all of it has been handed to the connection."""
    UNCONFIRMED = "unconfirmed"
    """All of it was handed to the connection, and the server has given no sign of it yet."""
    KEPT = "kept"
    """It could not be delivered; the user may send it later."""
    CONFIRMED = "confirmed"
    """The server has it, or its turn is over and nothing of it is wanted any more."""
    MERGED = "merged"
    """It was kept, and goes out as a part of another."""
    DISCARDED = "discarded"
    """The user threw it away, or there was nothing in it."""


MOVES: Final[dict[Place, frozenset[Place]]] = {
    Place.RECORDING: frozenset({Place.SENDING, Place.DISCARDED}),
    Place.SENDING: frozenset({Place.UNCONFIRMED, Place.KEPT, Place.DISCARDED}),
    Place.UNCONFIRMED: frozenset({Place.SENDING, Place.KEPT, Place.CONFIRMED, Place.DISCARDED}),
    Place.KEPT: frozenset({Place.MERGED, Place.DISCARDED}),
    Place.CONFIRMED: frozenset(),
    Place.MERGED: frozenset(),
    Place.DISCARDED: frozenset(),
}
"""Place → where it may go from there. From the last three nothing goes anywhere, and the sound is not kept."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance's figures: samples at 16 kHz, monotonic seconds, RMS of int16 samples. Its turn is its name."""

    turn: int
    pressed_at: float
    place: Place = Place.RECORDING
    samples: int = 0
    sent_samples: int = 0
    """How many of them were handed to the connection of this session."""
    session: int = 0
    """The session, by its number, that those went to."""
    loudest: float = 0.0
    """The loudest 100 ms of it, once it is complete."""
    ended_at: float = 0.0
    """When it was complete."""
    resent: bool = False
    """Whether a part of it, or all, has gone to an earlier session."""
    confirmed_by: int | None = None
    """The number of the acknowledged interruption, counted in its session, by which the server surely has it.

    Set when its turn is left: the interruption that leaves it follows it on the wire.
    """

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / WIRE_RATE_HZ

    @property
    def unsent_s(self) -> float:
        """How much of it has not been handed to the connection."""
        return (self.samples - self.sent_samples) / WIRE_RATE_HZ

    @property
    def complete(self) -> bool:
        """Whether its last sample is in."""
        return self.place is not Place.RECORDING


class UtteranceLedger:
    """All utterances that something may yet become of, by their turns."""

    def __init__(self, do: Callable[[Effect], None]) -> None:
        """`do` is given each effect of a move."""
        self._do = do
        self._all: dict[int, Utterance] = {}

    def __getitem__(self, turn: int) -> Utterance:
        return self._all[turn]

    def get(self, turn: int | None) -> Utterance | None:
        """Return the utterance of a turn; None where there is none, or nothing can become of it any more."""
        return None if turn is None else self._all.get(turn)

    def at(self, *places: Place) -> list[Utterance]:
        """Return the utterances in these places, in the order in which they were said."""
        found = [utterance for utterance in self._all.values() if utterance.place in places]
        return sorted(found, key=_said_at) if len(found) > 1 else found

    @property
    def recording(self) -> Utterance | None:
        """What is being said, its release tail included."""
        return next(iter(self.at(Place.RECORDING)), None)

    @property
    def kept_s(self) -> float:
        """Seconds of speech that are kept."""
        return _seconds(self.at(Place.KEPT))

    @property
    def unsent_s(self) -> float:
        """Seconds of speech that are on their way and have not been handed to the connection."""
        return sum(utterance.unsent_s for utterance in self.at(Place.RECORDING, Place.SENDING))

    # --- figures ------------------------------------------------------------------------------------------------------

    def open(self, turn: int, pressed_at: float) -> Utterance:
        """Begin an utterance."""
        return self._put(Utterance(turn, pressed_at))

    def grow(self, turn: int, samples: int) -> Utterance:
        """Note how long it is by now."""
        return self._put(replace(self._all[turn], samples=samples))

    def complete(self, turn: int, loudest: float, now: float) -> Utterance:
        """Its last sample is in."""
        self._put(replace(self._all[turn], loudest=loudest, ended_at=now))
        return self.move(turn, Place.SENDING)

    def handed_over(self, turn: int, sent_samples: int, session: int) -> Utterance:
        """Note how much of it this session's connection was given."""
        return self._put(replace(self._all[turn], sent_samples=sent_samples, session=session))

    def start_over(self, turn: int) -> Utterance:
        """A new session knows nothing of it: all of it is unsent again."""
        utterance = self._all[turn]
        resent = utterance.resent or utterance.sent_samples > 0
        self._put(replace(utterance, resent=resent, sent_samples=0, confirmed_by=None))
        return self.move(turn, Place.SENDING) if utterance.place is Place.UNCONFIRMED else self._all[turn]

    # --- moves --------------------------------------------------------------------------------------------------------

    def move(self, turn: int, to: Place, why: str = "") -> Utterance:
        """Move an utterance, and emit what became of it; `why` stands in the notice of one that is kept."""
        utterance = self._all[turn]
        if to not in MOVES[utterance.place]:
            raise ValueError(f"an utterance does not go from {utterance.place} to {to}")
        utterance = self._put(replace(utterance, place=to))
        match to:
            case Place.UNCONFIRMED:
                self._tell(utterance, "resent" if utterance.resent else "sent")
            case Place.DISCARDED:
                self._tell(utterance, "discarded")
            case Place.KEPT:
                self._tell(utterance, "kept")
                self._make_room()
                self._do(Emit(notices.kept(utterance.seconds, why)))
        if not MOVES[to]:
            del self._all[turn]
            self._do(Drop(turn))
        return utterance

    def doubt(self, turn: int, acknowledgements: int) -> None:
        """Its turn is left without a sign of it: until this many interruptions are acknowledged, it may be lost."""
        self._put(replace(self._all[turn], confirmed_by=acknowledgements))
        while _seconds(self.doubtful) > KEPT_AT_MOST_S and len(self.doubtful) > 1:
            # A server that never gives a sign has most likely had the oldest all the same.
            self.move(self.doubtful[0].turn, Place.CONFIRMED)

    @property
    def doubtful(self) -> list[Utterance]:
        """The utterances of turns that were left, of which the server has given no sign."""
        return [utterance for utterance in self.at(Place.UNCONFIRMED) if utterance.confirmed_by is not None]

    def acknowledged(self, interruptions: int) -> None:
        """This many interruptions of this session have been acknowledged."""
        for utterance in self.doubtful:
            if utterance.confirmed_by is not None and utterance.confirmed_by <= interruptions:
                self.move(utterance.turn, Place.CONFIRMED)

    def all_arrived(self) -> None:
        """The server answers what was said later."""
        for utterance in self.doubtful:
            self.move(utterance.turn, Place.CONFIRMED)

    def discard_kept(self) -> None:
        """Throw away what is kept."""
        for utterance in self.at(Place.KEPT):
            self.move(utterance.turn, Place.DISCARDED)

    def merge_kept(self, turn: int, session: int, now: float) -> Utterance:
        """Make one utterance, of this turn, of everything that is kept.

        What of it was sent in the present session is left out: the server has heard it there.
        """
        kept = self.at(Place.KEPT)
        heard = {u.turn: u.sent_samples if u.session == session else 0 for u in kept}
        whole = Utterance(
            turn,
            kept[-1].pressed_at,
            Place.SENDING,
            samples=sum(u.samples - heard[u.turn] for u in kept),
            ended_at=now,
            resent=any(u.resent or u.sent_samples for u in kept),
        )
        self._do(Merge(turn, tuple(heard.items())))
        for utterance in kept:
            self.move(utterance.turn, Place.MERGED)
        return self._put(whole)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _put(self, utterance: Utterance) -> Utterance:
        self._all[utterance.turn] = utterance
        return utterance

    def _tell(self, utterance: Utterance, outcome: str) -> None:
        self._do(Emit(events.UtteranceOutcome(utterance.turn, outcome, round(utterance.seconds, 3))))

    def _make_room(self) -> None:
        gone_s = 0.0
        while self.kept_s > KEPT_AT_MOST_S and len(self.at(Place.KEPT)) > 1:
            gone_s += self.move(self.at(Place.KEPT)[0].turn, Place.DISCARDED).seconds
        if gone_s:
            self._do(Emit(notices.kept_full(KEPT_AT_MOST_S, gone_s)))


def _said_at(utterance: Utterance) -> float:
    return utterance.pressed_at


def _seconds(utterances: Iterable[Utterance]) -> float:
    return sum(utterance.seconds for utterance in utterances)
