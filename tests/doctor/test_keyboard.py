"""The terminal's keyboard as the doctor asks and listens to it, and the terminal after any end."""

from __future__ import annotations

import signal
import sys

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a POSIX thing", allow_module_level=True)

from tests.support.terminal import KITTY, LEGACY, SILENT, Terminal

ASKED = """
import threading
from selam_cli.doctor import keyboard

answer = keyboard.ask(threading.Event())
print(f"releases: {answer.releases}, answered: {answer.after_s is not None}")
"""

LISTENING = """
import threading
from selam_cli.doctor import held_key
from selam_cli.doctor.keyboard import raw_keyboard

with raw_keyboard(threading.Event()) as keyboard:
    keyboard.write(held_key._FLAGS)
    print("listening", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("profile", "releases", "answered"), [(KITTY, True, True), (LEGACY, False, True), (SILENT, False, False)], ids=str
)
def test_a_terminal_that_answers_is_told_from_one_that_does_not(profile, releases, answered):
    with Terminal([sys.executable, "-c", ASKED], profile=profile) as terminal:
        assert terminal.wait_for_exit() == 0
        assert f"releases: {releases}, answered: {answered}" in terminal.text
        assert terminal.modes == terminal.modes_before
        assert not terminal.flags


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGUSR1])
def test_whatever_ends_it_the_terminal_is_left_as_it_was(number):
    with Terminal(["/bin/sh", "-c", '"$@"; cat', "sh", sys.executable, "-c", LISTENING], kitty=True) as shell:
        shell.wait_for_text("listening")
        shell.wait_for(lambda: shell.flags, "the keyboard's flags")
        [listening] = psutil.Process(shell.process.pid).children()
        listening.send_signal(number)
        shell.wait_for(lambda: shell.modes == shell.modes_before and not shell.flags, "restored")
        shell.wait_for(lambda: not listening.is_running(), "ended")
