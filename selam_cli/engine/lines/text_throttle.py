"""Emits a growing text as often as a user could read it, and not as often as it grows.

A `response` line carries the whole answer so far, so a line for every letter of a long one would be gigabytes. The
first piece is emitted at once; what follows within a moment is emitted as one line, with the text as it is then. The
order is kept: an event that comes after a text sends the text before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeGuard

from selam_cli.core.events import Audio, Event, Level, Playout, Response, StateChanged, Transcription

EVERY_S: Final = 0.03
CHARACTERS_PER_S: Final = 1_000_000
"""The longer a text, the rarer it is emitted as a whole."""

_PASSING: Final = (StateChanged, Level, Playout, Audio)


@dataclass(slots=True)
class _Growing:
    """A text that was emitted a moment ago, as it is now; `timer` emits it again if it has grown."""

    text: Response | Transcription
    timer: asyncio.TimerHandle
    told: bool = True


class TextThrottle:
    """Stands between the engine and its listener; to be called on the loop's thread, like the engine itself."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._growing: dict[type[Event], _Growing] = {}
        """An answer and a transcription may grow side by side."""

    def __call__(self, event: Event) -> None:
        """Emit an event, or a growing text a moment later."""
        if isinstance(event, _PASSING):
            self._emit(event)
        elif not _is_text(event):
            self._settle(event)
            self._emit(event)
        elif (growing := self._growing.get(type(event))) is not None and _replaces(event, growing.text):
            growing.text, growing.told = event, False
        else:
            if any(other.text.turn != event.turn for other in self._growing.values()):
                self._settle(event)
            self._emit(event)
            self._rest(event)

    def _rest(self, text: Response | Transcription) -> None:
        every_s = max(EVERY_S, len(text.text) / CHARACTERS_PER_S)
        timer = asyncio.get_running_loop().call_later(every_s, self._on_time, type(text))
        self._growing[type(text)] = _Growing(text, timer)

    def _on_time(self, kind: type[Event]) -> None:
        growing = self._growing.pop(kind)
        if not growing.told:
            self._emit(growing.text)
            self._rest(growing.text)

    def _settle(self, event: Event) -> None:
        """Something else is to be emitted: the texts go first, except one that this event replaces."""
        growing, self._growing = self._growing, {}
        for each in growing.values():
            each.timer.cancel()
            if not each.told and not _replaces(event, each.text):
                self._emit(each.text)


def _is_text(event: Event) -> TypeGuard[Response | Transcription]:
    return isinstance(event, Response) or (isinstance(event, Transcription) and not event.is_final)


def _replaces(event: Event, text: Response | Transcription) -> bool:
    """Say whether an event holds all that a text before it held: an answer so far, what revises a transcription."""
    return isinstance(event, type(text)) and event.turn == text.turn
