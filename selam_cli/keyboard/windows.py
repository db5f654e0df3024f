"""The keyboard on Windows, where Windows Terminal 1.25 and later report releases in kitty's form.

Written from documentation and not tried on Windows. The console hands a terminal's sequences to a program as the
characters of key records (Textual reads them so), and passes a request for the keyboard protocol on to the terminal.
Sources: github.com/microsoft/terminal/pull/19817 (the protocol), learn.microsoft.com, "ReadConsoleInput". Textual asks
for flag 1 only here; text keys such as space report releases only with flags 8 and 2 as well.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Final

from selam_cli.keyboard.key_listener import KeyListener
from selam_cli.keyboard.key_parser import ASK_FOR_ALL
from selam_cli.keyboard.key_reader import KeyReader

# ruff: noqa: E402  # the line below is for the type checker: what follows exists on Windows only
assert sys.platform == "win32"  # noqa: S101

from ctypes import byref, wintypes

from textual.app import App
from textual.drivers import win32
from textual.drivers.windows_driver import WindowsDriver

log = logging.getLogger(__name__)

_KEY_EVENT: Final = 0x0001
_WINDOW_BUFFER_SIZE_EVENT: Final = 0x0004
_RECORDS: Final = 1_024


class WindowsKeyboardDriver(WindowsDriver):
    """Textual's driver for Windows, which also hears releases."""

    listener: KeyListener

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.hearing = KeyReader(self.listener, ASK_FOR_ALL)

    def start_application_mode(self) -> None:
        """Begin, as Textual does, then put a reader that hears in its reader's place, and ask for event types."""
        super().start_application_mode()
        stock = self._event_thread
        if not isinstance(stock, win32.EventMonitor):
            return
        self.exit_event.set()
        stock.join()
        self.exit_event.clear()
        self._event_thread = Reader(self, stock)
        self._event_thread.start()
        self.hearing.ask_for_releases(self.write)

    def stop_application_mode(self) -> None:
        """Leave, with nothing of the keyboard's left on its way to the shell."""
        self.hearing.take_back(self.write, self._event_thread)
        super().stop_application_mode()


class Reader(win32.EventMonitor):
    """Reads the console's records; where that fails, as Textual does, without the knowledge of releases."""

    def __init__(self, driver: WindowsKeyboardDriver, stock: win32.EventMonitor) -> None:
        super().__init__(stock.loop, stock.app, stock.exit_event, driver.process_message)
        self._driver = driver
        self._hearing = driver.hearing

    def run(self) -> None:
        """Read keys until told to end; between them, tick the listener."""
        try:
            self._read_on()
        except Exception:  # not tried on Windows: what is wrong here must not cost the keyboard
            log.exception("the keyboard is read without its releases")
            super().run()

    def _read_on(self) -> None:
        console = win32.GetStdHandle(win32.STD_INPUT_HANDLE)
        records = (win32.INPUT_RECORD * _RECORDS)()
        self._hearing.start()
        while not self.exit_event.is_set():
            win32.wait_for_handles([console], max(1, round(self._hearing.rest_for_s() * 1_000)))
            looked_at = time.monotonic()
            while win32.wait_for_handles([console], 0) is not None:
                self._take(console, records)
                looked_at = time.monotonic()
            for message in self._hearing.rest(looked_at):
                self._driver.process_message(message)

    def _take(self, console: Any, records: Any) -> None:
        count = wintypes.DWORD(0)
        win32.KERNEL32.ReadConsoleInputW(console, byref(records), _RECORDS, byref(count))
        text, size = [], None
        for record in records[: count.value]:
            if record.EventType == _KEY_EVENT:
                key = record.Event.KeyEvent
                # A record with modifiers and no key code is the console's own, not the terminal's.
                if key.bKeyDown and (key.wVirtualKeyCode or not key.dwControlKeyState):
                    text.append(key.uChar.UnicodeChar)
            elif record.EventType == _WINDOW_BUFFER_SIZE_EVENT:
                window = record.Event.WindowBufferSizeEvent.dwSize
                size = window.X, window.Y
        if text:
            for message in self._hearing.hear(
                "".join(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            ):
                self._driver.process_message(message)
        if size is not None:
            self.on_size_change(*size)


def keyboard_driver(heard_by: KeyListener) -> type[WindowsKeyboardDriver]:
    """Return the driver class for an app; Textual makes the instance itself."""

    class BoundDriver(WindowsKeyboardDriver):
        listener = heard_by

    return BoundDriver
