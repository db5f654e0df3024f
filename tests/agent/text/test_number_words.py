import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.text.number_words import SPELLED, ethiopic_number, ordinal, spelled


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        ("am", "0", "ዜሮ"),
        ("am", "11", "አስራ አንድ"),
        ("am", "25", "ሃያ አምስት"),
        ("am", "1999", "አንድ ሺህ ዘጠኝ መቶ ዘጠና ዘጠኝ"),
        ("am", "3.14", "ሦስት ነጥብ አንድ አራት"),
        ("am", "0911", "ዜሮ ዘጠኝ አንድ አንድ"),
        ("am", "1000000", "አንድ ሚሊዮን"),
        ("ti", "11", "ዓሰርተ ሓደ"),
        ("ti", "25", "ዕስራን ሓሙሽተን"),
        ("ti", "100", "ሚእቲ"),
        ("ti", "1999", "ሽሕን ትሽዓተ ሚእትን ቴስዓን ትሽዓተን"),
        ("om", "11", "kudha tokko"),
        ("om", "25", "digdamii shan"),
        ("om", "40", "afurtama"),
        ("om", "1999", "kuma tokko fi dhibba sagal fi sagaltamii sagal"),
        ("so", "11", "kow iyo toban"),
        ("so", "25", "shan iyo labaatan"),
        ("so", "1999", "kun iyo sagaal boqol iyo sagaal iyo sagaashan"),
        ("so", "1000000", "hal malyan"),
    ],
)
def test_a_number_in_words(language, number, words):
    assert spelled(number, language) == words


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        ("am", "1", "አንደኛ"), ("am", "2", "ሁለተኛ"), ("am", "3", "ሦስተኛ"), ("am", "9", "ዘጠነኛ"), ("am", "10", "አስረኛ"),
        ("am", "20", "ሃያኛ"), ("am", "21", "ሃያ አንደኛ"), ("am", "25", "ሃያ አምስተኛ"), ("am", "100", "አንድ መቶኛ"),
        ("am", "1000", "አንድ ሺኛ"), ("ti", "1", "ቀዳማይ"), ("ti", "3", "ሳልሳይ"), ("ti", "5", "ሓምሻይ"),
        ("ti", "21", "መበል ዕስራን ሓደን"),
        ("om", "1", "tokkoffaa"), ("om", "2", "lammaffaa"), ("om", "3", "sadaffaa"), ("om", "4", "afraffaa"),
        ("om", "6", "ja'affaa"), ("om", "10", "kurnaffaa"), ("om", "12", "kudha lammaffaa"),
        ("om", "25", "digdamii shanaffaa"),
        ("so", "1", "kowaad"), ("so", "2", "labaad"), ("so", "3", "saddexaad"), ("so", "10", "tobnaad"),
        ("so", "11", "kow iyo tobnaad"), ("so", "20", "labaatanaad"),
    ],
)  # fmt: skip
def test_an_ordinal_in_words(language, number, words):
    assert ordinal(number, language) == words


@given(st.integers(0, 10**15), st.sampled_from(sorted(SPELLED)))
def test_any_number_is_words_alone(number, language):
    words = spelled(str(number), language)
    assert words
    assert not any(character.isdigit() for character in words)
    assert "  " not in words


@given(st.integers(0, 10**12 - 1), st.integers(0, 10**12 - 1), st.sampled_from(sorted(SPELLED)))
def test_two_numbers_never_sound_alike(one, other, language):
    assert (spelled(str(one), language) == spelled(str(other), language)) == (one == other)


@pytest.mark.parametrize(
    ("numerals", "value"),
    [
        ("፩", 1),
        ("፲፪", 12),
        ("፻", 100),
        ("፪፻፳፭", 225),
        ("፲፱፻፺፱", 1999),
        ("፳፻፲፭", 2015),
        ("፼", 10_000),
        ("፻፼", 1_000_000),
    ],
)
def test_ethiopic_numerals(numerals, value):
    assert ethiopic_number(numerals) == value
