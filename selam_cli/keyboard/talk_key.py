"""Between the keyboard and the engine: the talk key and Escape, handled where they are read.

Called by the thread that reads the keyboard and by the one that hears the engine, so that a busy screen delays neither
the microphone nor an interruption, and by the screen's own thread for what it knows: that a dialogue is open. So every
method takes one lock, and what follows is sent while it is held, in the order in which it happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from selam_cli.core.key_rhythm import RESUME_WITHIN_S
from selam_cli.core.push_to_talk import KeyAction, Mode, PushToTalk, Step
from selam_cli.core.session import Phase
from selam_cli.keyboard.key_parser import as_named

_INTERRUPTIBLE: Final = frozenset({Phase.THINKING, Phase.SPEAKING})

_BELIEVED_AFTER_S: Final = 1.0
"""This long after the key's last step, an engine that still listens is sent the release once more."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A rectangle of the screen's cells."""

    x: int
    y: int
    width: int
    height: int

    def __contains__(self, cell: tuple[int, int]) -> bool:
        """Tell whether a cell (x, y) lies in it."""
        return 0 <= cell[0] - self.x < self.width and 0 <= cell[1] - self.y < self.height


class Edge(Enum):
    """What a key did."""

    PRESS = "press"
    REPEAT = "repeat"
    RELEASE = "release"


class TalkKey:
    """The talk key's machine with its lock, its gate and its way to the engine.

    `send` gets the engine's commands; `on_change` is called when something changed that a screen may show. A press
    carries an id: what the engine says of utterances before it answers that id is of earlier presses, and comes late.
    """

    def __init__(
        self,
        machine: PushToTalk,
        key: str,
        send: Callable[[str, str, int | None], None],
        on_change: Callable[[TalkKey, Step | None], None],
    ) -> None:
        self._machine = machine
        self.key = key
        self._key = as_named(key)
        self._send = send
        self._on_change = on_change
        self._lock = threading.RLock()
        self._allowed = True
        self._engine_up = True
        self._presses = 0
        self._confirmed = False
        self._refused = False
        self._phase = Phase.CONNECTING
        self._listening = True
        self._muted = self._muted_while_away = False
        self._closed = False
        self._button: Cells | None = None
        self._stepped_at = float("-inf")
        self.directly_fed = False
        """Whether the thread that reads the keyboard feeds it; else the screen does."""
        self.on_closed: Callable[[str], None] = lambda _: None
        """Is called, in the keyboard's thread, with why the microphone was closed though no key did it."""

    @property
    def talking(self) -> bool:
        """Whether the microphone is open, as far as the key goes."""
        return self._machine.talking

    @property
    def latched(self) -> bool:
        """Whether it stays open without the key."""
        return self._machine.latched

    @property
    def release_told(self) -> bool:
        """Whether the terminal reports releases."""
        return self._machine.release_told

    # --- from the keyboard's thread -----------------------------------------------------------------------------------

    def on_read(self, text: str) -> None:
        """Take no note of the raw input; only what it means concerns the talk key."""

    def on_typed(self, key: str, character: str) -> None:
        """Take no note of what a key types; only what it counts as concerns the talk key."""

    def on_edge(self, key: str, edge: Edge, at: float, since: float | None = None) -> bool:
        """Take a key at its monotonic time; True where it was the talk key, and so not for the screen.

        `since`: after a stall, the earliest time at which it may have been pressed.
        """
        with self._lock:
            if key == self._key:
                return self._on_talk_key(edge, at, since)
            if edge is Edge.PRESS:
                self._carry_out(self._machine.other())
                if key == "escape" and self._allowed:
                    self._on_escape(at)
            return False

    def on_button(self, x: int, y: int, *, down: bool, at: float) -> None:
        """The mouse's main button went down or up in this cell; on the talk bar it is a talk key."""
        with self._lock:
            if not down:
                self._carry_out(self._machine.release_button(at))
            elif self._allowed and self._engine_up and self._button is not None and (x, y) in self._button:
                self._carry_out(self._machine.press_button(at))

    def on_focus(self, *, focused: bool, at: float) -> None:
        """The terminal got or lost the focus: the release of a key held while it is lost is never reported."""
        with self._lock:
            if focused:
                self._machine.focus()
            else:
                self._carry_out(self._machine.blur(at))

    def on_far(self, *, far: bool) -> None:
        """Keys may come over a network, or do not: what a silence may mean depends on it."""
        with self._lock:
            self._machine.rhythm.reached(far=far)

    def on_leave(self, at: float) -> None:
        """Nothing will be heard any more, or not for a while: a latched or open microphone closes as well."""
        with self._lock:
            self.stop(at)
            if self._machine.mode is Mode.OPEN and not (self._muted or self._closed):
                self._muted_while_away = True
                self._send("mute", "on", None)

    @property
    def wants_signs(self) -> bool:
        """Whether a microphone is open, so that a user should be at the terminal."""
        return self._machine.talking or (self._machine.mode is Mode.OPEN and not (self._muted or self._closed))

    def on_no_sign(self, why: str, at: float) -> None:
        """No user seems to be at the terminal: what is said to an open microphone is sent, and it closes."""
        self.on_leave(at)
        self.on_closed(why)

    def on_back(self) -> None:
        """Keys are heard again: a microphone that was open before is open."""
        with self._lock:
            if self._muted_while_away:
                self._muted_while_away = False
                self._send("mute", "off", None)

    def on_release_told(self, *, told: bool) -> None:
        """The terminal answered whether it reports releases."""
        with self._lock:
            self._machine.release_told = told
            self._on_change(self, None)

    def deadline(self) -> float | None:
        """The monotonic time at which `tick` is due; None for never."""
        with self._lock:
            return self._machine.deadline()

    def tick(self, now: float) -> None:
        """Take note of the time; all pending input must have been fed before."""
        with self._lock:
            self._carry_out(self._machine.tick(now))

    # --- from the screen's thread -------------------------------------------------------------------------------------

    def allow(self, *, allowed: bool, now: float) -> None:
        """Open or shut the gate: shut while a dialogue or a text field has the keyboard; the microphone closes."""
        with self._lock:
            self._allowed = allowed
            if not allowed:
                self._carry_out(self._machine.stop(now))

    def close(self, now: float) -> None:
        """The screen leaves: close the microphone."""
        self._closed = True
        self.allow(allowed=False, now=now)

    def stop(self, now: float) -> None:
        """Close the microphone, whatever holds it open."""
        with self._lock:
            self._carry_out(self._machine.stop(now))

    def on_engine_gone(self, now: float) -> None:
        """No engine listens: whatever the key began is over, and it says nothing until the engine is back."""
        with self._lock:
            self._engine_up = False
            self._confirmed = self._refused = False
            self._phase = Phase.ENDED
            self._give_up(now)

    def on_engine_back(self) -> None:
        """The engine was started again; the user may talk before it has a session."""
        with self._lock:
            self._engine_up = True
            self._phase, self._listening = Phase.CONNECTING, True

    def place_button(self, cells: Cells) -> None:
        """The talk bar lies here now."""
        self._button = cells

    def look(self, now: float) -> None:
        """Look whether engine and key agree: an engine that still listens with the key up is sent the release again."""
        with self._lock:
            unheld = self._phase is Phase.LISTENING and not self._machine.talking
            if unheld and self._machine.mode is not Mode.OPEN and now - self._stepped_at > _BELIEVED_AFTER_S:
                self._stepped_at = now
                self._send("release", f"{now:.6f}", None)

    # --- from the engine's thread -------------------------------------------------------------------------------------

    def on_state(self, phase: Phase, *, listening: bool, muted: bool = False) -> None:
        """Take note of what the engine says of itself: what Escape and an open microphone's key do depends on it."""
        with self._lock:
            self._phase, self._listening, self._muted = phase, listening, muted

    def on_answered(self, command_id: int, now: float) -> None:
        """The engine has taken a press, or refused it (the microphone is muted), and said so before."""
        with self._lock:
            if command_id == self._presses:
                self._confirmed = self._machine.talking
                if self._refused:
                    self._give_up(now)
            self._refused = False

    def on_refused(self) -> None:
        """The engine did not take the press that it answers next."""
        with self._lock:
            self._refused = True

    def on_talk_ended(self, now: float) -> None:
        """The engine ended an utterance; if it was the one that our last press began, the key is spent."""
        with self._lock:
            if self._confirmed and self._machine.talking:
                self._give_up(now)
            self._confirmed = False

    def _give_up(self, now: float) -> None:
        self._machine.discard(now)
        self._on_change(self, None)

    # --- what follows -------------------------------------------------------------------------------------------------

    def _on_talk_key(self, edge: Edge, at: float, since: float | None) -> bool:
        if edge is Edge.RELEASE:
            told = self._machine.release_told
            self._carry_out(self._machine.release(at))
            if not told:
                self._on_change(self, None)
            return True
        if not (self._allowed and self._engine_up):
            return False
        steps = self._machine.repeat(at) if edge is Edge.REPEAT else self._machine.press(at, since=since)
        self._carry_out(steps)
        return True

    def _on_escape(self, at: float) -> None:
        if self._machine.talking:
            self._machine.discard(at)
            self._send("discard", "", None)
            self._on_change(self, None)
        elif self._phase in _INTERRUPTIBLE:
            self._send("interrupt", "", None)

    def _carry_out(self, steps: list[Step]) -> None:
        for step in steps:
            self._stepped_at = step.at
            command = self._command(step)
            if command is not None and command[0] == "press":
                self._presses += 1
                self._confirmed = False
                self._send(*command, self._presses)
            elif command is not None:
                self._send(*command, None)
            self._on_change(self, step)

    def _command(self, step: Step) -> tuple[str, str] | None:
        match step.action:
            case KeyAction.START:
                return "press", f"{step.at:.6f}"
            case KeyAction.RESUME:
                return "press", "resume"
            case KeyAction.STOP:
                return "release", _release(step)
            case KeyAction.TOGGLE:
                return "listen", "off" if self._listening else "on"
            case KeyAction.LATCH | KeyAction.WARN:
                return None


def _release(step: Step) -> str:
    if not step.inferred:
        return f"{step.at:.6f}"
    within = "" if step.within_s == RESUME_WITHIN_S else f" {step.within_s:.3f}"
    return f"{step.at:.6f} inferred{within}"
