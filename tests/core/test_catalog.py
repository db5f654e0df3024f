import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.catalog import LANGUAGES, VOICES, language_code, mismatch, voice_name, voices_for


def test_every_language_has_a_native_voice():
    for code in LANGUAGES:
        assert any(not voice.gpt_audio for voice in voices_for(code)), code


@pytest.mark.parametrize(("voice", "language"), [("mekdes", "am"), ("mekdes", None), ("alloy", "en"), ("sami", "ti")])
def test_a_voice_and_its_own_language_fit(voice, language):
    assert mismatch(voice, language) is None


@pytest.mark.parametrize(
    ("voice", "language", "fitting"), [("mekdes", "so", "ubax, muuse"), ("alloy", "am", "mekdes, ameha, betty")]
)
def test_a_mismatch_names_the_voices_that_fit(voice, language, fitting):
    warning = mismatch(voice, language)
    assert warning is not None
    assert warning.endswith(f"{fitting}.")


def test_an_unknown_voice_is_told_and_passed_on():
    assert "'zuri'" in mismatch("zuri", None)


def test_the_guides_fifteen_voices_are_all_there():
    assert len(VOICES) == 15
    assert sum(voice.gpt_audio for voice in VOICES.values()) == 6


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("am", "am AM am-ET am_ET am_ET.UTF-8 AM_et.utf8 am-Ethi-ET amh amh-ET Amharic AMHARIC amharigna አማርኛ"),
        ("so", "so so-SO so_SO.UTF-8 so-KE so-DJ som Somali SOOMAALI Af-Soomaali so-Latn-SO"),
        ("ti", "ti ti-ER ti_ET.UTF-8@abegede tir TIR_er Tigrinya tigrigna ትግርኛ ti-x-asmara"),
        ("om", "om om-Latn-ET om_ET orm ORM-et gaz hae gax Oromo Oromoo Afaan-Oromoo oromiffa"),
        ("en", "en en-GB en_US en_US@euro en_US.ISO-8859-1 eng ENG-us English english_us EN-us-posix en-001"),
    ],
)  # fmt: skip
def test_a_language_is_known_however_it_is_written(code, written):
    assert {text: language_code(text) for text in written.split()} == dict.fromkeys(written.split(), code)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("om", " Afaan  Oromoo "), ("om", "afan oromo"), ("so", "Af Soomaali"), ("am", "Amharic_Ethiopia.1252"),
        ("en", "English_United States.1252"), ("en", "English (UK)"), ("am", "am\u2011ET"), ("en", "ｅｎ"),
    ],
)  # fmt: skip
def test_a_language_of_several_words_or_from_another_system_is_known(code, text):
    assert language_code(text) == code


@pytest.mark.parametrize(
    "text",
    ["", " ", "xx", "fr", "fr-ET", "french", "C", "C.UTF-8", "POSIX", "amharicc", "so what", "am-", "-am", "ena"],
)
def test_another_language_is_none_of_ours(text):
    assert language_code(text) is None


@given(st.text())
def test_any_text_is_one_of_our_codes_or_none(text):
    assert language_code(text) in {None, *LANGUAGES}


@given(st.sampled_from([*LANGUAGES, *(language.name for language in LANGUAGES.values())]), st.integers(0, 3))
def test_case_and_blanks_do_not_matter(text, blanks):
    assert language_code(" " * blanks + text.upper()) == language_code(text.lower()) is not None


def test_a_known_voice_is_named_as_the_service_writes_it_and_another_is_passed_on():
    assert [voice_name(text) for text in ("Mekdes", " IBSAA ", "alloy", "Zuri", " zuri ")] == [
        "mekdes", "ibsaa", "alloy", "Zuri", "zuri",
    ]  # fmt: skip
