"""The settings sheet sends what is different and right, and explains what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selam_cli.tui.settings_sheet import CHECKS, Choices, caution, changes
from selam_cli.tui.state import CommandSent

BEFORE = Choices("mekdes", "auto", "", "600", "8")


def test_only_what_changed_is_sent():
    assert changes(BEFORE, BEFORE) == []
    after = Choices("aria", "EN", "Be brief.", "700", "12")
    assert changes(BEFORE, after) == [
        CommandSent("voice", "aria"),
        CommandSent("language", "en"),
        CommandSent("instructions", "Be brief."),
        CommandSent("vad-threshold", "700"),
        CommandSent("interrupt-threshold", "12"),
    ]


@pytest.mark.parametrize(
    ("language", "sent"),
    [("am-ET", "am"), ("Afaan Oromoo", "om"), ("ትግርኛ", "ti"), ("so_SO.UTF-8", "so"), ("eng", "en")],
)
def test_a_language_in_any_writing_is_sent_as_its_code(language, sent):
    assert changes(BEFORE, replace(BEFORE, language=language)) == [CommandSent("language", sent)]
    assert changes(replace(BEFORE, language=sent), replace(BEFORE, language=language)) == []


def test_a_voice_in_capitals_and_auto_in_capitals_are_no_change():
    assert changes(BEFORE, replace(BEFORE, voice="Mekdes", language="AUTO")) == []
    assert "mekdes" in caution(replace(BEFORE, voice="MEKDES", language="en-GB"))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("voice", " "), ("language", "xx"), ("instructions", "x" * 8_001), ("vad_threshold", "32768"),
        ("vad_threshold", "-1"), ("vad_threshold", "6e2"), ("vad_threshold", "٦٠٠"), ("interrupt_threshold", "0"),
        ("interrupt_threshold", "51"), ("interrupt_threshold", ""), ("interrupt_threshold", "9" * 5_000),
    ],
)  # fmt: skip
def test_a_wrong_value_is_explained_and_not_sent(field, wrong):
    assert CHECKS[field](wrong)
    assert changes(BEFORE, replace(BEFORE, **{field: wrong})) == []


def test_a_mismatch_is_a_caution_and_no_obstacle():
    after = replace(BEFORE, language="en")
    assert "aria" in caution(after)
    assert changes(BEFORE, after) == [CommandSent("language", "en")]
    assert caution(BEFORE) == ""
    assert caution(replace(BEFORE, language="xx")) == ""
