"""`selam-voice keys` in a pseudo-terminal: what it shows of keys, what it concludes, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.support.needs import need_programs
from tests.support.terminal import (
    KITTY,
    KONSOLE_ON_X11,
    LEGACY,
    LEGACY_WITHOUT_REPEATS,
    XTERM_JS,
    Profile,
    Terminal,
    left_as_found,
)

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"


def keys(profile: Profile, *options: str) -> Terminal:
    program = [sys.executable, "-m", "selam_cli", "keys", *options]
    return Terminal(program, profile=profile, columns=110, rows=30, environment={"SELAM_CONFIG": ""})


@pytest.mark.parametrize("profile", [KITTY, XTERM_JS], ids=str)
def test_where_releases_are_told_it_says_so_and_shows_them(profile):
    with keys(profile) as terminal:
        terminal.wait_for_text("says that it tells when a key is let go")
        terminal.hold(" ", 1.0)
        terminal.wait_for_text("the microphone closes")
        for told in ("Push to talk: hold space.", "pressed", "the microphone opens", "let go after"):
            assert told in terminal.text
        terminal.tap("ሰ")
        terminal.tap("up")
        terminal.wait_for_text("ሰ ")
        terminal.wait_for_text("up  ")
        terminal.press("ctrl+c")
        assert terminal.wait_for_exit() == 0
        assert left_as_found(terminal)
        terminal.release("ctrl+c")
        assert terminal.unread() == b""
        assert "Push to talk: hold space." in terminal.text  # to be read again, or sent to somebody


def test_where_each_repeat_is_told_as_a_release_and_a_press_it_says_so():
    with keys(KONSOLE_ON_X11) as terminal:
        terminal.wait_for_text("says that it tells when a key is let go")
        terminal.hold(" ", 1.2)
        terminal.wait_for_text("the microphone closes")  # before, half of a repeat may be shown as a release
        terminal.wait_for_text("It tells each repeat of a held key as a release and a press")
        assert terminal.text.count("let go after") == 1
        assert "repeated in pairs" in terminal.text
        terminal.press("ctrl+c")
        assert terminal.wait_for_exit() == 0


def test_where_they_are_inferred_it_shows_what_it_learned():
    with keys(LEGACY) as terminal:
        terminal.wait_for_text("Auto-repeat: not seen yet")
        terminal.hold(" ", 2.0)
        terminal.wait_for_text("the microphone closes (inferred)")
        terminal.wait_for_text("A release is noticed")
        terminal.wait_for_text("Push to talk: hold space (release inferred).")
        terminal.wait_for_text("Auto-repeat: first after")
        terminal.press("ctrl+c")
        assert terminal.wait_for_exit() == 0
        assert left_as_found(terminal)


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGKILL, *[signal.SIGTERM, signal.SIGQUIT, signal.SIGSEGV] * IS_SOAK]
)
def test_whatever_ends_it_the_terminal_is_left_as_it_was(number):
    with Terminal(["/bin/sh", "-c", '"$@"; cat', "sh", sys.executable, "-m", "selam_cli", "keys"], kitty=True) as shell:
        shell.wait_for_text("says that it tells when a key is let go")
        [screen] = psutil.Process(shell.process.pid).children()
        screen.send_signal(number)
        shell.wait_for(lambda: left_as_found(shell), "restored")
        shell.wait_for(lambda: not screen.is_running(), "ended")


def test_a_hang_up_while_it_is_stopped_leaves_the_terminal_to_the_shell():
    need_programs("bash")
    with Terminal(["/bin/bash", "--norc", "--noprofile", "-i"], environment={"PS1": "the shell> "}) as shell:
        shell.wait_for_text("the shell> ")
        shell.type(f"{sys.executable} -m selam_cli keys\r")
        shell.wait_for_text("Auto-repeat: not seen yet")
        [screen] = psutil.Process(shell.process.pid).children()
        shell.press("ctrl+z")
        shell.wait_for_text("Stopped")
        shell.type("echo ba''ck\r")
        shell.wait_for_text("back")
        shell.play_for(0.1)
        at_the_prompt = shell.modes
        screen.send_signal(signal.SIGHUP)
        screen.send_signal(signal.SIGCONT)
        shell.wait_for(lambda: not screen.is_running(), "ended")
        assert shell.modes == at_the_prompt


def test_where_keys_do_not_repeat_it_says_tap():
    with keys(LEGACY_WITHOUT_REPEATS) as terminal:
        terminal.wait_for_text("Auto-repeat: not seen yet")
        terminal.press(" ")
        terminal.wait_for_text("it stays open until the next tap")
        terminal.wait_for_text("No repeat came: tap.")


def test_focus_mouse_and_an_escape_code_are_shown_and_never_obeyed():
    with keys(LEGACY) as terminal:
        terminal.wait_for_text("Auto-repeat")
        terminal.focus(gained=False)
        terminal.wait_for_text("lost")
        terminal.mouse(4, 2, down=True)
        terminal.wait_for_text("pressed at column 5, line 3")
        terminal.send(b"\x1b[15~")
        terminal.wait_for_text(r"\x1b[15~")
        terminal.press("q")
        terminal.wait_for_text("q  ")
        assert terminal.process.poll() is None


def test_the_mode_of_the_flag_is_the_one_that_is_explained():
    with keys(KITTY, "--ptt", "toggle") as terminal:
        terminal.wait_for_text("Push to talk: tap space.")


def test_without_a_terminal_it_is_wrong_usage():
    run = subprocess.run([sys.executable, "-m", "selam_cli", "keys"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        "keys shows what a keyboard does and needs a terminal.", "Run it where you want to talk.",
    ]  # fmt: skip
