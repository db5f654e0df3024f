"""The doctor at a terminal that is played by the test, and in a real tmux."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a POSIX thing", allow_module_level=True)

from selam_cli.doctor.finding import Status
from selam_cli.doctor.keyboard import Answer
from selam_cli.doctor.terminal import answers, tmux_clients
from selam_cli.keyboard.multiplexer import Clients
from tests.doctor.examined import NOBODY
from tests.support.needs import need_programs
from tests.support.terminal import KITTY, KONSOLE, LEGACY, LEGACY_WITHOUT_REPEATS, Terminal

IN_A_SOAK = os.environ.get("SELAM_SOAK") == "1"

UNREACHED = 4
"""What a whole run ends with whose server is NOBODY."""

HELD = "Hold space for two seconds"


def doctor_in(profile, *, rows=100, **options):
    """Look at the terminal alone, as a whole run does (one of each kind is below)."""
    program = [sys.executable, "-m", "tests.doctor.of_the_terminal", "doctor"]
    return Terminal(program, profile=profile, rows=rows, **options)


def whole_doctor_in(profile, a_file, *, rows=100, **options):
    program = [sys.executable, "-m", "selam_cli", "doctor", *NOBODY, *a_file]
    return Terminal(program, profile=profile, rows=rows, **options)


def left_as_found(terminal: Terminal) -> tuple[bool, int, set[int]]:
    """Whether the driver's modes are as before, the keyboard's flags, and the modes that are on."""
    return terminal.modes == terminal.modes_before, terminal.flags, terminal.modes_on


@pytest.mark.parametrize(
    ("profile", "releases", "way"),
    [
        (KITTY, "tells when a key goes up", "Push to talk: hold space."),
        (KONSOLE, "tells when a key goes up", "It tells each repeat of a held key as a release and a press"),
        (LEGACY, "does not tell when a key goes up", "Auto-repeat: first after"),
        (LEGACY_WITHOUT_REPEATS, "does not tell when a key goes up", "Auto-repeat: not seen yet"),
    ],
    ids=str,
)
def test_what_the_terminal_tells_of_keys_is_asked_and_heard(profile, releases, way):
    with doctor_in(profile) as terminal:
        terminal.wait_for_text(HELD)
        terminal.hold(" ", 1.5)
        assert terminal.wait_for_exit() == 0
        shown = " ".join(terminal.text.split())
        assert "The terminal answers questions, after" in shown
        assert releases in shown
        assert way in shown
        assert left_as_found(terminal) == (True, 0, set())
        assert terminal.unread() == b""


def test_another_key_leaves_the_hold_of_a_whole_run_out(a_file):
    with whole_doctor_in(LEGACY, a_file) as terminal:
        terminal.wait_for_text(HELD)
        terminal.tap("enter")
        assert terminal.wait_for_exit() == UNREACHED
        assert "The talk key was not held." in terminal.text
        assert left_as_found(terminal) == (True, 0, set())


def test_ctrl_c_leaves_as_it_was():
    with doctor_in(KITTY) as terminal:
        terminal.wait_for_text(HELD)
        terminal.press("ctrl+c")
        assert terminal.wait_for_exit() == 130
        assert left_as_found(terminal) == (True, 0, set())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT] if IN_A_SOAK else [signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(number, a_file):
    """That each of them ends a run in the same way, tests/doctor/test_doctor.py shows."""
    with whole_doctor_in(KITTY, a_file) as terminal:
        terminal.wait_for_text(HELD)
        terminal.wait_for(lambda: terminal.flags, "the keyboard's flags")
        terminal.process.send_signal(number)
        assert terminal.wait_for_exit() == 128 + number
        assert left_as_found(terminal) == (True, 0, set())


def test_a_small_window_without_utf_8_and_colours():
    own = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "NO_COLOR": "1"}
    with doctor_in(LEGACY, columns=39, rows=200, environment=own) as terminal:
        terminal.wait_for_text("Hold space for")
        terminal.tap("enter")
        assert terminal.wait_for_exit() == 0
        shown = " ".join(terminal.text.split())
        assert "The window is too small" in shown
        assert "not UTF-8" in shown
        assert "NO_COLOR is set" in shown
        colours = {cell.fg for row in terminal.display.buffer.values() for cell in row.values()}
        assert colours <= {"default"}


def test_a_terminal_without_a_screen_fails():
    with doctor_in(LEGACY, environment={"TERM": "dumb"}) as terminal:
        terminal.wait_for_text(HELD)
        terminal.tap("enter")
        assert terminal.wait_for_exit() == 2
        assert "no screen can be drawn" in " ".join(terminal.text.split())


def test_the_settings_of_tmux_that_matter_are_told(tmp_path):
    need_programs("tmux")
    tmux = [shutil.which("tmux"), "-L", f"selam-doctor-{os.getpid()}", "-f", "/dev/null"]
    done = tmp_path / "status"
    command = shlex.join([sys.executable, "-m", "tests.doctor.of_the_terminal", "doctor"])
    inside = [*tmux, "new-session", f"{command}; echo $? > {done}; sleep 30"]
    with Terminal(inside, profile=LEGACY, rows=100, environment={"LC_ALL": "C.UTF-8"}) as terminal:
        try:
            terminal.wait_for_text(HELD)
            terminal.tap("enter")
            terminal.wait_for(done.exists, "the end of the doctor")
            shown = " ".join(terminal.text.split())
            assert "set -sg escape-time 10" in shown
            assert "set -g focus-events on" in shown
            assert "it passes no release of a key on" in shown
            assert "tmux has one client; keys come over no network." in shown
            assert "tmux answers questions in the terminal's place, after" in shown
        finally:
            subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


def test_gnu_screen_has_the_colours_of_its_own_and_no_mouse():
    inside = {"STY": "1.pts-0", "TERM": "screen", "COLORTERM": "truecolor"}
    with doctor_in(LEGACY, environment=inside) as terminal:
        terminal.wait_for_text(HELD)
        terminal.tap("enter")
        assert terminal.wait_for_exit() == 0
        shown = " ".join(terminal.text.split())
        assert "Colours: 16, as TERM says; COLORTERM is not GNU screen's own." in shown
        assert "so the mouse is left off" in shown
        assert "its socket is not found" in shown
        assert "GNU screen answers questions in the terminal's place, after" in shown


@pytest.mark.parametrize(
    ("clients", "told"),
    [
        (Clients(attached=True, far=False, count=1), ["tmux has one client; keys come over no network."]),
        (Clients(attached=False, far=False, count=0), ["tmux has no client; keys come over no network."]),
        (
            Clients(attached=True, far=True, count=3),
            ["tmux has 3 clients; keys may come over a network, so an inferred end of a hold may be taken back until "
             "1.1 s after its last repeat."],
        ),
        (Clients(attached=None, far=True), []),
    ],
)  # fmt: skip
def test_the_clients_of_tmux_are_counted_and_what_follows_is_told(clients, told):
    assert [finding.text for finding in tmux_clients(clients)] == told


def test_a_terminal_that_answers_nothing_is_a_warning_with_a_remedy():
    silent = answers(Answer(releases=False, after_s=None), {})
    assert (silent.id, silent.status) == ("terminal.answers", Status.WARNING)
    assert silent.remedy
    heard = answers(Answer(releases=False, after_s=0.0415), {})
    assert (heard.status, heard.text) == (Status.OK, "The terminal answers questions, after 42 ms.")
