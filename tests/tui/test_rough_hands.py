"""The real screen under rough hands: bytes that no keyboard sends, and anything a user can do, in any order."""

from __future__ import annotations

import os
import random
import signal
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.support.terminal import KITTY, LEGACY, XTERM_JS, PlayedScreen, Profile, Terminal, left_as_found

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"

PIECES = [
    b"\x1b", b"\x1b[", b"\x1bO", b"\x1b]", b"\x1bP", b"\x1b[<", b"\x1b[200~", b"\x1b[201~", b"\x1b[?", b";", b":", b"u",
    b"~", b"M", b"m", b"R", b"$y", b"\xff", b"\xe1\x88", b"\x00", b"\x1b[I", b"\x1b[O", b"\x1b[32;1:3u",
    b"\x1b[32;1:2u",
    b"\x1b[1114112;1u", b"\x1b[55296;1:1;55296u", b"\x1b[97;1;99999999u", b"\x1b[<0;99999;99999M", b"\x1b[<0;0;0m",
    b"\x1b[48;99999;99999;1;1t", b"\x1b[?2026;9$y", b"\x1b[?2048;4$y", b"\x1b[999;999R", b"\x1b[?999999u",
    b"\x07", b"5",
]  # fmt: skip


def soup(dice: random.Random) -> bytes:
    """A few pieces of sequences, and a few bytes of any kind; nothing that would quit or suspend."""
    pieces = [dice.choice(PIECES) if dice.random() < 0.8 else bytes([dice.randrange(128, 256)]) for _ in range(40)]
    return b"".join(pieces)


def until_it_answers(screen: PlayedScreen) -> None:
    """Bring whatever the bytes began to an end, and see that a key still does what it does."""
    screen.play_for(0.6)  # for an unfinished sequence to be given up
    screen.send(b"x\x1b[201~")
    out_of_everything(screen)


def out_of_everything(screen: PlayedScreen) -> None:
    """Escape out of a sheet, and out of a latch; then see that a key does what it does."""
    for _ in range(3):
        # A plain escape character is the key only if nothing follows soon, or the next sequence begins: this one.
        screen.send(b"\x1b[27;1u" if screen.kitty else b"\x1b\x1b[I")
        screen.play_for(0.1)
    for _ in range(2):  # the first one comes behind the escapes, the second behind what closing a sheet brings about
        before = screen.commands.count(("interrupt", ""))
        screen.tap("i")
        screen.wait_for_command("interrupt", times=before + 1)


@pytest.mark.parametrize("profile", [KITTY, LEGACY], ids=str)
@pytest.mark.parametrize("seed", range(40 if IS_SOAK else 1))
def test_no_bytes_from_the_terminal_break_the_screen(profile, seed):
    dice = random.Random(seed)
    with PlayedScreen("{}", profile=profile) as screen:
        screen.wait_for_text("READY")
        for _ in range(20):
            screen.send(soup(dice))
            screen.play_for(0.02)
        until_it_answers(screen)
        screen.press("ctrl+c")
        assert screen.wait_for_exit() == 130
        assert left_as_found(screen)


class Hands:
    """Does at random what a user may do."""

    def __init__(self, screen: PlayedScreen, dice: random.Random) -> None:
        self._screen = screen
        self._dice = dice
        self._row = screen.row_of("READY")
        self._deeds = [
            *[lambda: screen.press(" ")] * 4, *[lambda: screen.repeat(" ")] * 4, *[lambda: screen.release(" ")] * 4,
            lambda: screen.tap(" "), lambda: screen.tap("escape"), lambda: screen.tap("escape"),
            lambda: screen.mouse(5, self._row, down=True), lambda: screen.mouse(5, self._row, down=False),
            lambda: screen.mouse(5, 3, down=False),
            lambda: screen.focus(gained=False), lambda: screen.focus(gained=True),
            lambda: screen.tap("s"), lambda: screen.tap("d"), lambda: screen.tap("?"), lambda: screen.tap("a"),
            lambda: screen.tap("tab"), lambda: screen.send("\x1b[200~a b ሰ\x1b[201~".encode()), self._stop_and_go,
            lambda: screen.resize(*dice.choice([(80, 24), (100, 30), (30, 10)])),
        ]  # fmt: skip

    def do_something(self) -> None:
        """One thing, and a moment."""
        self._dice.choice(self._deeds)()
        self._screen.play_for(self._dice.choice([0.0, 0.0, 0.01, 0.05, 0.2, 0.4]))

    def _stop_and_go(self) -> None:
        os.kill(self._screen.process.pid, signal.SIGSTOP)
        self._screen.press(" ")
        self._screen.release(" ")
        os.kill(self._screen.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("profile", [KITTY, XTERM_JS, LEGACY] if IS_SOAK else [KITTY, LEGACY], ids=str)
@pytest.mark.parametrize("seed", range(40 if IS_SOAK else 1))
def test_whatever_the_hands_do_an_open_microphone_is_one_that_the_screen_shows_as_open(profile: Profile, seed):
    dice = random.Random(seed)
    with PlayedScreen("{}", profile=profile) as screen:
        screen.wait_for_text("READY")
        if profile.tells_releases:
            screen.wait_for_text("hold space  ")
        hands = Hands(screen, dice)
        for _ in range(60 if IS_SOAK else 40):
            hands.do_something()
        screen.resize(80, 24)
        screen.mouse(5, 3, down=False)
        screen.release(" ")
        out_of_everything(screen)
        screen.focus(gained=True)
        screen.wait_for(lambda: not talking(screen) or "MICROPHONE OPEN" in screen.text, "closed, or shown as open")
        if talking(screen):
            screen.tap(" ")
        screen.wait_for(lambda: not talking(screen), "the microphone closes")
        screen.wait_for_text("READY")
        presses = screen.commands.count(("press", ""))
        screen.press(" ")
        screen.wait_for_command("press", times=presses + 1)
        screen.tap("q")
        assert screen.wait_for_exit() == 0
        assert not talking(screen)
        assert left_as_found(screen)


def talking(screen: PlayedScreen) -> bool:
    """What the engine was told last."""
    told = [verb for verb, _ in screen.commands if verb in {"press", "release", "discard"}]
    return bool(told) and told[-1] == "press"


def test_a_huge_paste_is_a_paste():
    with PlayedScreen("{}", profile=KITTY) as screen:
        screen.wait_for_text("READY")
        paste(screen, b"a b\x1b[A " * (20_000 if IS_SOAK else 5_000))
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert screen.talks == ["interrupt"]


def paste(screen: Terminal, pasted: bytes) -> None:
    """Paste in portions, as a terminal does whose program is slower than its clipboard."""
    screen.send(b"\x1b[200~")
    for start in range(0, len(pasted), 1_024):
        screen.send(pasted[start : start + 1_024])
        screen.play_for(0.001)
    screen.send(b"\x1b[201~")
