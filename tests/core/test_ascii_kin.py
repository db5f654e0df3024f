"""What stands for a character where an encoding lacks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from selam_cli.core.ascii_kin import kin, kin_of_same_width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a – b — c − d", "a - b - c - d"),
        ("“Say ‘yes’”, «so»", '"Say \'yes\'", "so"'),
        ("Wait…", "Wait..."),
        ("• one → two ≤ 3 × 4", "* one -> two <= 3 x 4"),
        ("Esc closes · Enter applies", "Esc closes * Enter applies"),
        ("Café Zürich, Łódź, naïve, ½ ﬁ № ™", "Cafe Zurich, Lodz, naive, 1/2 fi No TM"),
        ("20 °C, 5 €", "20  degC, 5 EUR"),
        ("አማርኛ።", "????."),
        ("Привет 你好", "?????? ??"),
        ("┌─┬╮│├┼┤╰━╸╱", "+-++|++++--/"),
        ("█▌▁▏░", "##_|#"),
        ("a\u0301e\u200d", "ae"),
        ("\udcff", "?"),
        ("☎ 🎉", "* *"),
    ],
)
def test_known_cases(text, shown):
    assert kin(text) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_ascii(text):
    assert kin(text).isascii()
    assert kin_of_same_width(text).isascii()


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_ascii_stays_as_it_is(text):
    assert kin(text) == kin_of_same_width(text) == text


@pytest.mark.parametrize(
    "text", ["READY …", "┌─ Settings ─┐", "→ “hold space”", "ሰላም", "你好", "≤ 5 °C ±1 ½", "é", "🎉"]
)
def test_columns_stay_where_they_are(text):
    assert cell_len(kin_of_same_width(text)) == cell_len(text)
