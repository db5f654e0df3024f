"""What espeak-ng makes of hard sentences, heard as phonemes: words are spoken, and nothing is spelled."""

from importlib.util import find_spec

import pytest

from selam_cli.agent.text.language_runs import runs
from selam_cli.agent.tts.espeak import in_known_letters
from selam_cli.agent.tts.espeak_source import VOICE_NAMES
from tests.support.needs import need, need_programs
from tests.support.phonemes import by_library, by_program

SPELLED = ("lˈetə", "lˈetət", "iːθɪˈɒpɪk", "iːθɪˈɑːpɪk", "lˌɛtə", "fˈəɡəɡ", "fˌɨʃɨxˈɨta", "ˈæstɚɹˌɪsk", "ˈeɪtʃ ˈiː")
"""“Letter”, “Ethiopic”, an emoji's name, “asterisk”, and the letters H E."""

SENTENCES = [
    ("am", "ሰላም፣ iPhone 15 በ2015 ዓ.ም. ተገዛ። 😀"),
    ("am", "ቐ ከመይ ፲፱፻፺፱ hello አለ፧ ሇ"),
    ("am", "**ጥሩ** [Selam](https://selamgpt.com) 5% ነው፨"),
    ("om", "Guyyaa 25ffaa hiyyeessi hello ሰላም jedhe 👍"),
    ("om", "Gatiin 3.5% fi café dha"),
    ("en", "The word ሰላም means peace, **really** 😀. Mail jo.doe@mail.com."),
    ("ti", "ከመይ ኣለኻ hello 1999 😀 ሇ"),
]


def phonemes(sentence, language, ways):
    said = []
    for run in runs(sentence, language):
        if run.language == "ti" and by_program in ways:
            continue  # Debian's 1.51 has no Tigrinya
        text = in_known_letters(run.text, run.language)
        said += [way(text, VOICE_NAMES[run.language]) for way in ways]
    return said


@pytest.mark.parametrize(("language", "sentence"), SENTENCES)
@pytest.mark.parametrize("way", [by_program, by_library], ids=["program", "library"])
def test_no_sentence_is_spelled(way, language, sentence):
    if way is by_program:
        need_programs("espeak-ng")
    else:
        need("espeakng-loader", find_spec("espeakng_loader"))
    said = phonemes(sentence, language, [way])
    assert all(part.strip() for part in said)
    assert [sign for sign in SPELLED for part in said if sign in part] == []


@pytest.mark.parametrize(("language", "text"), [("am", "ቐ"), ("am", "😀"), ("en", "ሰላም")])
def test_the_same_text_as_it_stands_is_spelled(language, text):
    """Without this the test above might look for signs that no espeak-ng gives."""
    need_programs("espeak-ng")
    assert [sign for sign in SPELLED if sign in by_program(text, VOICE_NAMES[language])]


@pytest.mark.parametrize(
    ("language", "text", "beginning"),
    [
        ("am", "25", "hˈaja"),
        ("am", "፲፭", "ʔˈasɨra"),
        ("om", "25", "dˌiɡdam"),
        ("am", "hello", "hə"),
        ("om", "guyyaa", "ɡu"),
    ],
)
def test_numbers_and_words_are_heard(language, text, beginning):
    need_programs("espeak-ng")
    assert phonemes(text, language, [by_program])[0].startswith(beginning)
