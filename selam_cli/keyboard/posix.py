"""The keyboard on Linux and macOS.

The thread that reads it also ticks the talk key, and reads all pending input before: after a stall, keys that wait must
not look like silence.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import queue
import select
import signal
import sys
import termios
import time
from typing import Any, Final

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key
from textual.message import Message

from selam_cli.keyboard.key_listener import KeyListener
from selam_cli.keyboard.key_parser import ASK_FOR_ALL
from selam_cli.keyboard.key_reader import KeyboardGone, KeyReader
from selam_cli.keyboard.surroundings import tells_mouse
from selam_cli.procs.standard_output import READABLE_IN_CELLS, make_readable

_TELL_NO_MORE: Final = "".join(f"\x1b[?{mode}l" for mode in (1000, 1003, 1015, 1006, 1016, 1004, 2004, 2048))
"""Mouse, focus, pastes and the window's size: their reports must not land in the shell."""
_READ_BYTES: Final = 4_096


class PosixKeyboardDriver(LinuxDriver):
    """Textual's driver for Linux and macOS, which also hears releases."""

    listener: KeyListener

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **{**options, "mouse": options.get("mouse", True) and tells_mouse(os.environ)})
        if sys.__stdout__ is not None and not os.isatty(2):
            # Textual draws on the standard error, which may be kept in a file; the screen belongs on the terminal.
            self._file = sys.__stdout__
        make_readable(self._file, errors=READABLE_IN_CELLS)
        self._hearing = KeyReader(self.listener, ASK_FOR_ALL)
        self._hearing.ask_if_room = self._write_if_room
        self._modes: list[Any] | None = None
        self._running = self._suspended = self._interrupted = False

    def start_application_mode(self) -> None:
        """Begin, as Textual does, and ask for all that the keyboard's protocol reports."""
        writer = self._writer_thread
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual left its annotation out
        self._running = self._writer_thread is not writer  # not so where it was continued in the background
        if self._running:
            self._suspended = False
            self._modes = self._terminal_modes()
            self._hearing.ask_for_releases(self.write)
            self._draw_all()

    def stop_application_mode(self) -> None:
        """Leave, with nothing of the keyboard's left on its way to the shell."""
        if self._running:
            self.write(_TELL_NO_MORE)
        self._running = False
        self._hearing.take_back(self.write, self._key_thread)
        super().stop_application_mode()
        if self._interrupted:  # not before: the terminal's last answer would land in the shell
            self._interrupted = False
            os.kill(os.getpid(), signal.SIGINT)

    def _write_if_room(self, text: str) -> bool:
        writer = self._writer_thread
        if not self._running or writer is None:
            return False
        try:
            writer._queue.put_nowait(text)  # noqa: SLF001  # Textual's own write waits while the link takes nothing
        except queue.Full:
            return False
        return True

    def process_message(self, message: Message) -> None:
        """Hand a message to the screen; where that listens no more, Ctrl+C is what it is in every program: a signal."""
        if not self._running and isinstance(message, Key) and message.key == "ctrl+c":
            self._interrupted = True
            return
        super().process_message(message)

    def _sigtstp_application(self, *received: object) -> None:
        # A signal comes in the middle of anything: of drawing, whose lock leaving needs, or of the start, which would
        # begin a second time within the first, and two readers would share the keys. So the loop does it.
        try:
            asyncio.get_running_loop().call_soon_threadsafe(self._stop, received)
        except RuntimeError:  # there is none, and nothing to leave
            os.kill(os.getpid(), signal.SIGSTOP)

    def _stop(self, received: tuple[object, ...]) -> None:
        if self._running:
            self._suspended = True
            super()._sigtstp_application(*received)
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *received: object) -> None:
        # Stopped by SIGSTOP, nothing was left before, so there is nothing to start again (Textual would start a second
        # reader and a second writer); but the shell has used the terminal meanwhile.
        if self._suspended:
            super()._sigcont_application(*received)
            return
        if not self._running:
            return
        with contextlib.suppress(termios.error):
            if self._modes is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self._modes)
        self._draw_all()

    def _draw_all(self) -> None:
        # Textual, continued, waits for something to change. This may be called by a signal's handler, in the middle of
        # anything, and must wake the loop.
        asyncio.get_running_loop().call_soon_threadsafe(lambda: self._app.refresh(layout=True))

    def _terminal_modes(self) -> list[Any] | None:
        try:
            return termios.tcgetattr(self.fileno)
        except termios.error:
            return None

    def run_input_thread(self) -> None:
        """Read keys until told to end; between them, tick the listener."""
        hearing = self._hearing
        hearing.start()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        gone = False
        while not gone and not self.exit_event.is_set():
            self._pending(hearing.rest_for_s())
            looked_at = time.monotonic()
            # Asked again after the wait: one that was interrupted by a stop says "nothing" without having looked.
            while not gone and self._pending(0.0):
                read = self._read()
                gone = not read
                for message in hearing.hear(decode(read)) if read else ():
                    self.process_message(message)
                looked_at = time.monotonic()
            for message in hearing.rest(looked_at):
                self.process_message(message)
        hearing.finish()
        if gone:
            self.process_message(KeyboardGone())

    def _pending(self, wait_s: float) -> bool:
        return bool(select.select([self.fileno], [], [], wait_s)[0])

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _READ_BYTES)
        except OSError:  # what a pseudo-terminal says when its other end is closed
            return b""


def keyboard_driver(heard_by: KeyListener) -> type[PosixKeyboardDriver]:
    """Return the driver class for an app; Textual makes the instance itself."""

    class BoundDriver(PosixKeyboardDriver):
        listener = heard_by

    return BoundDriver
