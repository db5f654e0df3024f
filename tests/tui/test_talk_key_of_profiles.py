"""Push-to-talk with the keys of every kind of terminal: its bytes, the parser and the talk key, in pretended time.

That a real terminal's keys take this way is shown in test_talk_key_in_terminals.
"""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("terminals are POSIX things", allow_module_level=True)

from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.core.push_to_talk import Mode
from selam_cli.core.session import Phase
from tests.support.heard_keys import HeardKeys
from tests.support.terminal import KITTY, KONSOLE, KONSOLE_ON_X11, LEGACY, LEGACY_WITHOUT_REPEATS, XTERM_JS, Profile

TELLING = pytest.mark.parametrize("profile", [KITTY, XTERM_JS, KONSOLE, KONSOLE_ON_X11], ids=str)
REPEATING = pytest.mark.parametrize("profile", [KITTY, XTERM_JS, KONSOLE, KONSOLE_ON_X11, LEGACY], ids=str)
ALL = pytest.mark.parametrize(
    "profile", [KITTY, XTERM_JS, KONSOLE, KONSOLE_ON_X11, LEGACY, LEGACY_WITHOUT_REPEATS], ids=str
)


@pytest.fixture
def heard(monkeypatch):
    """Return what makes the ears for a profile."""
    return lambda profile, mode=Mode.AUTO, talk_key="space": HeardKeys(monkeypatch, profile, mode, talk_key)


@REPEATING
def test_a_hold_is_one_utterance_however_often_it_repeats(heard, profile):
    keys = heard(profile)
    keys.hold(" ", 1.0)
    keys.tap("i")
    assert keys.sent == ["press", "release" if profile.tells_releases else "release inferred"]


@TELLING
def test_a_hold_shorter_than_the_repeat_delay_is_a_hold_where_releases_are_told(heard, profile):
    keys = heard(profile)
    keys.hold(" ", 0.39)
    assert keys.sent == ["press", "release"]


@TELLING
@pytest.mark.parametrize(("pressed", "let_go"), [(" ", "shift+ "), ("ctrl+t", "t")], ids=["shift", "ctrl"])
def test_a_release_is_heard_though_another_modifier_is_held_then(heard, profile, pressed, let_go):
    keys = heard(profile, Mode.HOLD, "space" if pressed == " " else pressed)
    keys.press(pressed)
    keys.wait(0.1)
    keys.press("shift")
    keys.wait(0.1)
    keys.release(let_go)
    keys.wait(0.1)
    assert keys.sent == ["press", "release"]


@ALL
def test_a_tap_opens_the_microphone_until_the_next_tap(heard, profile):
    keys = heard(profile)
    keys.tap(" ")
    assert keys.talk_key.latched
    keys.tap(" ")
    assert keys.sent == ["press", "release"]
    assert not keys.talk_key.talking


@ALL
def test_in_toggle_mode_a_held_key_toggles_once(heard, profile):
    keys = heard(profile, Mode.TOGGLE)
    keys.hold(" ", 0.8)
    assert keys.talk_key.latched
    keys.hold(" ", 0.8)
    assert keys.sent == ["press", "release"]


@ALL
def test_in_open_mode_a_held_key_switches_the_listening_once(heard, profile):
    keys = heard(profile, Mode.OPEN)
    keys.hold(" ", 0.8)
    assert keys.sent == ["listen off"]


@ALL
def test_another_talk_key_talks_and_does_nothing_else(heard, profile):
    keys = heard(profile, talk_key="m")
    keys.hold("m", 0.8)
    keys.tap(" ")
    assert keys.sent[0] == "press"
    assert keys.sent.count("press") == 1
    assert {verb.split()[0] for verb in keys.sent} <= {"press", "release"}


@TELLING
def test_escape_throws_the_utterance_away_and_the_held_key_says_nothing_more(heard, profile):
    keys = heard(profile)
    keys.press(" ")
    keys.wait(0.4)
    keys.repeat(" ")
    keys.press("escape")
    for _ in range(10):
        keys.wait(0.033)
        keys.repeat(" ")
    keys.release(" ")
    keys.wait(1.0)
    assert keys.sent == ["press", "discard"]
    keys.press(" ")
    assert keys.sent[2:] == ["press"], "let go, it is a talk key again"


@REPEATING
def test_losing_the_focus_ends_a_hold_at_once(heard, profile):
    keys = heard(profile)
    keys.press(" ")
    keys.focus(gained=False)
    assert keys.sent == ["press", "release"]


@ALL
def test_a_latched_microphone_survives_the_focus(heard, profile):
    keys = heard(profile)
    keys.tap(" ")
    keys.focus(gained=False)
    keys.wait(1.0)
    keys.focus(gained=True)
    assert keys.talk_key.latched
    assert keys.sent == ["press"]


@TELLING
def test_keys_that_waited_out_a_stall_are_a_hold_and_no_tap(heard, profile):
    keys = heard(profile)
    keys.wait(1.0)
    keys.stall(0.2)
    keys.press(" ")
    keys.stall(0.6)
    keys.release(" ")
    keys.go_on()
    keys.wait(1.0)
    assert keys.sent == ["press", "release"]


@TELLING
def test_an_engine_that_speaks_is_interrupted_by_escape(heard, profile):
    keys = heard(profile)
    keys.talk_key.on_state(Phase.SPEAKING, listening=True)
    keys.tap("escape")
    assert keys.sent == ["interrupt"]


@REPEATING
@settings(max_examples=25)
@given(stalls=st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.4)), max_size=6))
def test_a_hold_that_is_read_late_and_in_portions_is_one_utterance(profile: Profile, stalls):
    """Of a machine with much to do: the keyboard's thread sleeps, and reads what has come meanwhile in one go."""
    with pytest.MonkeyPatch.context() as patch:
        keys = HeardKeys(patch, profile)
        keys.wait(1.0)
        keys.press(" ")
        keys.wait(0.4)
        for quiet_s, stalled_s in [*stalls, (0.1, 0.0)]:
            held_until = keys.now + quiet_s
            while keys.now < held_until:
                keys.repeat(" ")
                keys.wait(0.033)
            for _ in range(round(stalled_s / 0.033)):
                keys.stall(0.033)
                keys.repeat(" ")
            keys.go_on()
        keys.release(" ")
        keys.wait(3.0)
        assert keys.sent in (["press", "release"], ["press", "release inferred"])
