"""A pseudo-terminal with a process on one end and a terminal on the other, played by the test.

The terminal keeps the screen (pyte), answers what a program asks of it, and sends keys as a real one of its profile
would: a kitty-like one tells repeats and releases for as long as it is asked to, a legacy one sends bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyte

PATIENCE_S = float(os.environ.get("SELAM_TEST_PATIENCE_S", "100"))
EVENT_TYPES, ALL_KEYS, TEXT = 2, 8, 16
SYNCHRONISED = 2026
"""The mode that is on while an update of the screen is written (DEC private mode 2026, synchronized output)."""

_OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_KITTY = re.compile(rb"\x1b\[([<>=?])(\d*)(?:;(\d*))?u")
_QUESTION = re.compile(rb"\x1b\[\?(\d+)\$p")
_ATTRIBUTES = re.compile(rb"\x1b\[0?c")
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_UNFINISHED = re.compile(rb"\x1b(\[[<>=?]?[\d;]*\$?)?\Z")

CODES = {"escape": 27, "enter": 13, "tab": 9, "backspace": 127, "shift": 57441}
FUNCTIONAL = {
    "up": "1A", "down": "1B", "right": "1C", "left": "1D", "end": "1F", "home": "1H", "f1": "1P", "f2": "1Q",
    "insert": "2~", "delete": "3~", "pageup": "5~", "pagedown": "6~", "f5": "15~", "f9": "20~", "f12": "24~",
}  # fmt: skip
MODIFIERS = {"shift": 1, "alt": 2, "ctrl": 4}
BYTES = {
    "escape": b"\x1b", "enter": b"\r", "tab": b"\t", "backspace": b"\x7f", "shift": b"", "ctrl+c": b"\x03",
    "ctrl+z": b"\x1a", "ctrl+e": b"\x05", "alt+a": b"\x1ba", "shift+tab": b"\x1b[Z", "up": b"\x1b[A",
    "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D", "ctrl+left": b"\x1b[1;5D", "shift+right": b"\x1b[1;2C",
    "end": b"\x1b[F", "home": b"\x1b[H", "insert": b"\x1b[2~", "delete": b"\x1b[3~", "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~", "f1": b"\x1bOP", "f2": b"\x1bOQ", "f5": b"\x1b[15~", "f9": b"\x1b[20~", "f12": b"\x1b[24~",
}  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """How a terminal tells of keys."""

    name: str
    tells_releases: bool = False
    repeats: bool = True
    repeats_as_presses: bool = False
    repeats_behind_releases: tuple[int, ...] = ()
    """Each repeat comes behind a release, as an event of one of these types in turn."""
    cut_s: float = 0.0
    """A link that carries one byte at a time, with so much time between two."""
    far_s: float = 0.0
    """A link on which everything takes so long, in both directions."""
    counts_additions: bool = True
    """Whether what `CSI = flags ; 2 u` adds is among the flags that are told; it is in force all the same."""
    answers: bool = True
    """Whether anything that is asked is answered."""

    def __str__(self) -> str:
        return self.name

    def kinds_of_repeat(self, number: int) -> tuple[int, ...]:
        """As what a held key's repeat is told, counted from 0: a press (1), a repeat (2), a release (3) before it."""
        if self.repeats_behind_releases:
            return 3, self.repeats_behind_releases[number % len(self.repeats_behind_releases)]
        return (1 if self.repeats_as_presses else 2,) if self.repeats else ()


KITTY = Profile("kitty", tells_releases=True)
KONSOLE = Profile("konsole", tells_releases=True, repeats_behind_releases=(2,))
KONSOLE_ON_X11 = Profile("konsole on X11", tells_releases=True, repeats_behind_releases=(2, 1))
XTERM_JS = Profile("xterm.js", tells_releases=True, repeats_as_presses=True)
ALACRITTY = Profile("Alacritty", tells_releases=True, counts_additions=False)
LEGACY = Profile("legacy")
SILENT = Profile("silent", answers=False)
LEGACY_WITHOUT_REPEATS = Profile("legacy without repeats", repeats=False)
IN_PIECES = Profile("in pieces", tells_releases=True, cut_s=0.12)

REPEAT_DELAY_S, REPEAT_INTERVAL_S = 0.4, 0.033


class Terminal:
    """Runs a program and plays its terminal, of a profile; `kitty` is short for two of them. A context manager."""

    def __init__(
        self,
        program: Sequence[str],
        *,
        kitty: bool = False,
        profile: Profile | None = None,
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
        watched: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.profile = profile or (KITTY if kitty else LEGACY)
        self.kitty = self.profile.tells_releases
        self._outgoing: deque[tuple[float, bytes]] = deque()
        self._incoming: deque[tuple[float, bytes]] = deque()
        self.display = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.display)
        self._main_flags, self._alternate_flags, self._pushed = [0], [0], [0]
        self._rest = b""
        self._repeated = -1
        self.modes_on: set[int] = set()
        self.watched_text = ""
        self.written = bytearray()
        """Every byte that the program wrote to its terminal."""
        self.keys_sent_at: list[float] = []
        """When a key was pressed or repeated, in monotonic seconds."""
        self._watched = watched
        self.on_alternate_left: Callable[[], None] = lambda: None
        self._master, self.slave = os.openpty()
        self._set_size(columns, rows)
        self.modes_before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *program],
            stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, pass_fds=pass_fds,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})},
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for descriptor in (self._master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    # --- what is seen -------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """What stands on the screen."""
        # As `display.display` gives it, in less than half the time: a wide character's second cell has no text.
        columns = range(self.display.columns)
        rows = (self.display.buffer[row] for row in range(self.display.lines))
        return "\n".join("".join(row[column].data for column in columns) for row in rows)

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return 1049 in self.modes_on

    @property
    def flags(self) -> int:
        """The keyboard protocol's flags in force."""
        return (self._alternate_flags if self.alternate else self._main_flags)[-1]

    @property
    def flag_stacks(self) -> tuple[list[int], list[int]]:
        """The stacks of the keyboard protocol's flags: the main screen's and the alternate one's."""
        return self._main_flags, self._alternate_flags

    @property
    def modes(self) -> list[object]:
        """The terminal driver's modes."""
        return termios.tcgetattr(self.slave)

    def unread(self) -> bytes:
        """What was sent and the program did not read: the shell would get it."""
        raw = termios.tcgetattr(self.slave)
        raw[3] &= ~termios.ICANON
        raw[6][termios.VMIN] = raw[6][termios.VTIME] = 0
        termios.tcsetattr(self.slave, termios.TCSANOW, raw)
        return os.read(self.slave, 4_096)

    def wait_for(self, condition: Callable[[], object], what: str = "") -> None:
        """Play the terminal until a condition holds; fails with the screen where it does not come.

        What stands there of an update that is still being written is not looked at, where its end is told.
        """
        end = time.monotonic() + PATIENCE_S
        while SYNCHRONISED in self.modes_on or not condition():
            if not self._play(0.05) and self.process.poll() is not None:
                if condition():
                    return
                raise AssertionError(f"the program ended with {self.process.returncode}: {what}\n{self.text}")
            assert time.monotonic() < end, f"this did not come: {what}\n{self.watched_text}\n{self.text}"

    async def while_played(self, awaited: Awaitable[object]) -> None:
        """Wait for what the program does elsewhere; a terminal that is not read meanwhile would soon hold it up."""
        waiting = asyncio.ensure_future(awaited)
        while not waiting.done():
            await asyncio.to_thread(self.play_for, 0.05)
        await waiting

    def wait_for_text(self, text: str) -> None:
        """Play the terminal until a text stands on the screen."""
        self.wait_for(lambda: text in self.text, text)

    def wait_for_exit(self) -> int:
        """Play the terminal until the program has ended; return its status as a shell counts."""
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            self._play(0.05)
            assert time.monotonic() < end, f"the program does not end\n{self.text}"
        while self._play(0.05):
            pass
        status = self.process.returncode
        return status if status >= 0 else 128 - status

    def wait_for_stop(self) -> None:
        """Play the terminal until the program was stopped, as by Ctrl+Z."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self._play(0.05)
            stopped, status = os.waitpid(self.process.pid, os.WUNTRACED | os.WNOHANG)
            if stopped and os.WIFSTOPPED(status):
                break
            assert time.monotonic() < end, f"the program does not stop\n{self.text}"
        while self._play(0.05):
            pass

    # --- what is done -------------------------------------------------------------------------------------------------

    def press(self, key: str) -> None:
        """Press a key: a character, or a name such as `escape`."""
        self._key(key, 1)

    def repeat(self, key: str) -> None:
        """Let a held key repeat."""
        self._repeated += 1
        sent = b"".join(self._sequence(key, kind) for kind in self.profile.kinds_of_repeat(self._repeated))
        if sent:
            self.keys_sent_at.append(time.monotonic())
            self.send(sent)

    def release(self, key: str) -> None:
        """Let a key go; told only where the program asked for it."""
        if self.flags & EVENT_TYPES:
            self._key(key, 3)

    def hold(self, key: str, seconds: float) -> None:
        """Hold a key for so long, as a hand does: its auto-repeat included."""

        def hold() -> None:
            self.press(key)
            time.sleep(min(seconds, REPEAT_DELAY_S))
            self._repeat(key, seconds - REPEAT_DELAY_S)
            self.release(key)

        self._by_hand(hold)

    def repeat_for(self, key: str, seconds: float) -> None:
        """Let a held key repeat for so long."""
        self._by_hand(lambda: self._repeat(key, seconds))

    def _repeat(self, key: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.repeat(key)
            time.sleep(REPEAT_INTERVAL_S)

    def _by_hand(self, deed: Callable[[], None]) -> None:
        """Play the terminal while a hand does something in its own time: drawing must not hold a key's repeats up."""
        hand = threading.Thread(target=deed, name="hand")
        hand.start()
        while hand.is_alive():
            self._play(REPEAT_INTERVAL_S)
        hand.join()

    def play_for(self, seconds: float) -> None:
        """Play the terminal for so long."""
        end = time.monotonic() + seconds
        while (rest_s := end - time.monotonic()) > 0:
            self._play(rest_s)

    def mouse(self, column: int, row: int, *, down: bool) -> None:
        """Press or let go the mouse's main button in a cell, counted from 0."""
        if 1006 in self.modes_on:
            self.send(f"\x1b[<0;{column + 1};{row + 1}{'M' if down else 'm'}".encode())

    def row_of(self, text: str) -> int:
        """Return the row in which a text stands."""
        return next(row for row, line in enumerate(self.display.display) if text in line)

    def tap(self, key: str) -> None:
        """Press a key and let it go, in one write: a machine that stalls between two would make a hold of a tap."""
        self.keys_sent_at.append(time.monotonic())
        self.send(self._sequence(key, 1) + (self._sequence(key, 3) if self.flags & EVENT_TYPES else b""))

    def type(self, text: str) -> None:
        """Tap one character after the other."""
        for character in text:
            self.tap(character)

    def send(self, raw: bytes) -> None:
        """Send bytes as they are, as the link carries them."""
        now = time.monotonic()
        if self.profile.cut_s:
            free_at = self._outgoing[-1][0] + self.profile.cut_s if self._outgoing else now
            self._outgoing.extend((free_at + n * self.profile.cut_s, bytes([byte])) for n, byte in enumerate(raw))
        elif self.profile.far_s:
            self._outgoing.append((now + self.profile.far_s, raw))
        else:
            os.write(self._master, raw)

    def focus(self, *, gained: bool) -> None:
        """Tell the program about the focus, if it asked to be told."""
        if 1004 in self.modes_on:
            self.send(b"\x1b[I" if gained else b"\x1b[O")

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size."""
        self.display.resize(rows, columns)
        self._set_size(columns, rows)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def fill(self) -> None:
        """Write to the terminal until it takes nothing more, as one whose link is frozen."""
        writing = os.open(os.ttyname(self.slave), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b" " * 1_024)
        os.close(writing)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self.slave)
        os.close(self._master)

    def _key(self, key: str, kind: int) -> None:
        if kind != 3:
            self.keys_sent_at.append(time.monotonic())
        self.send(self._sequence(key, kind))

    def _sequence(self, key: str, kind: int) -> bytes:
        return key_bytes(key, kind, self.flags if self.kitty else 0)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    # --- the terminal's side ------------------------------------------------------------------------------------------

    def _play(self, wait_s: float) -> bool:
        """Take what the program wrote; False where it wrote nothing."""
        self._carry()
        on_the_way = [due_at for due_at, _ in (*self._outgoing, *self._incoming)]
        wait_s = max(0.0, min([wait_s, *(due_at - time.monotonic() for due_at in on_the_way)]))
        sources = [self._master] if self._watched is None else [self._master, self._watched]
        readable = select.select(sources, [], [], wait_s)[0]
        if self._watched in readable:
            self.watched_text += os.read(self._watched, 65_536).decode()  # type: ignore[arg-type]  # it is in the list
        if self._master not in readable:
            return bool(on_the_way) or (bool(readable) and self.process.poll() is None)
        try:
            written = os.read(self._master, 65_536)
        except OSError:
            return bool(on_the_way)
        if self._watched is not None and select.select([self._watched], [], [], 0)[0]:
            # What was told before this was drawn: it may have come since both were looked at.
            self.watched_text += os.read(self._watched, 65_536).decode()
        self.written += written
        self._incoming.append((time.monotonic() + self.profile.far_s, written))
        self._carry()
        return True

    def _carry(self) -> None:
        """Deliver what has been on the link for long enough."""
        while self._outgoing and self._outgoing[0][0] <= time.monotonic():
            os.write(self._master, self._outgoing.popleft()[1])
        while self._incoming and self._incoming[0][0] <= time.monotonic():
            self._take(self._rest + self._incoming.popleft()[1])

    def _take(self, written: bytes) -> None:
        cut = _UNFINISHED.search(written)
        written, self._rest = (written[: cut.start()], written[cut.start() :]) if cut else (written, b"")
        shown = 0
        for found in _controls(written):
            self._stream.feed(written[shown : found.start()])
            shown = found.end() if self._obey(found) else found.start()
        self._stream.feed(written[shown:])

    def _obey(self, found: re.Match[bytes]) -> bool:
        """Carry out what pyte does not know; True where that was all there is to it."""
        if found.re is _MODE:
            for number in found[1].split(b";"):
                was = self.alternate
                (self.modes_on.add if found[2] == b"h" else self.modes_on.discard)(int(number))
                if was and not self.alternate:
                    self.display.erase_in_display(2)  # pyte has one screen; the main one was empty
                    self.display.cursor_position()
                    self.on_alternate_left()
            return False
        if found.re is _ATTRIBUTES:
            if self.profile.answers:
                self.send(b"\x1b[?62;22c")
            return True
        if found.re is _QUESTION:
            if self.kitty:
                self.send(f"\x1b[?{found[1].decode()};{2 if int(found[1]) == SYNCHRONISED else 0}$y".encode())
            return True  # a legacy terminal stays silent
        if self.kitty:
            self._keyboard_flags(found[1], int(found[2] or 0), int(found[3] or 1))
        return True

    def _keyboard_flags(self, kind: bytes, number: int, how: int) -> None:
        stack = self._alternate_flags if self.alternate else self._main_flags
        if kind == b"?":
            told = stack[-1] if self.profile.counts_additions else self._pushed[-1]
            self.send(f"\x1b[?{told}u".encode())
        elif kind == b">":
            stack.append(number)
            self._pushed.append(number)
        elif kind == b"<":
            del stack[max(1, len(stack) - max(1, number)) :]
            del self._pushed[max(1, len(self._pushed) - max(1, number)) :]
        else:
            stack[-1] = {1: number, 2: stack[-1] | number, 3: stack[-1] & ~number}[how]


def key_bytes(key: str, kind: int, flags: int) -> bytes:
    """What a terminal sends for a key that is pressed (1), repeated (2) or let go (3), with these flags in force."""
    if not flags & ALL_KEYS:
        return BYTES.get(key, key.encode())
    *modifiers, name = key.split("+") if len(key) > 1 else [key]
    shifted = len(name) == 1 and name.isupper()
    pressed = 1 + sum(MODIFIERS[modifier] for modifier in modifiers) + shifted
    event = f":{kind}" if flags & EVENT_TYPES and kind > 1 else ""
    text = f";{ord(name)}" if len(name) == 1 and not modifiers and kind != 3 and flags & TEXT else ""
    number, final = CODES.get(name) or ord(name[0].lower()), "u"
    if name in FUNCTIONAL:
        number, final = FUNCTIONAL[name][:-1], FUNCTIONAL[name][-1]
    return f"\x1b[{number};{pressed}{event}{text}{final}".encode()


def _controls(written: bytes) -> Iterator[re.Match[bytes]]:
    found = [match for pattern in (_KITTY, _QUESTION, _ATTRIBUTES, _MODE) for match in pattern.finditer(written)]
    return iter(sorted(found, key=lambda match: match.start()))


_TIME = re.compile(r" \d+\.\d+")
_TALK_VERBS = {"press", "release", "discard", "interrupt"}
_INFERRED = re.compile(r"^release (\S+) inferred( \S+)?$", re.MULTILINE)
_SHORTLY_S = 0.15
"""Less than any silence from which a release is inferred."""


def without_resumptions(talks: Sequence[str]) -> list[str]:
    """Leave out the releases that were wrongly inferred and taken back: a hand that stood still looks like one."""
    kept: list[str] = []
    for said in talks:
        if said == "press resume" and kept and kept[-1] == "release inferred":
            kept.pop()
        else:
            kept.append(said)
    return kept


class PlayedScreen(Terminal):
    """The screen over a replay engine (tests/tui/play.py); `commands` is what the engine was told."""

    def __init__(self, scene: str = "{}", **options: object) -> None:
        reading, writing = os.pipe()
        self._ends = reading, writing
        super().__init__(
            [sys.executable, "-m", "tests.tui.play", str(writing), scene],
            watched=reading,
            pass_fds=[writing],
            **options,  # type: ignore[arg-type]
        )

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        for descriptor in self._ends:
            os.close(descriptor)

    def forget_commands(self) -> None:
        """Begin anew, for another test: what the engine was told so far is not looked at again."""
        self.watched_text = ""
        self.keys_sent_at.clear()

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Verb and argument of every command, times left out."""
        lines = [_TIME.sub("", line) for line in self.watched_text.splitlines()]
        return [(verb, argument) for verb, _, argument in (line.partition(" ") for line in lines)]

    @property
    def talks(self) -> list[str]:
        """The commands of the talk key; releases that were wrongly inferred and taken back are left out."""
        return without_resumptions(
            [f"{verb} {argument}".strip() for verb, argument in self.commands if verb in _TALK_VERBS]
        )

    @property
    def wrong_releases(self) -> list[float]:
        """When a release was inferred though a key had come shortly before; monotonic seconds.

        Where the hand itself stood still, for its machine was busy, inferring one is right.
        """
        inferred = [float(found[1]) for found in _INFERRED.finditer(self.watched_text)]
        return [at for at in inferred if any(at - _SHORTLY_S < sent < at for sent in self.keys_sent_at)]

    def hear_commands_until(self, verb: str) -> None:
        """Wait until the engine is told something; the link stands still meanwhile."""
        assert self._watched is not None
        end = time.monotonic() + PATIENCE_S
        while verb not in dict(self.commands):
            assert time.monotonic() < end, self.watched_text
            if select.select([self._watched], [], [], 0.1)[0]:
                self.watched_text += os.read(self._watched, 65_536).decode()

    def wait_for_command(self, verb: str, argument: str = "", *, times: int = 1) -> None:
        """Play the terminal until the engine was told something so many times."""
        self.wait_for(lambda: self.commands.count((verb, argument)) >= times, f"{verb} {argument}")


def left_as_found(screen: Terminal) -> bool:
    """Tell whether a terminal's modes and flags, and its driver's modes, are what they were before the program."""
    modes = [mode for mode in screen.modes_on if mode not in {7, 25}]
    return (
        modes == [] and {7, 25} <= screen.modes_on
        and screen.flag_stacks == ([0], [0]) and screen.modes == screen.modes_before
    )  # fmt: skip
