r"""The keyboard, read so that a key's release is seen where the terminal can tell it.

Kitty's keyboard protocol tells press, repeat and release (`CSI 32;1:3u`). Textual 8.2.8 asks for its other flags (25),
not for event types, and its parser raises on them; so this driver adds the flag and this parser understands it. That a
terminal tells releases is believed only on its own answer (`CSI ? flags u` with bit 2) or on a release seen.
Source: https://sw.kovidgoyal.net/kitty/keyboard-protocol/, "Progressive enhancement".

The thread that reads the keyboard also ticks the talk key, and reads all pending input before: after a stall, keys that
wait must not look like silence.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import threading
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol

from textual import constants, events
from textual._parser import ParseError
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from selam_cli.tui.talk_key import Edge

EVENT_TYPES: Final = 0b10
_ADD_EVENT_TYPES: Final = f"\x1b[={EVENT_TYPES};2u"
_ASK: Final = "\x1b[?u"
_FORGET_ALL: Final = "\x1b[=0;1u"

_KEY: Final = re.compile(r"\x1b\[(\d*)((?::\d*)*)(?:;(\d*)(?::([123]))?)?((?:;[\d:]*)?)([u~A-HPQRS])")
_FLAGS: Final = re.compile(r"\x1b\[\?(\d+)u")

ANSWER_WITHIN_S: Final = 0.5
_PATIENCE_S: Final = 0.4
"""How much longer than Textual's 0.1 s a sequence may be cut in two, once Escape itself comes as a sequence."""

_LOOK_EVERY_S: Final = 0.1


class KeyUp(events.Key):
    """A key was let go.

    A subclass of Key only because the parser hands on nothing else; it goes to the listener and no further.
    """

    def __init__(self, released: str) -> None:
        super().__init__(f"release+{released}", None)
        self.released = released


class KeyboardFlags(events.Event, bubble=False):
    """The terminal's answer to which parts of the keyboard protocol are on; `key` is what the parser looks at."""

    key: str = ""

    def __init__(self, flags: int) -> None:
        super().__init__()
        self.flags = flags


class Repeat(events.Key):
    """A press that the terminal told to be a repeat."""


class KeyboardGone(events.Event, bubble=False):
    """No key will come any more: the terminal is gone."""


class EventTypeParser(XTermParser):
    """Textual's parser, and event types and the answer about flags."""

    patient = False

    def tick(self) -> Iterable[Message]:
        """Give up on an unfinished sequence; later on a link that tells keys as sequences only."""
        if self.patient and self._timeout_time is not None and get_time() < self._timeout_time + _PATIENCE_S:
            return ()
        return super().tick()

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if flags := _FLAGS.fullmatch(sequence):
            return [KeyboardFlags(int(flags[1]))]  # type: ignore[list-item]  # handed on like a key, and named like one
        key = _KEY.fullmatch(sequence) if ":" in sequence else None
        if key is None or not (key[2] or key[4]):
            return super()._sequence_to_key_events(sequence, alt)
        code, _, modifiers, kind, text, final = key.groups(default="")
        # A release has no text, but some terminals send one; and an alternate code breaks the stock parser.
        plain = f"\x1b[{code};{modifiers}{'' if kind == '3' else text}{final}"
        pressed = list(super()._sequence_to_key_events(plain, alt))
        if kind == "3":
            return [KeyUp(event.key) for event in pressed]
        return [Repeat(event.key, event.character) for event in pressed] if kind == "2" else pressed


class KeyListener(Protocol):
    """Who hears of keys in the thread that reads them."""

    directly_fed: bool

    def on_edge(self, key: str, edge: Edge, at: float) -> None:
        """A key was pressed, repeated or released."""

    def on_focus(self, *, focused: bool, at: float) -> None:
        """The terminal got or lost the focus."""

    def on_release_told(self, *, told: bool) -> None:
        """Whether releases are told was answered."""

    def deadline(self) -> float | None:
        """When `tick` is due."""

    def tick(self, now: float) -> None:
        """The time has come."""


class KeyboardDriver(LinuxDriver):
    """Textual's driver for Linux and macOS, telling its listener of every key at the moment it is read."""

    listener: KeyListener

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.listener.directly_fed = True
        self._release_told = False
        self._answered = threading.Event()
        self._parser = EventTypeParser()

    def start_application_mode(self) -> None:
        """Begin, as Textual does, and ask for event types on top of its own flags."""
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual left its annotation out
        if self._writer_thread is not None and not constants.DISABLE_KITTY_KEY:
            self.write(_ADD_EVENT_TYPES + _ASK)

    def stop_application_mode(self) -> None:
        """Leave; first have the terminal stop telling releases, or the last key's would land in the shell."""
        self.listener.on_focus(focused=False, at=time.monotonic())
        reader = self._key_thread
        if self._release_told and reader is not None and reader.is_alive() and reader is not threading.current_thread():
            self._answered.clear()
            self.write(_FORGET_ALL + _ASK)
            self._answered.wait(ANSWER_WITHIN_S)
        self._release_told = False
        super().stop_application_mode()

    def resume_application_mode(self) -> None:
        """Come back from being stopped."""
        super().resume_application_mode()
        self.listener.on_focus(focused=True, at=time.monotonic())

    def run_input_thread(self) -> None:
        """Read keys until told to end; between them, tick the listener."""
        parser = self._parser = EventTypeParser()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        ended = False
        while not ended and not self.exit_event.is_set():
            wait_s = self._wait_s()
            while not ended and select.select([self.fileno], [], [], wait_s)[0]:
                read = self._read()
                ended = not read
                for message in parser.feed(decode(read)) if read else ():
                    self.process_message(message)
                wait_s = 0.0
            for message in parser.tick():
                self.process_message(message)
            self.listener.tick(time.monotonic())
        self._finish(parser)
        if ended:
            super().process_message(KeyboardGone())

    def process_message(self, message: Message) -> None:
        """Tell the listener of what concerns it, then hand on to the screen."""
        at = time.monotonic()
        match message:
            case KeyboardFlags(flags=flags):
                self._on_flags(flags)
                return
            case KeyUp(released=released):
                self.listener.on_edge(released, Edge.RELEASE, at)
                return
            case Repeat(key=key):
                self.listener.on_edge(key, Edge.REPEAT, at)
            case events.Key(key=key):
                self.listener.on_edge(key, Edge.PRESS, at)
            case events.AppFocus() | events.AppBlur():
                self.listener.on_focus(focused=isinstance(message, events.AppFocus), at=at)
        super().process_message(message)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4_096)
        except OSError:  # what a pseudo-terminal says when its other end is closed
            return b""

    def _on_flags(self, flags: int) -> None:
        told = bool(flags & EVENT_TYPES)
        if told:
            self._release_told = self._parser.patient = True
            self.listener.on_release_told(told=True)
        self._answered.set()

    def _wait_s(self) -> float:
        due = self.listener.deadline()
        return _LOOK_EVERY_S if due is None else min(_LOOK_EVERY_S, max(0.0, due - time.monotonic()))

    @staticmethod
    def _finish(parser: EventTypeParser) -> None:
        try:
            for _ in parser.feed(""):
                pass
        except (EOFError, ParseError):
            pass


def keyboard_driver(heard_by: KeyListener) -> type[KeyboardDriver]:
    """Return the driver class for an app; Textual makes the instance itself."""

    class BoundDriver(KeyboardDriver):
        listener = heard_by

    return BoundDriver
