import sys
import tomllib
from pathlib import Path

import pytest

from selam_cli.agent.text import language
from selam_cli.agent.text.language import available, detect
from tests.support.needs import need

PHRASES = tomllib.loads(Path(__file__).parents[1].joinpath("phrases.toml").read_text(encoding="utf-8"))


@pytest.fixture(params=["library", "signs"])
def way(request, monkeypatch):
    """Languages told apart with pycld2, and where it is not installed."""
    if request.param == "library":
        need("pycld2", available() is None)
    else:
        monkeypatch.setitem(sys.modules, "pycld2", None)
    return request.param


def share_right(table: str, code: str) -> float:
    phrases = PHRASES[table][code]
    return sum(detect(phrase) == code for phrase in phrases) / len(phrases)


@pytest.mark.parametrize("code", PHRASES["table"])
def test_it_tells_the_languages_of_the_table(way, code):
    assert len(PHRASES["table"][code]) >= 20
    assert share_right("table", code) >= 0.95


@pytest.mark.parametrize("code", PHRASES["held_out"])
def test_it_tells_the_languages_of_phrases_that_it_was_not_made_with(way, code):
    assert share_right("held_out", code) >= 0.95


def test_together_they_tell_short_tigrinya_from_amharic():
    need("pycld2", available() is None)
    assert [share_right("second_held_out", code) for code in ("am", "ti")] == [1.0, 1.0]


@pytest.mark.parametrize("text", ["", "42", "😀 …", "፲፱፻", "Привет"])
def test_a_text_without_letters_of_its_scripts_has_no_language(way, text):
    assert detect(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ሰላም Selam! እንዴት ነህ?", "am"),
        ("iPhone ክንደይ እዩ", "ti"),
        ("the word ሰላም means peace", "en"),
        ("AKKAM JIRTA?", "om"),
        ("Har’a baay’ee gammadeera", "om"),
        ("what\x00 is\ud800 this\x1b", "en"),
    ],
)
def test_case_marks_and_words_of_another_script_do_not_mislead_it(way, text, code):
    assert detect(text) == code


def test_it_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycld2", None)
    assert "extra `local`" in (language.available() or "")
