import pytest

from selam_cli.core.catalog import LANGUAGES, VOICES, mismatch, voices_for


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
