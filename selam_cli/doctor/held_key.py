"""Listens to the talk key being held, with the conversation's own key reader, and says what follows from it."""

from __future__ import annotations

import codecs
import threading
import time
from enum import Enum, auto
from typing import Final

from selam_cli.core.push_to_talk import Mode
from selam_cli.doctor.finding import Finding, ok, skipped, warning
from selam_cli.doctor.keyboard import raw_keyboard
from selam_cli.keyboard.key_parser import ALL_FLAGS, as_named
from selam_cli.keyboard.key_reader import KeyReader
from selam_cli.keyboard.talk_key import Edge
from selam_cli.tui.key_log import KeyLog, verdict

NOBODY_AFTER_S: Final = 15.0
RESTED_AFTER_S: Final = 1.2
"""A held key repeats sooner than this, in every terminal that was measured."""

_FLAGS: Final = f"\x1b[>{ALL_FLAGS}u".encode()
"""As the conversation asks for them."""


class Outcome(Enum):
    """What the person did."""

    HELD = auto()
    LEFT_OUT = auto()
    INTERRUPTED = auto()


def listen(log: KeyLog, key: str, stop: threading.Event) -> Outcome:
    """Listen until the key was held and let go, or another one was pressed, or the time is over, or `stop` is set.

    Raises NoKeyboard. Blocks for NOBODY_AFTER_S and the time of the hold.
    """
    listener = _Listener(log, key)
    hearing = KeyReader(listener, "")
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    with raw_keyboard(stop) as keyboard:
        keyboard.write(_FLAGS)
        try:
            hearing.ask_for_releases(lambda text: keyboard.write(text.encode()))
            hearing.start()
            while listener.outcome is None and time.monotonic() < listener.end_at and not stop.is_set():
                read = keyboard.read(hearing.rest_for_s())
                if read == b"":
                    return Outcome.LEFT_OUT  # the terminal is gone
                for _ in hearing.rest(time.monotonic()) if read is None else hearing.hear(decode(read)):
                    pass  # what is left for a screen
        finally:
            keyboard.forget_flags()
    return listener.outcome or (Outcome.HELD if listener.pressed else Outcome.LEFT_OUT)


def finding(log: KeyLog, mode: Mode, key: str, outcome: Outcome) -> Finding:
    """Say what was learned, as `selam-voice keys` does."""
    if outcome is not Outcome.HELD:
        return skipped("keys.repeat", "The talk key was not held.", "selam-voice keys shows it at any time.")
    way, _explanation, *learned = verdict(log, mode, key)
    told = " ".join((way, *learned))
    if log.release_told or log.rhythm.interval is not None or mode in {Mode.TOGGLE, Mode.OPEN}:
        return ok("keys.repeat", told)
    remedy = "Switch the keyboard's auto-repeat on, or tap: once to talk, once more to send."
    return warning("keys.repeat", told, remedy)


class _Listener:
    """Hands everything on to the log of keys, and notices when there is enough of it."""

    directly_fed = True

    def __init__(self, log: KeyLog, key: str) -> None:
        self._log = log
        self.key = key
        self._key = as_named(key)
        self.end_at = time.monotonic() + NOBODY_AFTER_S
        self.pressed = False
        self._released = False
        self.outcome: Outcome | None = None

    def on_read(self, text: str) -> None:
        self._log.on_read(text)

    def on_typed(self, key: str, character: str) -> None:
        self._log.on_typed(key, character)

    def on_edge(self, key: str, edge: Edge, at: float, since: float | None = None) -> bool:
        if key == self._key:
            self.pressed = True
            self.end_at = at + RESTED_AFTER_S
            self._log.on_edge(key, edge, at, since)
            self._released = edge is Edge.RELEASE
        elif edge is Edge.PRESS:
            self.outcome = Outcome.INTERRUPTED if key == "ctrl+c" else Outcome.LEFT_OUT
        return True

    def on_button(self, x: int, y: int, *, down: bool, at: float) -> None:
        """The mouse has no part in it."""

    def on_focus(self, *, focused: bool, at: float) -> None:
        """Nor has the focus."""

    def on_release_told(self, *, told: bool) -> None:
        self._log.on_release_told(told=told)

    def on_far(self, *, far: bool) -> None:
        self._log.on_far(far=far)

    def on_leave(self, at: float) -> None:
        self._log.on_leave(at)

    def on_back(self) -> None:
        """It begins once."""

    @property
    def wants_signs(self) -> bool:
        return False

    def on_no_sign(self, why: str, at: float) -> None:
        """No microphone is open."""

    def deadline(self) -> float | None:
        return self._log.deadline()

    def tick(self, now: float) -> None:
        self._log.tick(now)
        if self._released and not self._log.key_down:  # it was not half of a repeat
            self.outcome = Outcome.HELD
