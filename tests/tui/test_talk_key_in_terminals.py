"""Push-to-talk in every kind of terminal: the real screen in a pseudo-terminal, keys as that terminal sends them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.support.kept_screens import KeptScreens
from tests.support.terminal import (
    EVENT_TYPES,
    IN_PIECES,
    KITTY,
    KONSOLE,
    KONSOLE_ON_X11,
    LEGACY,
    LEGACY_WITHOUT_REPEATS,
    XTERM_JS,
    PlayedScreen,
    Profile,
)


def of(*profiles: Profile):
    """A profile's tests run in one process, one after the other, where they share a screen."""

    def marks(profile: Profile) -> list[pytest.MarkDecorator]:
        return [pytest.mark.xdist_group(f"screen of {profile}")] if profile.tells_releases else []

    return pytest.mark.parametrize(
        "profile", [pytest.param(profile, marks=marks(profile)) for profile in profiles], ids=str
    )


TELLING = of(KITTY, XTERM_JS, KONSOLE)
REPEATING = of(KITTY, XTERM_JS, KONSOLE, KONSOLE_ON_X11, LEGACY)
ALL = of(KITTY, XTERM_JS, KONSOLE, LEGACY, LEGACY_WITHOUT_REPEATS)
TWO = of(KITTY, LEGACY)


@pytest.fixture(scope="module")
def screens():
    kept = KeptScreens()
    yield kept
    kept.close()


def played(profile: Profile, environment: dict[str, str] | None = None, **scene: object) -> PlayedScreen:
    return PlayedScreen(json.dumps(scene), profile=profile, environment=environment)


def until_ready(screen: PlayedScreen) -> None:
    screen.wait_for_text("READY")
    if screen.kitty:
        screen.wait_for(lambda: "hold space  " in screen.text or "tap space" in screen.text, "releases are told")


# --- in every kind of terminal; more of it in test_talk_key_of_profiles -----------------------------------------------


@REPEATING
def test_a_hold_is_one_utterance_however_often_it_repeats(screens, profile):
    with screens.lent(profile) as screen:
        screen.hold(" ", 1.0)
        released = "release" if profile.tells_releases else "release inferred"
        screen.wait_for(lambda: screen.talks == ["press", released])
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert screen.talks == ["press", released, "interrupt"]


@TELLING
def test_a_hold_shorter_than_the_repeat_delay_is_a_hold_where_releases_are_told(screens, profile):
    with screens.lent(profile) as screen:
        screen.hold(" ", 0.39)
        screen.wait_for_command("release")
        assert screen.talks == ["press", "release"]


@ALL
def test_a_tap_opens_the_microphone_until_the_next_tap(screens, profile):
    with screens.lent(profile) as screen:
        screen.tap(" ")
        screen.wait_for_text("MICROPHONE OPEN")
        screen.tap(" ")
        screen.wait_for_text("READY")
        assert screen.talks == ["press", "release"]


@of(KITTY, KONSOLE)
def test_escape_throws_the_utterance_away_and_the_held_key_says_nothing_more(screens, profile):
    with screens.lent(profile) as screen:
        escape_in_mid_hold(screen)


def test_escape_does_so_where_no_release_is_told():
    # A legacy terminal that is asked about its keyboard gets time to answer, and Escape is late as long.
    with played(LEGACY, {"TEXTUAL_DISABLE_KITTY_KEY": "1"}) as screen:
        until_ready(screen)
        escape_in_mid_hold(screen)


def escape_in_mid_hold(screen: PlayedScreen) -> None:
    screen.press(" ")
    screen.repeat(" ")
    screen.wait_for_command("press")
    screen.tap("escape")
    screen.wait_for_command("discard")
    for _ in range(10):
        screen.repeat(" ")
    screen.release(" ")
    screen.tap("i")
    screen.wait_for_command("interrupt")
    assert screen.talks == ["press", "discard", "interrupt"]


@REPEATING
def test_losing_the_focus_ends_a_hold_at_once(screens, profile):
    with screens.lent(profile) as screen:
        screen.press(" ")
        screen.focus(gained=False)  # at once: where no release is told, a key that stays quiet is soon a tap's
        screen.wait_for_command("release")
        screen.wait_for_text("READY")
        assert screen.talks == ["press", "release"]
        screen.focus(gained=True)
        screen.release(" ")


@TWO
def test_a_latched_microphone_survives_the_focus_and_is_unmistakable(screens, profile):
    with screens.lent(profile) as screen:
        screen.tap(" ")
        screen.wait_for_text("MICROPHONE OPEN")
        screen.focus(gained=False)
        screen.focus(gained=True)
        screen.tap("r")
        screen.wait_for_command("resend")
        assert "MICROPHONE OPEN" in screen.text
        assert screen.talks == ["press"]


@TWO
def test_a_mouse_button_held_on_the_talk_bar_talks_until_it_is_let_go_anywhere(screens, profile):
    with screens.lent(profile) as screen:
        row = screen.row_of("READY")
        screen.mouse(5, row, down=True)
        screen.wait_for_text("LISTENING")
        time.sleep(0.3)  # longer than a tap
        screen.mouse(5, 2, down=False)
        screen.wait_for_text("READY")
        assert screen.talks == ["press", "release"]
        screen.mouse(5, 2, down=True)
        screen.mouse(5, 2, down=False)
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert screen.talks == ["press", "release", "interrupt"]


# --- the other ways of push-to-talk, and another key ------------------------------------------------------------------


@pytest.mark.parametrize("profile", [KONSOLE, LEGACY], ids=str)
def test_in_toggle_mode_a_held_key_toggles_once(profile):
    with played(profile, options={"ptt": "toggle"}) as screen:
        until_ready(screen)
        screen.wait_for_text("tap space")
        screen.hold(" ", 0.8)
        screen.wait_for_text("MICROPHONE OPEN")
        screen.tap("r")
        screen.wait_for_command("resend")  # so the release counts: a press at its heels is half of Konsole's repeat
        screen.hold(" ", 0.8)
        screen.wait_for_text("READY")
        assert screen.talks == ["press", "release"]


def test_in_open_mode_a_held_key_switches_the_listening_once():
    with played(XTERM_JS, options={"ptt": "open"}) as screen:
        screen.wait_for_text("READY")
        screen.hold(" ", 0.8)
        screen.wait_for_command("listen", "off")
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert screen.commands.count(("listen", "off")) == 1
        assert screen.talks == ["interrupt"]


def test_another_talk_key_talks_and_does_nothing_else():
    with played(LEGACY, options={"talk_key": "m"}) as screen:
        screen.wait_for_text("READY")
        screen.hold("m", 0.8)
        screen.wait_for_command("press")
        screen.tap(" ")
        screen.tap("i")
        screen.wait_for_command("interrupt")
        assert screen.commands.count(("press", "")) == 1
        assert ("mute", "on") not in screen.commands


def test_a_release_is_heard_though_its_modifier_was_let_go_before():
    with played(KITTY, options={"ptt": "hold", "talk_key": "ctrl+t"}) as screen:
        screen.wait_for(lambda: screen.flags & EVENT_TYPES, "event types")
        screen.press("ctrl+t")
        screen.wait_for_command("press")
        screen.press("shift")
        screen.release("t")
        screen.wait_for_command("release")
        assert screen.talks == ["press", "release"]


# --- the mouse, and links that cut, stall and lose --------------------------------------------------------------------


@of(LEGACY)
def test_a_mouse_that_moves_without_its_button_has_let_it_go(screens, profile):
    """What tmux sends when the button was let go over another pane: nothing, until the pointer comes back."""
    with screens.lent(profile) as screen:
        row = screen.row_of("READY")
        screen.mouse(5, row, down=True)
        screen.wait_for_text("LISTENING")
        screen.send(f"\x1b[<32;7;{row + 1}M".encode())  # moved, with the button down
        time.sleep(0.3)  # longer than a tap
        assert screen.talks == ["press"]
        screen.send(f"\x1b[<35;8;{row + 1}M".encode())
        screen.wait_for_command("release")
        assert screen.talks == ["press", "release"]


@of(LEGACY)
def test_a_click_on_the_talk_bar_opens_the_microphone_until_the_next_click(screens, profile):
    with screens.lent(profile) as screen:
        row = screen.row_of("READY")
        for text in ("MICROPHONE OPEN", "READY"):
            screen.mouse(5, row, down=True)
            screen.mouse(5, row, down=False)
            screen.wait_for_text(text)
        assert screen.talks == ["press", "release"]


def test_a_terminal_that_cuts_every_sequence_in_single_bytes_is_understood():
    with played(IN_PIECES) as screen:
        until_ready(screen)
        screen.press(" ")
        screen.wait_for_text("LISTENING")
        screen.release(" ")
        screen.wait_for_text("READY")
        screen.press("escape")
        screen.press("s")
        screen.wait_for_text("Settings")
        assert screen.talks == ["press", "release"]
        assert [verb for verb, _ in screen.commands] == ["levels", "press", "release"]


def test_a_link_that_was_seen_to_cut_a_sequence_is_given_time():
    with played(Profile("legacy in pieces", cut_s=0.15), environment={"TEXTUAL_DISABLE_KITTY_KEY": "1"}) as screen:
        until_ready(screen)
        screen.send(b"\x1b[15~")  # F5, the first one cut: its remains are keys
        screen.send(b"\x1b[15~")
        screen.send(b"s")
        screen.wait_for_text("Settings")


@TELLING
def test_keys_that_waited_out_a_stall_are_a_hold_and_no_tap(screens, profile):
    """A stop of 0.6 s over a whole hold: press and release are read together, and the microphone must not stay open."""
    with screens.lent(profile) as screen:
        os.kill(screen.process.pid, signal.SIGSTOP)
        began_at = time.monotonic()
        screen.press(" ")
        time.sleep(0.6)  # the stall itself
        screen.release(" ")
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.wait_for_command("release")
        assert screen.talks == ["press", "release"]
        pressed_at = next(line for line in screen.watched_text.splitlines() if line.startswith("press")).split()[1]
        assert float(pressed_at) <= began_at + 0.15  # what was said from the press on is in the utterance


@of(LEGACY)
def test_a_stall_in_a_hold_does_not_end_it_where_repeats_are_all_there_is(screens, profile):
    """The keys that wait are read before the silence is judged, so not even a resumption is needed."""
    with screens.lent(profile) as screen:
        screen.press(" ")
        screen.repeat_for(" ", 1.5)
        os.kill(screen.process.pid, signal.SIGSTOP)
        screen.repeat_for(" ", 0.8)
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.repeat_for(" ", 0.5)
        screen.wait_for(lambda: screen.talks == ["press", "release inferred"])
        assert screen.wrong_releases == []


@of(KITTY)
def test_a_lost_release_is_noticed(screens, profile):
    with screens.lent(profile) as screen:
        screen.press(" ")
        screen.wait_for_command("press")
        for _ in range(5):
            screen.repeat(" ")
        screen.wait_for_command("release", "inferred")
        screen.repeat(" ")  # it was not: that it goes on is believed, and within 0.3 s as the same utterance
        screen.wait_for(lambda: screen.commands[-1] in {("press", "resume"), ("press", "")}, "it talks again")
        screen.repeat(" ")
        screen.release(" ")
        screen.wait_for_command("release")


def test_the_longest_utterance_is_announced_and_then_closed():
    with played(LEGACY, options={"max_talk_s": 4.0, "ptt": "toggle"}) as screen:
        until_ready(screen)
        screen.tap(" ")
        screen.wait_for_text("the longest time is nearly over")
        screen.wait_for_command("release")
        screen.wait_for_text("READY")
        assert screen.talks == ["press", "release"]


def test_an_open_microphone_closes_when_the_connection_stays_away():
    lost = {"event": "reconnecting", "t": 0.0, "attempt": 1, "in_seconds": 1.0}
    ready = json.loads(READY_LINE)
    with played(KITTY, lines=[json.dumps(ready), json.dumps(lost)], options={"resend_within_s": 1.0}) as screen:
        screen.wait_for_text("READY")
        screen.tap(" ")
        screen.wait_for_command("press")
        screen.wait_for_command("release")
        screen.wait_for_text("microphone was closed")


@TWO
def test_suspending_closes_a_latched_microphone(screens, profile):
    with screens.lent(profile) as screen:
        screen.tap(" ")
        screen.wait_for_text("MICROPHONE OPEN")
        screen.press("ctrl+z")
        screen.wait_for_stop()
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.wait_for_command("release")
        screen.wait_for_text("READY")


@TWO
def test_a_link_that_stands_still_closes_a_latched_microphone(screens, profile):
    with screens.lent(profile) as screen:
        asked_before = screen.written.count(b"\x1b[c")
        screen.tap(" ")
        screen.wait_for_text("MICROPHONE OPEN")
        screen.wait_for(lambda: screen.written.count(b"\x1b[c") > asked_before, "an answered question")
        screen.hear_commands_until("release")  # nothing that the screen writes is read any more
        screen.wait_for_text("gives no sign")
        assert screen.talks == ["press", "release"]


def test_suspending_closes_an_open_microphone_and_coming_back_opens_it():
    """Nobody sees what it hears meanwhile."""
    with played(KITTY, options={"ptt": "open"}) as screen:
        screen.wait_for_text("READY")
        screen.press("ctrl+z")
        screen.wait_for_stop()
        screen.wait_for_command("mute", "on")
        assert ("mute", "off") not in screen.commands
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.wait_for_command("mute", "off")
        screen.tap("q")
        assert screen.wait_for_exit() == 0
        assert screen.commands[-1] == ("quit", "")


READY_LINE = json.dumps(
    {
        "event": "state", "t": 0.0, "phase": "ready", "turn": 0,
        "connection": {"server": "ws://127.0.0.1:1", "kind": "custom", "sid": "sid", "rtt_ms": 12.0},
        "voice": "mekdes", "language": None, "vad_threshold": 600, "interrupt_threshold": 8, "listening": True,
        "paused": False, "muted": False, "volume": 100,
        "microphone": {"name": "Test microphone", "rate_hz": 16000, "open": True}, "speaker": "Test speaker",
        "user_text": "", "reply_text": "", "queued_seconds": 0.0, "kept_seconds": 0.0,
    }
)  # fmt: skip


def test_escape_interrupts_though_the_screen_is_too_busy_to_have_heard_that_the_agent_speaks():
    with PlayedScreen(json.dumps({"busy_s": 0.6, "speaks": True}), profile=KITTY) as screen:
        screen.wait_for_text("READY")
        screen.wait_for(lambda: screen.flags & EVENT_TYPES, "event types")
        for turn in range(1, 6):
            for deed in (screen.press, screen.repeat, screen.release):  # a repeat makes it a hold, however short
                deed(" ")
            screen.wait_for_command("release", times=turn)
            screen.tap("escape")
            screen.wait_for_command("interrupt", times=turn)
