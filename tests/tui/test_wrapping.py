"""Lines break where Latin and Ethiopic writing allow it, and growing text never has to be broken from its beginning."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from selam_cli.tui.wrapping import wrap


def lines(text: str, width: int) -> list[str]:
    return [text[begin:end].rstrip(" ") for begin, end in wrap(text, width)]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("one two three", 8, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("one\ntwo\n", 8, ["one", "two", ""]),
        ("", 8, [""]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("a unbreakable", 4, ["a", "unbr", "eaka", "ble"]),
        ("ሰላም፣ እንዴት ነህ።", 7, ["ሰላም፣", "እንዴት", "ነህ።"]),
        ("ሰላም፡ለዓለም፡ሁሉ።", 6, ["ሰላም፡", "ለዓለም፡", "ሁሉ።"]),
        ("ሰላም፡ለዓለም", 20, ["ሰላም፡ለዓለም"]),
        ("10\u00a0ms later", 6, ["10\u00a0ms", "later"]),
        ("ቋንቋ\u135f\u135fላ", 3, ["ቋንቋ\u135f\u135f", "ላ"]),
        ("日本語文字", 4, ["日本", "語文", "字"]),
        ("❤\ufe0f" * 5, 4, ["❤\ufe0f" * 2, "❤\ufe0f" * 2, "❤\ufe0f"]),
        ("👩\u200d💻" * 3, 4, ["👩\u200d💻" * 2, "👩\u200d💻"]),
    ],
)
def test_where_lines_break(text, width, expected):
    assert lines(text, width) == expected


SIGNS = [*"ab ሰላም፡።፣\n日e\u0301-", "❤\ufe0f", "👩\u200d💻"]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=80).map("".join)


@given(text=TEXTS, width=st.integers(2, 20))
def test_every_line_fits_and_nothing_but_line_ends_is_lost(text, width):
    spans = wrap(text, width)
    assert all(cell_len(text[begin:end].rstrip(" ")) <= width for begin, end in spans)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    for (_, end), (begin, _) in pairwise(spans):
        assert text[end:begin] in {"", "\n"}


@given(text=TEXTS, more=TEXTS, width=st.integers(2, 20))
def test_text_that_grew_breaks_the_same_from_its_last_line_on(text, more, width):
    before = wrap(text, width)
    last = before[-1][0]
    assert before[:-1] + wrap(text + more, width, last) == wrap(text + more, width)
