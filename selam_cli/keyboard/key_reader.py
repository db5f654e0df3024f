"""Hearing keys: the talk key's owner gets them in the thread that reads the keyboard, before the screen does.

That a terminal reports releases is believed only on its own answer (`CSI ? flags u` with bit 2) or on a release seen,
never on `$TERM`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from textual import constants, events
from textual._parser import ParseError
from textual.message import Message

from selam_cli.keyboard.key_listener import KeyListener
from selam_cli.keyboard.key_parser import EVENT_TYPES, Attributes, EventTypeParser, KeyboardFlags, KeyUp, Repeat
from selam_cli.keyboard.signs import Signs
from selam_cli.keyboard.talk_key import Edge

LOOK_EVERY_S: Final = 0.1
STALL_S: Final = 0.15
"""A keyboard that was not looked at for longer than this may have had its keys waiting."""

_LOOK_AGAIN_S: Final = 0.01

LEAVE_WITHIN_S: Final = 6.0
"""The longest wait on leaving for a terminal that has proved that it answers, on a link that cuts all in pieces."""

LEAVE_AT_LEAST_S: Final = 2.0
_ROUND_TRIPS: Final = 4
"""This many round trips without a sign end that wait earlier, but not before LEAVE_AT_LEAST_S."""

ASKED_LATELY_S: Final = 2.0
"""A terminal that has not answered within this after being asked may still answer."""

PATIENT_WHILE_ASKING_S: Final = 3.0
_PATIENT_AT_MOST_S: Final = 12.0

_ASK: Final = "\x1b[?u\x1b[c"
"""The flags in force, then the terminal's attributes, which every one gives, so that silence about flags means none."""
_SIGN: Final = "\x1b[c"
_FORGET_ALL: Final = "\x1b[=0;1u"


class KeyboardGone(events.Event, bubble=False):
    """No key will come any more: the terminal is gone."""


class KeyReader:
    """Hears what a driver reads: reports it to the listener, and returns what is left for the screen.

    Its methods but `ask_for_releases` and `take_back` are called by the thread that reads the keyboard.
    """

    def __init__(self, listener: KeyListener, flags_wanted: str) -> None:
        """`flags_wanted` has the terminal report all that it can of keys."""
        self._listener = listener
        listener.directly_fed = True
        self._flags_wanted = flags_wanted
        self.parser = EventTypeParser(kept=listener.key)
        self._release_told = False
        self._flags = 0
        self._answered = threading.Event()
        self._asked_at: float | None = None
        self._questions: deque[float] = deque()
        """When the questions were asked that are not answered yet."""
        self._round_trip_s = 0.0
        """The longest time that an answer took; 0 until there was one."""
        self._read_at = self._quiet_at = 0.0
        self.signs = Signs(listener)
        self._button_down = False
        self.ask_if_room: Callable[[str], bool] = lambda _: False
        """Writes a question unless the link takes nothing more; the driver knows how."""

    # --- asking, and taking it back -----------------------------------------------------------------------------------

    def ask_for_releases(self, write: Callable[[str], None]) -> None:
        """Ask the terminal to report all that it can of keys, and ask whether it does."""
        if constants.DISABLE_KITTY_KEY:
            return
        write(self._flags_wanted)
        self._ask(write)

    def _ask(self, write: Callable[[str], None]) -> None:
        self._answered.clear()
        self._asked_at = time.monotonic()
        self._questions.append(self._asked_at)
        self.parser.patient = True  # for the answer, which a slow link may cut in pieces
        write(_ASK)

    def take_back(self, write: Callable[[str], None], reader: threading.Thread | None) -> None:
        """Have the terminal stop reporting releases before the reading ends, or the last key's would land in the shell.

        Its answer comes after everything that it reported before. One that has never answered is not asked again.
        """
        self._listener.on_leave(time.monotonic())
        if self._asked_at is None:
            return
        write(_FORGET_ALL)
        if reader is not None and reader.is_alive() and reader is not threading.current_thread():
            first_asked_at = self._asked_at
            if self._round_trip_s or time.monotonic() - first_asked_at < ASKED_LATELY_S:
                self._ask(write)
                self._wait_for_answers(first_asked_at)
        self._questions.clear()
        self._release_told = False
        self._asked_at = None

    def _wait_for_answers(self, first_asked_at: float) -> None:
        """Wait for as long as answers take on this link, and longer while something still comes."""
        end = time.monotonic() + LEAVE_WITHIN_S
        while not self._answered.is_set():
            since = max(self._asked_at or 0.0, self._read_at)
            due = since + max(LEAVE_AT_LEAST_S, _ROUND_TRIPS * self._round_trip_s)
            if not self._round_trip_s:
                due = first_asked_at + ASKED_LATELY_S
            rest_s = min(due, end) - time.monotonic()
            if rest_s <= 0:
                return
            self._answered.wait(rest_s)

    def _on_flags(self, flags: int) -> None:
        self._flags = flags
        self.parser.patient = bool(flags) or self.parser.patient
        if flags & EVENT_TYPES:
            self._release_told = True
            self._listener.on_release_told(told=True)

    def _on_answered(self) -> None:
        """Every terminal answers this question, the last of those that were asked."""
        if self._questions:
            self._round_trip_s = max(self._round_trip_s, time.monotonic() - self._questions.popleft())
        if not self._questions:
            self._answered.set()
            self.parser.patient = bool(self._flags)

    def _stop_being_patient(self) -> None:
        """Escape must not be late for ever in a terminal that never answers."""
        if self._asked_at is None or self._answered.is_set() or not self.parser.patient:
            return
        now = time.monotonic()
        waited_s = now - max(self._asked_at, self._read_at)
        if waited_s > PATIENT_WHILE_ASKING_S or now - self._asked_at > _PATIENT_AT_MOST_S:
            self.parser.patient = bool(self._flags)

    # --- hearing ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, or begin again: keys are read from now on."""
        self._quiet_at = time.monotonic()
        self._listener.on_back()

    def hear(self, text: str) -> Iterator[Message]:
        """Take what was read; yield what the screen is to get."""
        self._read_at = time.monotonic()
        self.signs.on_read(self._read_at)
        self._listener.on_read(text)
        yield from self._told(self.parser.feed(text))

    def rest(self, quiet_at: float) -> Iterator[Message]:
        """Take note that nothing was left to read at that time, and of the time that has passed."""
        self._quiet_at = quiet_at
        yield from self._told(self.parser.tick())
        self._stop_being_patient()
        if not self._half_heard:
            self._listener.tick(time.monotonic())
        if self._asked_at is not None:
            self._look_for_signs(time.monotonic())

    def _look_for_signs(self, now: float) -> None:
        """Ask while a microphone is open and nothing is read; the reading never waits for a link that stands still."""
        asked_at = self._questions[0] if self._questions else None
        if self.signs.look(now, asked_at, self._round_trip_s) and self.ask_if_room(_SIGN):
            self._answered.clear()
            self._questions.append(now)

    def rest_for_s(self) -> float:
        """Return how long nothing need be done until a key comes."""
        due = self._listener.deadline()
        if due is None:
            return LOOK_EVERY_S
        return min(LOOK_EVERY_S, max(_LOOK_AGAIN_S if self._half_heard else 0.0, due - time.monotonic()))

    @property
    def _half_heard(self) -> bool:
        """Whether a release may be half of a repeat whose rest a link has cut in the middle."""
        return self._release_told and self.parser.unfinished

    def finish(self) -> None:
        """Nothing more will be read, unless after a new start."""
        with contextlib.suppress(EOFError, ParseError):
            for _ in self.parser.feed(""):
                pass
        self.parser = EventTypeParser(kept=self._listener.key)

    def _told(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Report to the listener what concerns it; yield the rest as Textual's own driver would."""
        for message in messages:
            left = self._tell(message)
            if left is not None:
                yield left

    def _tell(self, message: Message) -> Message | None:
        at = self._read_at
        if isinstance(message, events.Key) and message.character and message.is_printable:
            self._listener.on_typed(message.key, message.character)
        since = self._quiet_at if at - self._quiet_at > STALL_S else None
        match message:
            case KeyboardFlags(flags=flags):
                self._on_flags(flags)
                return None
            case Attributes():
                self._on_answered()
                return None
            case KeyUp(released=released):
                self._listener.on_edge(released, Edge.RELEASE, at)
                return None
            case Repeat(key=key, character=character, pressed=pressed):
                ours = self._listener.on_edge(pressed, Edge.REPEAT, at)
                return None if ours else events.Key(key, character)
            case events.Key(key=key):
                return None if self._listener.on_edge(key, Edge.PRESS, at, since) else message
            case events.AppFocus() | events.AppBlur():
                self._listener.on_focus(focused=isinstance(message, events.AppFocus), at=at)
            case events.MouseDown(button=1) | events.MouseUp(button=1):
                self._on_button(message, down=isinstance(message, events.MouseDown))
            case events.MouseMove(button=0) if self._button_down:
                self._on_button(message, down=False)  # let go where it was not reported: over another pane of tmux, say
        return message

    def _on_button(self, event: events.MouseEvent, *, down: bool) -> None:
        self._button_down = down
        self._listener.on_button(int(event.screen_x), int(event.screen_y), down=down, at=self._read_at)
