"""A model's thoughts are taken out of its answer, wherever a tag is split."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.text.thoughts import ThoughtFilter


def outside(*pieces: str) -> str:
    thoughts = ThoughtFilter()
    return "".join([*(thoughts.feed(piece) for piece in pieces), thoughts.finish()])


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello.", "Hello."),
        ("<think>hm</think>Hello.", "Hello."),
        ("\n<think>\nhm\n</think>\n\nHello.", "Hello."),
        ("<THINKING>hm</THINKING> Hello.", "Hello."),
        ("One. <think>two</think>Three.", "One. Three."),
        ("<think>never ends", ""),
        ("the rest of it</think>Hello.", "the rest of itHello."),
        ("1 < 2 and <b>3</b>", "1 < 2 and <b>3</b>"),
        ("it ends with <thi", "it ends with <thi"),
        ("<think></think>", ""),
        ("  ", ""),
    ],
)
def test_known_cases(text, spoken):
    assert outside(text) == spoken
    assert outside(*text) == spoken


def test_what_can_be_no_tag_is_passed_on_at_once():
    assert ThoughtFilter().feed("Hello <") == "Hello "
    assert ThoughtFilter().feed("Hello <b") == "Hello <b"


tagged = st.lists(st.sampled_from(["<think>", "</think>", "<thi", "nk>", "<", ">", "hm", " ", "<reasoning>"])).map(
    "".join
)


@given(text=tagged, cuts=st.lists(st.integers(0, 100), max_size=10))
def test_any_split_gives_the_same_answer(text, cuts):
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert outside(*(text[a:b] for a, b in pairwise(places))) == outside(text)
