"""Keyboards of other layouts, and Caps Lock: the real screen in a pseudo-terminal."""

from __future__ import annotations

import json
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.support.terminal import KITTY, LEGACY, PlayedScreen, Profile, Terminal, left_as_found

ALL_FLAGS = 31


def played(profile: Profile = KITTY, **scene: object) -> PlayedScreen:
    return PlayedScreen(json.dumps(scene), profile=profile)


def until_ready(screen: PlayedScreen) -> None:
    screen.wait_for_text("READY")
    if screen.kitty:
        screen.wait_for(lambda: screen.flags == ALL_FLAGS, "every part of the protocol is asked for")


def keys(profile: Profile) -> Terminal:
    program = [sys.executable, "-m", "selam_cli", "keys"]
    return Terminal(program, profile=profile, columns=110, rows=30, environment={"SELAM_CONFIG": ""})


@pytest.mark.parametrize(
    ("sequence", "status"),
    [
        ("\x1b[4728::99;5u", 130),
        ("\x1b[4728;5u", 130),  # Alacritty tells no place
        ("\x1b[4672::113;5u", 0),
        ("\x1b[4672::113;1;4672u", 0),
        ("\x1b[59::113;1;59u", 0),  # Greek
    ],
)
def test_the_screen_is_left_on_any_layout(sequence, status):
    with played() as screen:
        until_ready(screen)
        screen.send(sequence.encode())
        assert screen.wait_for_exit() == status
        assert left_as_found(screen)


@pytest.mark.parametrize("letter", ["ቀ", "й", "\u0636"])
def test_the_letter_in_q_place_leaves_where_no_place_is_told(letter):
    with played(LEGACY) as screen:
        until_ready(screen)
        screen.tap(letter)
        assert screen.wait_for_exit() == 0


@pytest.mark.parametrize("sequence", ["\x1b[4728::99;5u", "\x1b[4728;5u", "\x1b[4672::113;5u"])
def test_the_keys_command_is_left_on_any_layout_and_shows_what_a_key_counts_as(sequence):
    with keys(KITTY) as terminal:
        terminal.wait_for_text("says that it tells when a key is let go")
        terminal.send(b"\x1b[4656::115;1;4656u")
        terminal.wait_for_text("ሰ (s)")
        terminal.send(sequence.encode())
        assert terminal.wait_for_exit() == 0
        assert left_as_found(terminal)


def test_a_sheet_opens_by_place_and_its_fields_get_the_letters():
    with played() as screen:
        until_ready(screen)
        screen.send(b"\x1b[4656::115;1;4656u")
        screen.wait_for_text("Settings")
        for letter, place in (("ሰ", "s"), ("ቀ", "q"), ("ደ", "d"), ("ለ", "l")):
            screen.send(
                f"\x1b[{ord(letter)}::{ord(place)};1;{ord(letter)}u\x1b[{ord(letter)}::{ord(place)};1:3u".encode()
            )
        screen.send(b"\x1b[0;;4656:4619:4637u")
        screen.send("\x1b[200~ጤና\x1b[201~".encode())
        screen.wait_for_text("ሰቀደለሰላምጤና")
        screen.tap("enter")
        screen.wait_for(lambda: any("ሰቀደለሰላምጤና" in argument for _, argument in screen.commands))
        screen.send(b"\x1b[4967:63:47;2;63u")
        screen.wait_for_text("Help")
        screen.send(b"\x1b[4672::113;1;4672u")
        screen.wait_for(lambda: "Help" not in screen.text)
        screen.tap("i")
        screen.wait_for_command("interrupt")


def test_the_talk_key_works_by_place_and_lets_go_by_place():
    with played(options={"talk_key": "g", "ptt": "hold"}) as screen:
        until_ready(screen)
        screen.send(b"\x1b[4872::103;1;4872u")
        screen.wait_for_command("press")
        screen.send(b"\x1b[4872::103;1:2;4872u\x1b[103;1:3u")  # the layout was switched meanwhile
        screen.wait_for_command("release")
        assert screen.talks == ["press", "release"]


def test_the_talk_key_may_be_a_letter_of_another_script():
    with played(options={"talk_key": "ሰ", "ptt": "hold"}) as screen:
        until_ready(screen)
        screen.send(b"\x1b[4656::115;1;4656u")
        screen.wait_for_command("press")
        screen.send(b"\x1b[4656::115;1:3u")
        screen.wait_for_command("release")
        assert "Settings" not in screen.text


@pytest.mark.parametrize("profile", [KITTY, LEGACY], ids=str)
def test_caps_lock_is_no_shift(profile):
    with played(profile) as screen:
        until_ready(screen)
        for letter in ("L", "R", "M"):
            screen.send(f"\x1b[{ord(letter.lower())};65;{ord(letter)}u".encode() if screen.kitty else letter.encode())
        screen.wait_for_command("mute", "on")
        assert screen.commands[1:] == [("listen", "on"), ("resend", ""), ("mute", "on")]
        screen.send(b"\x1b[113;65;81u" if screen.kitty else b"Q")
        assert screen.wait_for_exit() == 0
