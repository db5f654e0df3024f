"""Text as editors, shells and other programs write it."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.outside_text import NotUnicode, Utf8Stream, decoded, tidied, unquoted, variable

MARKED = {
    "utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE,
}  # fmt: skip
TEXTS = st.text(st.characters(exclude_characters="\0\r\ufeff", exclude_categories=["Cs"]))


@pytest.mark.parametrize("encoding", MARKED)
@given(TEXTS)
def test_a_text_is_read_in_the_encoding_that_its_mark_tells(encoding, text):
    assert decoded(MARKED[encoding] + text.encode(encoding)) == text
    assert decoded(MARKED[encoding] + text.replace("\n", "\r\n").encode(encoding)) == text


@given(TEXTS)
def test_a_text_without_a_mark_is_utf_8(text):
    assert decoded(text.encode()) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_known_by_its_zeros(encoding):
    assert decoded('voice = "betty"\r\n'.encode(encoding)) == 'voice = "betty"\n'


@pytest.mark.parametrize(
    ("raw", "text"), [(b"", ""), (b"\xef\xbb\xbf", ""), (b"\xff\xfe", ""), (b"a\rb\r\n", "a\nb\n")]
)
def test_there_may_be_nothing_after_the_mark_and_old_line_ends(raw, text):
    assert decoded(raw) == text


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("é".encode("latin-1"), 1),
        ("a\nb\n# caf\xe9\n".encode("cp1252"), 3),
        (b"\xef\xbb\xbfa\r\nb\rc\xff", 3),
        (b"\xff\xfea\0\n\0\0\xd8\n\0", 2),
    ],
)
def test_another_encoding_is_told_with_its_line(raw, line):
    with pytest.raises(NotUnicode) as caught:
        decoded(raw)
    assert caught.value.line == line


def test_a_text_that_is_already_one_is_tidied_too():
    assert tidied("\ufeffBe brief.\r\nBe kind.\r") == "Be brief.\nBe kind.\n"


@pytest.mark.parametrize(
    "written",
    [
        "am", " am\n", '"am"', "'am'", "“am”", "‘am’", "„am“", "«am»", '\ufeff"am"\r\n', "\u200bam\u200b", "'\"am\"'",
        '" am "', "\xa0am\xa0",
    ],
)  # fmt: skip
def test_quotes_and_blanks_around_a_value_are_not_of_it(written):
    assert unquoted(written) == "am"
    assert variable({"SELAM_LANGUAGE": written}, "SELAM_LANGUAGE") == "am"


@pytest.mark.parametrize(
    "value", ["", "am", "it's", "'", '"', 'a"b', "'Front' and 'Rear'", '"half', "half'", "the “best” one"]
)
def test_other_quotes_stay(value):
    assert unquoted(value) == value


@pytest.mark.parametrize("empty", ["", '""', "''", "\ufeff", " \r\n", "“”"])
def test_an_empty_value_is_empty_in_quotes_too(empty):
    assert variable({"SELAM_VOICE": empty}, "SELAM_VOICE") == variable({}, "SELAM_VOICE") == ""


@given(st.text())
def test_a_value_is_unquoted_only_once(text):
    assert unquoted(unquoted(text)) == unquoted(text)


@given(st.sampled_from([*MARKED, None]), TEXTS, st.integers(1, 7))
def test_a_stream_in_pieces_is_the_text_that_it_is_as_a_whole(encoding, text, size):
    raw = text.encode() if encoding is None else MARKED[encoding] + text.encode(encoding)
    stream = Utf8Stream()
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert b"".join(stream.feed(piece) for piece in [*pieces, b""]) == text.encode()


@given(st.binary(), st.integers(1, 7))
def test_no_stream_of_bytes_is_fatal(raw, size):
    stream = Utf8Stream()
    for start in range(0, len(raw), size):
        stream.feed(raw[start : start + size])
    stream.feed(b"")


def test_a_first_command_is_not_held_back():
    assert Utf8Stream().feed(b"q") == b"q"
