"""An answer made fit to be spoken: marks for the eye go, words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.text.speakable import speakable


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Plain words stay.", "Plain words stay."),
        ("ሰላም፣ እንዴት ነህ? ደህና ነኝ።", "ሰላም፣ እንዴት ነህ? ደህና ነኝ።"),
        ("Waa **Muqdisho** iyo *Hargeysa*.", "Waa Muqdisho iyo Hargeysa."),
        ("__Bold__ and _slanted_ and ***both***", "Bold and slanted and both"),
        ("**አዲስ አበባ** ዋና ከተማ ናት።", "አዲስ አበባ ዋና ከተማ ናት።"),
        ("**A sentence that begins a bold passage.", "A sentence that begins a bold passage."),
        ("And one that ends it.**", "And one that ends it."),
        ("2 * 3 is 6, and 2*3 too", "2 * 3 is 6, and 2*3 too"),
        ("the file my_long_name", "the file my_long_name"),
        ("Run `ls -l` now", "Run ls -l now"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("# Heading\nText", "Heading\nText"),
        ("- one\n- two\n* three\n• four", "one\ntwo\nthree\nfour"),
        ("1. first\n2. second", "1. first\n2. second"),
        ("- [x] done", "done"),
        ("> quoted\n> twice", "quoted\ntwice"),
        ("See [the site](https://example.com/a_(b)?c=d).", "See the site."),
        ("![a cat](cat.png) sits", "a cat sits"),
        ("Read https://www.example.com/a/b?c=d#e.", "Read example.com."),
        ("Read <https://example.com/a> now", "Read example.com now"),
        ("It is so.[1][^2]", "It is so."),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a, b\n1, 2"),
        ("one\n\n---\n\ntwo", "one\ntwo"),
        ("one\n* * *\ntwo", "one\ntwo"),
        ("a<br>b <b>c</b>", "a\nb c"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("fish &amp; chips", "fish & chips"),
        ("Well done! 🎉👍🏽", "Well done!"),
        (r"a \* b", "a * b"),
        ("~~gone~~ here", "gone here"),
        ("-5 degrees, 3 - 2", "-5 degrees, 3 - 2"),
        ("C# and F#", "C# and F#"),
        ("", ""),
        ("***", ""),
    ],
)
def test_known_cases(text, spoken):
    assert speakable(text) == spoken


@given(st.text())
def test_any_text_comes_out_without_marks(text):
    spoken = speakable(text)
    assert "`" not in spoken
    assert "**" not in spoken
    assert spoken == spoken.strip()


@given(st.lists(st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=1)).map(" ".join))
def test_letters_and_spaces_are_left_alone(text):
    assert speakable(text) == text


@given(st.text(alphabet="[]()!*_`#>|-<>/\\\n ab:htps.", max_size=2_000))
def test_marks_in_any_order_come_to_an_end(text):
    speakable(text)
