"""What was said and has not reached the agent, or may not have: kept until it is sent, or thrown away by the user."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Final

from selam_cli.engine import events
from selam_cli.engine.capture import Utterance

KEPT_AT_MOST_S: Final = 600.0
"""Seconds of speech that are kept at most, 19 MB; past it the oldest goes, and the user is told."""


class Undelivered:
    """Speech that is kept for `resend`, and speech of turns that were left before the server gave a sign of it."""

    def __init__(self, emit: Callable[[events.Event], None], on_change: Callable[[float], None]) -> None:
        """`on_change` is told how many seconds are kept."""
        self._emit = emit
        self._on_change = on_change
        self._kept: list[Utterance] = []
        self._doubtful: list[tuple[int, Utterance]] = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    def keep(self, utterance: Utterance, why: str) -> None:
        """Put by what could not be delivered, in its place among what is kept already: by the time it was said."""
        insort(self._kept, utterance, key=lambda kept: kept.pressed_at)
        self._emit(events.Utterance(utterance.turn, "kept", round(utterance.seconds, 3)))
        self._make_room()
        self._changed()
        sentence = f"{utterance.seconds:.1f} s of speech are kept: {why}."
        self._emit(events.Notice("kept", "info", sentence, "Send them with resend."))

    def take(self, session: int) -> Utterance | None:
        """Hand over everything kept as one utterance; None where nothing is.

        What of it went to the session that there is now is left out: that has heard it.
        """
        if not self._kept:
            return None
        whole = Utterance(self._kept[-1].turn, self._kept[-1].pressed_at, complete=True)
        for utterance in self._kept:
            heard_bytes = utterance.sent_bytes if utterance.session == session else 0
            whole.audio += utterance.audio[heard_bytes:]
            whole.resent = whole.resent or utterance.resent or utterance.sent_bytes > 0
        self._kept.clear()
        self._changed()
        return whole

    def discard(self) -> None:
        """Throw away what is kept."""
        kept, self._kept = self._kept, []
        for utterance in kept:
            self._emit(events.Utterance(utterance.turn, "discarded", round(utterance.seconds, 3)))
        if kept:
            self._changed()

    def doubt(self, utterance: Utterance, acknowledgements: int) -> None:
        """Its turn was left unanswered: until so many interruptions are acknowledged, it may be lost on its way.

        The interruption that ends its turn follows it on the wire, so who acknowledges that has the utterance.
        """
        self._doubtful.append((acknowledgements, utterance))
        while _seconds(said for _, said in self._doubtful) > KEPT_AT_MOST_S and len(self._doubtful) > 1:
            del self._doubtful[0]  # a server that never gives a sign has most likely had it all the same

    def arrived(self, acknowledgements: int) -> None:
        """So many interruptions of this session have been acknowledged."""
        self._doubtful = [(needed, utterance) for needed, utterance in self._doubtful if needed > acknowledgements]

    def all_arrived(self) -> None:
        """The server answers what was said later."""
        self._doubtful.clear()

    def lose(self) -> list[Utterance]:
        """The connection broke: return what may have been lost with it."""
        doubtful, self._doubtful = self._doubtful, []
        return [utterance for _, utterance in doubtful]

    def _make_room(self) -> None:
        gone: list[Utterance] = []
        while _seconds(self._kept) > KEPT_AT_MOST_S and len(self._kept) > 1:
            gone.append(self._kept.pop(0))
        for utterance in gone:
            self._emit(events.Utterance(utterance.turn, "discarded", round(utterance.seconds, 3)))
        if gone:
            most_min = KEPT_AT_MOST_S / 60
            sentence = f"At most {most_min:g} minutes of speech are kept: the oldest {_seconds(gone):.1f} s are gone."
            self._emit(events.Notice("kept_full", "warning", sentence, "Send the rest with resend while you can."))

    def _changed(self) -> None:
        self._on_change(round(_seconds(self._kept), 3))


def _seconds(utterances: Iterable[Utterance]) -> float:
    return sum(utterance.seconds for utterance in utterances)
