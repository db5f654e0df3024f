"""Every key but the talk key is what Textual makes of it: the same stream into its own driver and into ours."""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the driver is for POSIX terminals", allow_module_level=True)

from tests.support.terminal import BYTES, KITTY, LEGACY, XTERM_JS, Profile, Terminal

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"
TYPED = ["a", "Z", "7", " ", "?", "/", "ሰ", "ላ", "ም", "é", "ß", "я", "د", "あ", "😀", "~"]
NAMED = sorted(set(BYTES) - {"ctrl+c", "ctrl+z", "f12"})
RAW = {
    "a paste": "\x1b[200~ሰላም, two\nlines  and spaces \x1b[201~".encode(),
    "an input method's text": b"\x1b[0;;4656u",
    "an input method's words": b"\x1b[0;;4656:4811:4637u",
    "a click": b"\x1b[<0;5;2M\x1b[<0;5;2m",
    "a scroll": b"\x1b[<65;5;2M",
    "focus out and in": b"\x1b[O\x1b[I",
    "an alternate code": b"\x1bOA",
    "many keys at once": "hélloሰላም".encode(),
}

_LETTER = re.compile(r"(key (?:\w+\+)*)\w+( '[^\W\d_]')")
"""What a letter is called is not Textual's affair: by its place, and in lower case."""

Hand = Callable[[Terminal], None]


def everything() -> list[Hand]:
    """Each key pressed, held and let go; each sequence once."""
    hands: list[Hand] = []
    for key in (*TYPED, *NAMED):
        deeds = [Terminal.press, Terminal.repeat, Terminal.repeat, Terminal.release]
        one_by_one = [lambda terminal, deed=deed, key=key: deed(terminal, key) for deed in deeds]
        hands += one_by_one if key == "escape" else [in_one_go(one_by_one)]
    return hands + [lambda terminal, raw=raw: terminal.send(raw) for raw in RAW.values()]


def in_one_go(hands: list[Hand]) -> Hand:
    def all_of_them(terminal: Terminal) -> None:
        for hand in hands:
            hand(terminal)

    return all_of_them


def at_random(seed: int) -> list[Hand]:
    """Keys down, repeated and up in any order, orphans and duplicates among them."""
    dice = random.Random(seed)
    hands: list[Hand] = []
    for _ in range(400 if IS_SOAK else 80):
        key = dice.choice([*TYPED, *NAMED])
        how = dice.choice([Terminal.press, Terminal.press, Terminal.repeat, Terminal.release])
        hands.append(lambda terminal, key=key, how=how: how(terminal, key))
        if dice.random() < 0.1:
            raw = dice.choice(sorted(RAW.values()))
            hands.append(lambda terminal, raw=raw: terminal.send(raw))
    return hands


def heard(driver: str, profile: Profile, hands: list[Hand]) -> list[str]:
    """What an app hears of all this."""
    reading, writing = os.pipe()
    program = [sys.executable, str(Path(__file__).parent / "echo.py"), str(writing), driver]
    try:
        with Terminal(program, profile=profile, watched=reading, pass_fds=[writing]) as terminal:
            terminal.wait_for(lambda: "ready" in terminal.watched_text, "the app")
            if driver == "ours" and profile.tells_releases:
                terminal.wait_for(lambda: "told" in terminal.watched_text, "the terminal's answer")
            # One after the other: a lone Escape and what follows it within 0.1 s are one sequence in any terminal.
            for number, hand in enumerate(hands):
                hand(terminal)
                terminal.press("f12")
                terminal.wait_for(lambda count=number: terminal.watched_text.count("typed ") > count, "F12")
                terminal.release("f12")
            lines = terminal.watched_text.splitlines()
            return [_LETTER.sub(r"\1a letter\2", line) for line in lines if line not in {"ready", "told"}]
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("profile", [KITTY, XTERM_JS, LEGACY], ids=str)
@pytest.mark.parametrize(
    "hands",
    [everything(), *map(at_random, range(20 if IS_SOAK else 1))],
    ids=["everything", *(f"random {seed}" for seed in range(20 if IS_SOAK else 1))],
)
def test_the_same_keys_are_the_same_events_and_the_same_text(profile, hands):
    with ThreadPoolExecutor() as side_by_side:
        stock, ours = side_by_side.map(heard, ["stock", "ours"], [profile] * 2, [hands] * 2)
    assert ours == stock
    assert any("ሰሰሰ" in line or "ሰላም" in line for line in ours if line.startswith("typed"))
