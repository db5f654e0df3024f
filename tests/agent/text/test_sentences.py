import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.text.sentences import LONGEST_CHARACTERS, SentenceSplitter


def split(text, size=1):
    splitter = SentenceSplitter()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return [sentence for piece in pieces for sentence in splitter.feed(piece)] + splitter.flush()


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", " How are you?", " Fine!"]),
        ("It costs 3.14 dollars at 10.30 a.m. today.", ["It costs 3.14 dollars at 10.30 a.m. today."]),
        ("Dr. Abebe met Mr. Tola. They talked.", ["Dr. Abebe met Mr. Tola.", " They talked."]),
        ("He said “Go!” and left. Then…", ["He said “Go!”", " and left.", " Then…"]),
        ("ሰላም ነው። እንዴት ነህ፧ ደህና", ["ሰላም ነው።", " እንዴት ነህ፧", " ደህና"]),
        ("ሰላም።ደህና።", ["ሰላም።", "ደህና።"]),
        ("one\ntwo\n\nthree", ["one\n", "two\n", "\n", "three"]),
        ("Waa hagaag. Mahadsanid!", ["Waa hagaag.", " Mahadsanid!"]),
    ],
)
def test_sentences_end_at_the_marks_of_every_script(text, sentences, size):
    assert split(text, size) == sentences


def test_a_sentence_is_told_as_soon_as_what_follows_shows_its_end():
    splitter = SentenceSplitter()
    assert splitter.feed("Good morning.") == []
    assert splitter.feed(" ") == ["Good morning."]


def test_the_first_words_go_ahead_of_their_sentence_and_later_ones_do_not():
    text = "As far as I can tell from here, it rains. As far as I can tell from here, it rains."
    assert split(text) == [
        "As far as I can tell from here,",
        " it rains.",
        " As far as I can tell from here, it rains.",
    ]


@given(st.text(st.sampled_from("ab. ,!?።፣\nDr"), max_size=400), st.integers(1, 50))
def test_every_character_comes_out_once_and_in_order_in_sentences_of_bounded_length(text, size):
    sentences = split(text, size)
    assert "".join(sentences) == text
    assert all(len(sentence.rstrip()) <= LONGEST_CHARACTERS + size for sentence in sentences)
