"""One exchange: from the press, or from speech that was heard, to what became of the answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """What is known of the turn there is besides its stage, its number and its texts, which are fields of the state."""

    open: bool = False
    """Whether its end has yet to be emitted."""
    outcome: str = "answered"
    """The outcome that is emitted at its end: answered, interrupted, discarded or failed."""
    understood: bool = False
    """Whether the server has said what it understood of it."""
    answered_early: bool = False
    """Whether an answer came before all of it was said, so that the answer proves nothing about the rest."""
    answer_is_over: bool = False
    """Whether that answer, which had no sound, is complete already."""
    said_whole: bool = False
    """Whether its last sample is known, and as much was handed to the connection as that takes."""
