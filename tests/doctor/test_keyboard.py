"""The terminal's keyboard as the doctor listens to it, and the terminal after any end."""

from __future__ import annotations

import signal
import sys

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a POSIX thing", allow_module_level=True)

from tests.support.terminal import Terminal

LISTENING = """
import threading
from selam_cli.doctor import held_key
from selam_cli.doctor.keyboard import raw_keyboard

with raw_keyboard(threading.Event()) as keyboard:
    keyboard.write(held_key._FLAGS)
    print("listening", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGUSR1])
def test_whatever_ends_it_the_terminal_is_left_as_it_was(number):
    with Terminal(["/bin/sh", "-c", '"$@"; cat', "sh", sys.executable, "-c", LISTENING], kitty=True) as shell:
        shell.wait_for_text("listening")
        shell.wait_for(lambda: shell.flags, "the keyboard's flags")
        [listening] = psutil.Process(shell.process.pid).children()
        listening.send_signal(number)
        shell.wait_for(lambda: shell.modes == shell.modes_before and not shell.flags, "restored")
        shell.wait_for(lambda: not listening.is_running(), "ended")
