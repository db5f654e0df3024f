import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.spoken_text import Spoken


def said(*sentences, complete=True):
    spoken = Spoken()
    for text, seconds in sentences:
        spoken.begin(text)
        spoken.add(seconds)
    if complete:
        spoken.finish()
    return spoken


@pytest.mark.parametrize(
    ("played_s", "heard"),
    [(0.0, ""), (0.5, "One"), (1.1, "One two"), (2.0, "One two three."),
     (2.9, "One two three. Four"), (float("inf"), "One two three. Four five.")],
)  # fmt: skip
def test_whole_sentences_and_whole_words_are_heard(played_s, heard):
    assert said(("One two three.", 2.0), ("Four five.", 1.5)).heard(played_s) == heard


def test_a_sentence_whose_sound_is_still_to_come_was_not_heard_whole():
    unfinished = said(("This sentence takes about three seconds to say.", 0.5), complete=False)
    assert unfinished.heard(0.5) == "This"


def test_ethiopic_words_end_at_their_marks_too():
    assert said(("ሰላም፡ለዓለም፡ሁሉ", 3.0)).heard(1.4) == "ሰላም"


def test_nothing_said_is_nothing_heard():
    assert Spoken().heard(5.0) == ""


@given(
    st.lists(st.tuples(st.text("ab ሰ፡.", max_size=30), st.floats(0, 9)), max_size=6), st.floats(0, 60), st.floats(0, 60)
)
def test_who_listens_longer_hears_no_less(sentences, one, two):
    spoken = said(*sentences)
    assert len(spoken.heard(min(one, two))) <= len(spoken.heard(max(one, two)))
