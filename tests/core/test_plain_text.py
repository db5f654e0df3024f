"""Text of strangers: shown as it is where it is harmless, and visibly escaped where it is not."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.plain_text import plain, plain_json, plain_line, whole_characters


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
        ("\u0e01" + "\u0e49" * 6, "\u0e01" + "\u0e49" * 4 + "\\u0e49" * 2),
        ("\uac00" + "\u1161" * 6, "\uac00" + "\u1161" * 4 + "\\u1161" * 2),
        ("\x1b]8;;https://elsewhere\x1b\\here\x1b]8;;\x1b\\", "\\x1b]8;;https://elsewhere\\x1b\\here\\x1b]8;;\\x1b\\"),
        ("logo \ue0b0 \U000f0001", "logo \\ue0b0 \\U000f0001"),
        ("never \ufdd0\ufffe\U0001ffff", "never \\ufdd0\\ufffe\\U0001ffff"),
        ("not assigned yet: \U0001faea", "not assigned yet: \U0001faea"),
        ("pass\ufe01word", "pass\\ufe01word"),
    ],
)
def test_known_cases(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d💻 ❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈",
        "1\ufe0f\u20e3 ℹ\ufe0f ☎\ufe0e",
        "می\u200cخواهم",
        "क्\u200dष क्\u200cष",
    ],
    ids=["joined emoji", "selected looks", "Persian", "Hindi"],
)
def test_what_spells_a_word_or_a_picture_is_kept(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pa\u200cy\u200dpal", "pa\\u200cy\\u200dpal"),
        ("👍\u200d", "👍\\u200d"),
        ("👍\ufe0f\ufe0f\ufe0f", "👍\ufe0f\\ufe0f\\ufe0f"),
        ("👨" + "\u200d👩" * 4, "👨\\u200d👩" + "\u200d👩" * 3),
        ("क" + "\u094d" * 6 + "\u200cष", "क" + "\u094d" * 4 + "\\u094d" * 2 + "\\u200cष"),
        ("mp\u094d\u200c3a", "mp\u094d\\u200c3a"),
        ("می\u200c\u200cخ", "می\\u200c\\u200cخ"),
    ],
)
def test_where_it_spells_nothing_it_is_shown(text, shown):
    assert plain(text) == shown


@given(st.text(st.characters(), max_size=200) | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Mn"])))
def test_nothing_harmful_is_left_and_a_second_pass_changes_nothing(text):
    shown = plain(text)
    assert {unicodedata.category(c) for c in shown if c not in "\n\t\u200c\u200d"}.isdisjoint(
        {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    )
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


@given(
    st.recursive(
        st.text(st.characters()) | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_steers_no_terminal_and_loses_nothing_that_can_be_written(value):
    line = plain_json(value)
    assert not {c for c in line if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}} - {
        "\u200c",
        "\u200d",
    }
    assert json.loads(line) == json.loads(whole_characters(json.dumps(value, ensure_ascii=False)))
    line.encode()


def test_halves_of_characters_are_put_together_or_replaced():
    assert whole_characters("a\ud83d\ude00 \ud83d.") == "a😀 \ufffd."
    assert plain_json("\ud83d \x9b\u202e\x7f\U000e0041") == '"\ufffd \\u009b\\u202e\\u007f\\udb40\\udc41"'
