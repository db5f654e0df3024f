"""The screen as a process in a pseudo-terminal: keys in, commands and pictures out, and the terminal left as found."""

from __future__ import annotations

import json
import os
import signal
import sys
import termios
import time

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.support.kept_screens import KeptScreens
from tests.support.terminal import EVENT_TYPES, KITTY, LEGACY, PATIENCE_S, PlayedScreen, Profile, left_as_found

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"
SHARED = pytest.mark.xdist_group("kept screens")
PROFILES = pytest.mark.parametrize("profile", [KITTY, LEGACY], ids=str)


def some(names: str, cases: list[object], more: list[object]):
    """Cases of every kind, and in a long run those that combine the same anew."""
    return pytest.mark.parametrize(names, [*cases, *more] if IS_SOAK else cases, ids=called)


def called(value: object) -> str:
    return ("legacy", "kitty")[value] if isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def screens():
    kept = KeptScreens()
    yield kept
    kept.close()


def played(
    kitty: bool = True, environment: dict[str, str] | None = None, columns: int = 80, rows: int = 24, **scene: object
):
    return PlayedScreen(json.dumps(scene), kitty=kitty, environment=environment, columns=columns, rows=rows)


def until_ready(screen: PlayedScreen) -> None:
    screen.wait_for_text("READY")
    if screen.kitty:
        screen.wait_for(lambda: "hold space  " in screen.text, "releases are told")


def test_in_a_locale_of_plain_ascii_the_screen_can_be_read():
    ascii_alone = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with played(environment=ascii_alone) as screen:
        until_ready(screen)
        screen.press(" ")
        screen.wait_for_text("LISTENING")
        assert screen.text.isascii()
        assert "\\u" not in screen.text


# --- push to talk -----------------------------------------------------------------------------------------------------


def test_the_keyboard_protocol_can_be_turned_off():
    with played(kitty=True, environment={"TEXTUAL_DISABLE_KITTY_KEY": "1"}) as screen:
        screen.wait_for_text("release inferred")
        assert screen.flags == 0


def test_a_driver_that_the_user_names_is_the_one_that_is_used():
    named = {"TEXTUAL_DRIVER": "textual.drivers.linux_driver:LinuxDriver"}
    with played(kitty=True, environment=named) as screen:
        screen.wait_for_text("hold space (release inferred)")
        assert not screen.flags & EVENT_TYPES
        screen.press(" ")
        screen.wait_for_command("press")


@some("kitty", [True], [False])
def test_a_sheet_closes_the_microphone_and_a_space_in_it_is_a_space(kitty):
    with played(kitty, options={"ptt": "toggle"}) as screen:
        screen.wait_for_text("READY")
        screen.tap(" ")
        screen.wait_for_text("MICROPHONE OPEN")
        screen.tap("s")
        screen.wait_for_text("Settings")
        screen.wait_for_command("release")
        screen.type("new voice")
        screen.wait_for_text("new voice")
        screen.tap("enter")
        screen.wait_for_command("voice", "new voice")
        screen.tap(" ")
        screen.wait_for_command("press", times=2)


@SHARED
@PROFILES
def test_what_is_typed_before_a_sheet_is_drawn_is_for_the_sheet(screens, profile):
    # A plain escape character is the key only when nothing follows it.
    escape = b"\x1b[27;1u" if profile.tells_releases else b"\x1b\x1b[I"
    with screens.lent(profile) as screen:
        screen.type("smed")
        screen.tap("enter")
        screen.wait_for_command("voice", "med")
        for sheet in "?sd?":
            screen.tap(sheet)
            screen.send(escape)
        screen.type("??pk")
        screen.wait_for_command("listen", "off")
        assert [verb for verb, _ in screen.commands] == ["voice", "devices", "pause", "listen"]


def test_the_talk_key_works_in_a_window_too_small_to_show_anything():
    with played(columns=20, rows=5) as screen:
        screen.wait_for_text("small: 40×15")
        screen.wait_for(lambda: screen.flags & EVENT_TYPES)
        screen.press(" ")
        screen.wait_for_command("press")
        screen.wait_for_text("listening")
        screen.resize(80, 24)
        screen.wait_for_text("Control")


# --- other keys -------------------------------------------------------------------------------------------------------


KEYS = {
    "i": ("interrupt", ""), "l": ("listen", "on"), "k": ("listen", "off"), "p": ("pause", ""), "o": ("resume", ""),
    "m": ("mute", "on"), "-": ("volume", "95"), "r": ("resend", ""), "a": ("replay", ""), "t": ("retry", ""),
    "e": ("switch", "local"),
}  # fmt: skip


@SHARED
@PROFILES
def test_each_key_sends_its_command(screens, profile):
    with screens.lent(profile) as screen:
        for key, command in KEYS.items():
            screen.tap(key)
            screen.wait_for_command(*command)
        assert screen.commands == [*KEYS.values()]


@SHARED
def test_a_device_is_chosen_from_those_that_were_found(screens):
    with screens.lent(KITTY) as screen:
        screen.tap("d")
        screen.wait_for_command("devices")
        screen.wait_for_text("Headset")
        screen.send(b"\x1b[B")
        screen.tap("enter")
        screen.wait_for_command("microphone", "Headset")
        screen.tap("escape")


# --- leaving ----------------------------------------------------------------------------------------------------------


@some("kitty, key, status", [(True, "q", 0), (True, "ctrl+c", 130), (False, "ctrl+c", 130)], [(False, "q", 0)])
def test_leaving_by_key_restores_the_terminal_and_no_release_reaches_the_shell(kitty, key, status):
    with played(kitty) as screen:
        until_ready(screen)
        screen.on_alternate_left = lambda: screen.release(key)
        screen.press(key)
        assert screen.wait_for_exit() == status
        assert left_as_found(screen)
        assert screen.commands[-1] == ("quit", "")
        screen.release(key)
        assert screen.unread() == b""


@some(
    "kitty, number, status",
    [(True, signal.SIGTERM, 143), (False, signal.SIGINT, 130), (True, signal.SIGQUIT, 131)],
    [(False, signal.SIGTERM, 143), (True, signal.SIGINT, 130), (False, signal.SIGQUIT, 131)],
)
def test_leaving_by_signal_restores_the_terminal(kitty, number, status):
    with played(kitty) as screen:
        until_ready(screen)
        os.kill(screen.process.pid, number)
        assert screen.wait_for_exit() == status
        assert left_as_found(screen)
        assert ("quit", "") in screen.commands


@some("kitty, busy_s", [(True, 0.05), (False, 0.0)], [(True, 0.0), (False, 0.05)])
def test_a_hang_up_tells_the_engine_and_leaves_the_terminal_as_it_was(kitty, busy_s):
    """The terminal may still be there: another pane, a supervisor or a multiplexer sends the signal."""
    with played(kitty, busy_s=busy_s) as screen:
        until_ready(screen)
        os.kill(screen.process.pid, signal.SIGHUP)
        os.kill(screen.process.pid, signal.SIGCONT)  # follows a hang-up in most shells and in systemd
        assert screen.wait_for_exit() == 129
        assert ("quit", "") in screen.commands
        assert left_as_found(screen)


def test_a_hang_up_on_a_frozen_link_ends_the_program():
    with played() as screen:
        until_ready(screen)
        screen.fill()
        os.kill(screen.process.pid, signal.SIGHUP)
        assert screen.process.wait(PATIENCE_S) == 129


def test_closing_the_window_ends_the_program():
    with played() as screen:
        until_ready(screen)
        screen.hang_up()
        assert screen.process.wait(PATIENCE_S) == 129


def test_a_latched_microphone_is_closed_before_leaving():
    with played(kitty=False) as screen:
        until_ready(screen)
        screen.tap(" ")
        screen.wait_for_text("MICROPHONE OPEN")
        screen.tap("q")
        assert screen.wait_for_exit() == 0
        assert [verb for verb, _ in screen.commands][-2:] == ["release", "quit"]
        assert left_as_found(screen)


@some("kitty", [True], [False])
def test_a_fault_of_the_screen_is_told_in_sentences_on_a_restored_terminal(kitty, tmp_path):
    with played(kitty, crash=True) as screen:
        until_ready(screen)
        screen.tap("y")
        assert screen.wait_for_exit() == 1
        assert left_as_found(screen)
        assert "The screen failed: ZeroDivisionError" in screen.text
        assert "Traceback" not in screen.text
    [log] = tmp_path.rglob("selam-voice.log")
    assert " screen[" in log.read_text()
    assert "ZeroDivisionError" in log.read_text()


@some("kitty", [True], [False])
def test_suspending_gives_the_terminal_back_and_coming_back_draws_again(kitty):
    with played(kitty) as screen:
        until_ready(screen)
        screen.press("ctrl+z")
        screen.wait_for_stop()
        assert left_as_found(screen)
        screen.display.reset()
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.wait_for(lambda: screen.alternate and (not kitty or screen.flags & EVENT_TYPES), "the screen is back")
        screen.wait_for_text("READY")
        screen.press(" ")
        screen.wait_for_command("press")
        screen.tap("q")
        assert screen.wait_for_exit() == 0
        assert left_as_found(screen)


@some("kitty", [True], [False])
def test_a_stop_that_nobody_could_prepare_for_leaves_one_reader_and_one_writer(kitty):
    """SIGSTOP cannot be handled; Textual alone would begin a second time on SIGCONT and share the keys out."""
    with played(kitty) as screen:
        until_ready(screen)
        for _ in range(3):
            os.kill(screen.process.pid, signal.SIGSTOP)
            modes = screen.modes
            termios.tcsetattr(screen.slave, termios.TCSANOW, screen.modes_before)  # a shell took the terminal over
            os.kill(screen.process.pid, signal.SIGCONT)
            screen.wait_for(lambda modes=modes: screen.modes == modes, "raw again")
        threads = {thread.id for thread in psutil.Process(screen.process.pid).threads()}
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert {thread.id for thread in psutil.Process(screen.process.pid).threads()} == threads
        screen.type("kkkkkk")
        screen.wait_for_command("listen", "off", times=6)
        screen.tap("q")
        assert screen.wait_for_exit() == 0
        assert left_as_found(screen)


@some("kitty", [True], [False])
def test_a_stop_at_any_moment_of_coming_back_leaves_one_reader(kitty):
    """Ctrl+Z is a signal until the terminal is in raw mode, and `kill -TSTP` always is."""
    # A legacy terminal that was asked about its keyboard gets a second to answer at each stop.
    environment = None if kitty else {"TEXTUAL_DISABLE_KITTY_KEY": "1"}
    with played(kitty, environment) as screen:
        until_ready(screen)
        readers = len(psutil.Process(screen.process.pid).threads())
        os.kill(screen.process.pid, signal.SIGTSTP)
        for wait_ms in (0, 1, 2, 3, 5, 8, 12, 20):
            screen.wait_for_stop()
            os.kill(screen.process.pid, signal.SIGCONT)
            time.sleep(wait_ms / 1_000)  # any moment will do
            os.kill(screen.process.pid, signal.SIGTSTP)
        screen.wait_for_stop()
        assert left_as_found(screen)
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.wait_for(lambda: screen.alternate and (not kitty or screen.flags & EVENT_TYPES), "the screen is back")
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert len(psutil.Process(screen.process.pid).threads()) == readers
        screen.tap("q")
        assert screen.wait_for_exit() == 0
        assert left_as_found(screen)


def test_a_release_told_on_a_slow_link_does_not_reach_the_shell():
    """A terminal 0.6 s away: the quit key goes up, and is told, while the program is leaving already."""
    with PlayedScreen("{}", profile=Profile("far away", tells_releases=True, far_s=0.6)) as screen:
        until_ready(screen)
        screen.press("q")
        screen.play_for(0.1)
        screen.release("q")
        assert screen.wait_for_exit() == 0
        assert left_as_found(screen)
        assert screen.unread() == b""


# --- the engine's end -------------------------------------------------------------------------------------------------


def line(event: str, **fields: object) -> str:
    return json.dumps({"event": event, "t": 0.0, **fields})


FATAL = line("error", type="authentication_error", message="The key is refused.", remedy="Set another.", fatal=True)


def test_a_fatal_error_before_any_answer_ends_the_screen_with_its_two_sentences():
    with played(lines=[FATAL], stays=False, status=3) as screen:
        assert screen.wait_for_exit() == 3
        assert left_as_found(screen)
        assert "The key is refused.\nSet another." in "\n".join(row.rstrip() for row in screen.display.display)


def test_after_an_answer_the_text_stays_readable_until_q():
    lines = [line("response", turn=1, text="An answer worth reading"), FATAL]
    with played(lines=lines, stays=False, status=4) as screen:
        screen.wait_for_text("The engine has ended (status 4)")
        screen.wait_for_text("An answer worth reading")
        screen.tap("q")
        assert screen.wait_for_exit() == 4


def test_what_an_engine_said_that_never_started_is_told():
    with played(lines=[], stays=False, status=2, last_words="No such option.") as screen:
        screen.wait_for_text("No such")
        screen.tap("q")
        assert screen.wait_for_exit() == 2


def test_strangers_text_cannot_command_the_terminal():
    evil = "before\x1b[2J\x1b]0;stolen\x07 [bold red]markup[/] \u202eafter"
    with played(columns=200, lines=[line("response", turn=1, text=evil)]) as screen:
        screen.wait_for_text("before\\x1b[2J\\x1b]0;stolen\\x07 [bold red]markup[/] \\u202eafter")
        screen.wait_for_text("Control")


def test_signs_that_a_selector_makes_wider_do_not_end_the_screen():
    with played(
        lines=[line("response", turn=1, text=" ".join("❤\ufe0f" * count for count in range(10, 60, 5)))]
    ) as screen:
        screen.wait_for_text("❤")
        screen.tap("?")
        screen.wait_for_text("Hold space while you speak")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"COLORTERM": "", "TERM": "xterm"}], ids=["none", "16"])
def test_few_colours_are_enough(environment):
    with played(environment=environment) as screen:
        until_ready(screen)
        screen.tap(" ")
        screen.wait_for_text("● MICROPHONE OPEN")
