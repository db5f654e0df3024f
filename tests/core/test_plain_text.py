"""Text of strangers: shown as it is where it is harmless, and visibly escaped where it is not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.plain_text import plain, plain_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ሰላም፣ እንዴት ነህ።", "ሰላም፣ እንዴት ነህ።"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("one\r\ntwo", "one\ntwo"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u200bb\u200dc\u2066d", "a\\u200bb\\u200dc\\u2066d"),
        ("hidden\U000e0041", "hidden\\U000e0041"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("half \ud83d pair", "half \\ud83d pair"),
        ("e\u0301", "e\u0301"),
        ("Z" + "\u0335" * 6, "Z" + "\u0335" * 4 + "\\u0335" * 2),
    ],
)
def test_known_cases(text, shown):
    assert plain(text) == shown


@given(st.text(st.characters(), max_size=200) | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Mn"])))
def test_nothing_harmful_is_left_and_a_second_pass_changes_nothing(text):
    shown = plain(text)
    assert {unicodedata.category(c) for c in shown if c not in "\n\t"}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not any(unicodedata.bidirectional(c) in {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI"} for c in shown)
    assert plain(shown) == shown
    shown.encode()


@given(
    st.text(
        st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Po", "Zs"], exclude_characters="\u115f\u1160\u3164\uffa0")
    )
)
def test_ordinary_text_stays_as_it_is(text):
    assert plain(text) == text


@given(st.text())
def test_a_line_stays_a_line(text):
    assert "\n" not in plain_line(text)
    assert "\t" not in plain_line(text)
