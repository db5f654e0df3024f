import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.text.language_runs import Run, runs

ONE_RUN = [
    ("am", "ሰላም፣ እንዴት ነህ፧", "ሰላም, እንዴት ነህ?"),
    ("am", "ሀ፡ለ።", "ሀ ለ."),
    ("am", "በ2015 ዓ.ም. ተገዛ።", "በሁለት ሺህ አስራ አምስት ዓመተ ምህረት. ተገዛ."),
    ("am", "25ኛ ዓመት፣ 5%፦ $5.50 ነው 😀👍🏽", "ሃያ አምስተኛ ዓመት, አምስት በመቶ: አምስት ነጥብ አምስት ዜሮ ዶላር ነው"),
    ("am", "21ኛው ክፍለ ዘመን፣ 1ኛዋ፣ 2ተኛ", "ሃያ አንደኛው ክፍለ ዘመን, አንደኛዋ, ሁለተኛ"),
    ("am", "፫ኛ እና ፳፩ኛው", "ሦስተኛ እና ሃያ አንደኛው"),
    ("ti", "3ይ ክፍሊ፡ ፩ይ", "ሳልሳይ ክፍሊ ቀዳማይ"),
    ("om", "1ffaan, 2ffaa", "tokkoffaan, lammaffaa"),
    ("so", "Kan 11aad iyo 3aad", "Kan kow iyo tobnaad iyo saddexaad"),
    ("en", "the 21st, 101st", "the 21st, 101st"),
    (
        "en",
        "x >= 5, y <= 3, a != b, c == d",
        "x is greater than or equal to 5, y is less than or equal to 3, a is not equal to b, c equals d",
    ),
    (
        "en",
        "x ≥ 5, y≤3, a ≠ b, 3 < 4",
        "x is greater than or equal to 5, y is less than or equal to 3, a is not equal to b, 3 is less than 4",
    ),
    ("en", "3 × 4 ± 1 ÷ 2", "3 times 4 plus or minus 1 divided by 2"),
    ("en", "Menu -> File => Open → Done", "Menu, File, Open, Done"),
    ("am", "5 != 3", "አምስት እኩል አይደለም ሦስት"),
    ("so", "5 > 3", "shan ka weyn saddex"),
    ("am", "፲፱፻፺፱", "አንድ ሺህ ዘጠኝ መቶ ዘጠና ዘጠኝ"),
    ("am", "ከ5-10 ሰዓት", "ከአምስት እስከ አስር ሰዓት"),
    ("am", "+251 911", "ሁለት አምስት አንድ ዘጠኝ አንድ አንድ"),
    ("am", "12,500 ብር", "አስራ ሁለት ሺህ አምስት መቶ ብር"),
    ("am", "5 km ርቀት፤ ዶ/ር አበበ", "አምስት ኪሎ ሜትር ርቀት; ዶክተር አበበ"),
    ("am", "**ጥሩ** ነው።", "ጥሩ ነው."),
    ("ti", "ሰዓት 10:30 ብ", "ሰዓት ዓሰርተ ሰላሳ ብ"),
    ("om", "Guyyaa 25ffaa fi har’a", "Guyyaa digdamii shanaffaa fi har'a"),
    ("so", "Waa 21 qof.", "Waa kow iyo labaatan qof."),
    ("en", "It’s 12,500 – really (-5°C)", "It's 12,500, really, minus 5 degrees Celsius,"),
    ("en", "Wait... what?! Read `code_name` & [the docs](https://x.org/a)", "Wait. what? Read code name and the docs"),
    ("en", "See https://www.example.com/docs/a-b?x=1#y.", "See example dot com slash docs slash a dash b."),
    ("en", "Ask jo.doe@mail.com, please", "Ask jo dot doe at mail dot com, please"),
    ("en", "- one\n- two", "one, two"),
    ("en", "5½ km [[h@l]] <b>", "5.5 kilometres, h at l, b"),
    ("en", "Café Zürich Łódź Привет 你好 world", "Cafe Zurich Lodz world"),
]


@pytest.mark.parametrize(("language", "sentence", "spoken"), ONE_RUN)
def test_what_is_spoken_of_a_sentence_of_one_language(language, sentence, spoken):
    assert runs(sentence, language) == (Run(spoken, language),)


def test_latin_words_in_an_ethiopic_sentence_are_english():
    assert runs("አዲሱ iPhone 15 ጥሩ ነው።", "am") == (
        Run("አዲሱ", "am"),
        Run("iPhone", "en"),
        Run("አስራ አምስት ጥሩ ነው.", "am"),
    )


def test_ethiopic_words_in_a_latin_sentence_are_of_the_language_that_they_look_like():
    assert [run.language for run in runs("Selam ሰላም means peace; ከመይ ኣለኻ too.", "en")] == ["en", "am", "en", "ti", "en"]


@pytest.mark.parametrize("sentence", ["", "😀", "…", " \n", "***", "Привет", "()"])
def test_nothing_is_spoken_of_a_sentence_without_words(sentence):
    assert runs(sentence, "am") == ()


@given(st.text(), st.sampled_from(["am", "ti", "om", "so", "en"]))
def test_any_text_becomes_runs_of_letters_that_their_voices_have(text, language):
    for run in runs(text, language):
        assert run.text == run.text.strip() != ""
        ethiopic = run.language in {"am", "ti"}
        assert all("\u1200" <= letter <= "\u135a" or "\u1380" <= letter <= "\u138f" if ethiopic
                   else letter.isascii() for letter in run.text if letter.isalpha())  # fmt: skip
        assert not set(run.text) & set("[]<>*_`#\\፡።፣፤፥፦፧፨\x00\n")
