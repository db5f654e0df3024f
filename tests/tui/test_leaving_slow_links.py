"""Leaving the screen over a slow link: nothing that the terminal still tells lands in the shell."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from selam_cli.keyboard import key_reader
from selam_cli.keyboard.key_parser import Attributes, KeyboardFlags
from tests.support.terminal import ALACRITTY, KITTY, LEGACY, SILENT, PlayedScreen, Profile, left_as_found

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"
FAR = [replace(profile, name=f"{profile} {ms} ms", far_s=ms / 1_000)
       for profile, ms in ((KITTY, 100), (KITTY, 300), (ALACRITTY, 100), (ALACRITTY, 300), (LEGACY, 150))]  # fmt: skip
CUT = [replace(profile, name=f"{profile} in pieces", cut_s=0.12) for profile in (KITTY, ALACRITTY)]
NEAR_AND_FAR = [*FAR, *CUT, ALACRITTY, LEGACY, SILENT] if IS_SOAK else [FAR[1], FAR[2], FAR[4], CUT[1], SILENT]
"""Each terminal and each kind of link once; more of them in pretended time, below."""


def what_lands_in_the_shell(screen: PlayedScreen) -> bytes:
    """Leave by q, whose release comes late, and look at what is left when all has arrived."""
    screen.tap("q")
    assert screen.wait_for_exit() == 0
    screen.play_for(2 * screen.profile.far_s + 0.1)
    assert left_as_found(screen)
    return screen.unread()


@pytest.mark.parametrize("profile", NEAR_AND_FAR, ids=str)
def test_nothing_lands_in_the_shell(profile: Profile):
    with PlayedScreen("{}", profile=profile) as screen:
        screen.wait_for_text("READY")
        screen.wait_for(lambda: ("hold space  " in screen.text) == profile.tells_releases, "the terminal's answer")
        assert what_lands_in_the_shell(screen) == b""


@pytest.mark.parametrize("profile", [FAR[3], *[FAR[1], LEGACY] * IS_SOAK], ids=str)
def test_nothing_lands_in_the_shell_of_who_leaves_at_once(profile: Profile):
    with PlayedScreen("{}", profile=profile) as screen:
        screen.wait_for(lambda: screen.alternate, "the screen")
        assert what_lands_in_the_shell(screen) == b""


def test_the_mouse_and_the_focus_are_silent_before_the_last_answer():
    with PlayedScreen("{}", profile=FAR[1]) as screen:
        screen.wait_for_text("READY")
        screen.tap("q")
        screen.wait_for(lambda: not screen.modes_on & {1000, 1003, 1004, 2004}, "they are switched off")
        assert screen.process.poll() is None, "the answer to the last question is still on its way"
        assert screen.wait_for_exit() == 0
        screen.play_for(0.7)
        assert screen.unread() == b""


# --- how long it waits: in pretended time -----------------------------------------------------------------------------


class Link:
    """A terminal's end of a link, and a clock that only waiting moves; its answers are there when they are due."""

    def __init__(self, round_trip_s: float, *, answers: bool = True) -> None:
        self.now = 100.0
        self.written = ""
        self._round_trip_s, self._answers = round_trip_s, answers
        self._due: list[float] = []
        self.heard: key_reader.KeyReader | None = None

    def write(self, text: str) -> None:
        self.written += text
        if self._answers:
            self._due += [self.now + self._round_trip_s] * text.count("\x1b[c")

    def wait(self, seconds: float) -> None:
        """Let so much time pass, or less where an answer ends it."""
        until = self.now + seconds
        while self._due and self._due[0] <= until:
            self.now = self._due.pop(0)
            assert self.heard is not None
            for answer in (KeyboardFlags(31), Attributes()):
                list(self.heard._told([answer]))
            if self.heard._answered.is_set():
                return
        self.now = until


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch):
    """Return what makes a hearing on a link, which is asked and used for a while; then how long leaving it takes."""

    def left(link: Link, used_for_s: float) -> float:
        monkeypatch.setattr(time, "monotonic", lambda: link.now)
        heard = key_reader.KeyReader(Deaf(), "")
        link.heard = heard
        heard._answered.wait = link.wait  # type: ignore[method-assign]
        heard.ask_for_releases(link.write)
        link.wait(used_for_s)
        link.now = 100.0 + used_for_s
        list(heard.rest(link.now))
        began = link.now
        heard.take_back(link.write, Reader())
        return link.now - began

    return left


class Deaf:
    """A listener that listens to nothing."""

    directly_fed = False
    key = "space"

    def __getattr__(self, name: str):
        return lambda *_, **__: None


class Reader:
    """A thread that reads for as long as it is asked to."""

    def is_alive(self) -> bool:
        return True


@pytest.mark.parametrize("used_for_s", [0.0, 2.9, 3.5, 16.0, 3_600.0])
@pytest.mark.parametrize("round_trip_s", [0.001, 0.2, 0.6, 0.9])
def test_it_waits_for_the_last_answer_however_long_the_screen_was_used(leaving, round_trip_s, used_for_s):
    link = Link(round_trip_s)
    assert leaving(link, used_for_s) == pytest.approx(round_trip_s)
    assert link.written.endswith("\x1b[=0;1u\x1b[?u\x1b[c")


def test_a_terminal_that_never_answers_is_not_waited_for(leaving):
    link = Link(0.0, answers=False)
    assert leaving(link, 5.0) == 0.0
    assert link.written.endswith("\x1b[=0;1u")


def test_one_that_was_asked_just_now_may_yet_answer(leaving):
    assert leaving(Link(0.0, answers=False), 0.25) == pytest.approx(key_reader.ASKED_LATELY_S - 0.25)


def test_a_link_that_died_meanwhile_holds_nobody_up_for_long(leaving):
    link = Link(0.1)

    def die(text: str, write=link.write) -> None:
        write(text)
        if "\x1b[=0;1u" in text:
            link._answers = False

    link.write = die
    assert leaving(link, 16.0) == pytest.approx(key_reader.LEAVE_AT_LEAST_S)
