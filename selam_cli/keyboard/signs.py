"""Signs of a user at the terminal, looked for while a microphone is open and no held key proves that one is there.

A terminal answers its program's questions for as long as the link to it lives; tmux and GNU screen answer in its place,
and are asked whether they have a client. They are asked at the start, too: whether that client's keys come from afar.
"""

from __future__ import annotations

import os
import threading
from typing import Final

from selam_cli.keyboard import multiplexer
from selam_cli.keyboard.key_listener import KeyListener

ASK_EVERY_S: Final = 2.0
NO_SIGN_S: Final = 5.0
"""A question that is not answered for this long, or for four round trips, counts as unanswered."""

_ROUND_TRIPS: Final = 4
SILENT: Final = "The terminal gives no sign"
DETACHED: Final = "No terminal is attached any more"


class Signs:
    """Decides when to ask and when to believe that no user is there. Called by the thread that reads the keyboard."""

    def __init__(self, listener: KeyListener) -> None:
        self._listener = listener
        self._since: float | None = None
        self._sign_at = 0.0
        self._due_at: float | None = None
        """Since when an answer is due; not since the last sign, because the program itself may have been stopped."""
        self._missing = ""
        self._asking: threading.Thread | None = None
        self._asked_at = 0.0
        self._attached = True
        self._seen_attached = False
        """One that never had a client since the screen began is driven by a program, which sends its keys."""
        self._watched = multiplexer.watched(os.environ)
        self._far = self._far_told = multiplexer.may_be_far(os.environ)

    def on_read(self, now: float) -> None:
        """Something came from the terminal."""
        self._sign_at, self._due_at = now, None
        if self._missing == SILENT:
            self._found()

    def look(self, now: float, asked_at: float | None, round_trip_s: float) -> bool:
        """Take note of the time; True where a question is due.

        `asked_at` is when the oldest question was asked that waits for its answer, `round_trip_s` the longest time that
        an answer took, 0 where there was none: such a terminal's silence means nothing.
        """
        if not self._asked_at:
            self._ask_multiplexer(now)
        self._tell_far()
        if not (self._listener.wants_signs or self._missing):
            self._since = self._due_at = None
            return False
        if self._since is None:
            self._since, self._attached = now, True
        self._ask_multiplexer(now)
        quiet_since = max(self._since, self._sign_at)
        if not self._attached:
            self._miss(DETACHED, now)
        elif self._missing == DETACHED:
            self._found()
        elif self._due_at is not None and now - self._due_at > max(NO_SIGN_S, _ROUND_TRIPS * round_trip_s):
            self._miss(SILENT, now)
        due = bool(round_trip_s) and now - quiet_since > ASK_EVERY_S
        if due and self._due_at is None:
            self._due_at = now
        return due and asked_at is None

    def _miss(self, why: str, now: float) -> None:
        if not self._missing:
            self._missing = why
            self._listener.on_no_sign(why, now)

    def _found(self) -> None:
        self._missing = ""
        self._listener.on_back()

    def _tell_far(self) -> None:
        if self._far is not self._far_told:
            self._far_told = self._far
            self._listener.on_far(far=self._far_told)

    def _ask_multiplexer(self, now: float) -> None:
        """In a thread of its own: a tmux that hangs must not hold a key up."""
        busy = self._asking is not None and self._asking.is_alive()
        if self._watched and not busy and now - self._asked_at > ASK_EVERY_S:
            self._asked_at = now
            self._asking = threading.Thread(target=self._note_clients, name="clients", daemon=True)
            self._asking.start()

    def _note_clients(self) -> None:
        clients = multiplexer.clients(os.environ)
        self._seen_attached = self._seen_attached or bool(clients.attached)
        self._attached = clients.attached is not False or not self._seen_attached
        self._far = clients.far
