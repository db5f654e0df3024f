"""The policy of coming back: whether another attempt follows one that ended, and after what wait. Pure.

There is no clock and no randomness in it: the length of a session and a number for the spread of the waits are handed
in, so that a table can show what it decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 8.0
STEADY_AFTER_S: Final = 5.0
"""A session that held for less does not count as a success: the waits between attempts go on growing."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt follows after `delay_s`; `attempt` is its number since the last session, or since the start."""

    attempt: int
    delay_s: float


class RetryPolicy:
    """Counts attempts that failed and waits that were made; a steady session is what makes the waits short again."""

    def __init__(self, attempts: int | None = None) -> None:
        """`attempts` bounds a row of failures before the first session; after one there is no bound."""
        self._attempts = attempts
        self._failures = 0
        self._waits = 0
        self._had_session = False
        self._replaced_s: float | None = None

    def after(self, session_s: float | None, chance: float) -> Retry | None:
        """Return what follows an attempt whose session lasted `session_s`, None where it had none; None to give up.

        `chance`, between 0 and 1, spreads apart the clients that lost the same server: it cuts the wait by up to half.
        """
        session_s, self._replaced_s = (self._replaced_s if session_s is None else session_s), None
        self._had_session = self._had_session or session_s is not None
        self._failures = self._failures + 1 if session_s is None else 0
        if session_s is not None and session_s >= STEADY_AFTER_S:
            self._waits = 0
        if self._attempts is not None and not self._had_session and self._failures >= self._attempts:
            return None
        delay_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(self._waits, 10)) * (0.5 + chance / 2)
        self._waits += 1
        return Retry(self._failures + 1, delay_s)

    def replaced(self, session_s: float | None) -> None:
        """A session was ended for one with other settings, which is tried at once.

        If that attempt fails, it counts as the loss of the session that it was to replace.
        """
        self._replaced_s = session_s

    def hurried(self) -> None:
        """The wait was cut short because an attempt has a new chance: earlier failures lengthen no wait any more."""
        self._waits = 0
