"""A voice that speaks once before it is relied on: what counts as sound, and what a failure means."""

from __future__ import annotations

import asyncio

import pytest

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.tts import trial
from selam_cli.agent.tts.espeak import Espeak
from selam_cli.agent.tts.trial import SENTENCES, is_silent, unusable
from selam_cli.core.catalog import LANGUAGES
from tests.support.needs import need

LOUD = (5_000).to_bytes(2, "little")


class Voice:
    """One that makes these pieces, and then fails where it is to."""

    name = "voice"
    languages = frozenset({"en"})

    def __init__(self, *pieces: bytes, fault: EngineFault | None = None) -> None:
        self._pieces, self._fault = pieces, fault
        self.closed = False

    async def speak(self, text, language, voice):
        try:
            for piece in self._pieces:
                yield piece
                await asyncio.sleep(0)
            if self._fault is not None:
                raise self._fault
        finally:
            self.closed = True

    def silence(self, language):
        return f"It makes no sound of {language}."


@pytest.mark.parametrize(
    ("pieces", "silent"),
    [
        ((), True),
        ((bytes(3_200),), True),
        ((b"\x01\x00" * 1_600,), True),
        ((bytes(3_200), LOUD), False),
        ((bytes(3_200), LOUD[:1], LOUD[1:] + bytes(10)), False),
        ((bytes(3), bytes(1) + LOUD), False),
    ],
)
async def test_sound_is_what_can_be_heard(pieces, silent):
    voice = Voice(*pieces)
    assert await is_silent(voice, "en") is silent
    assert await unusable(voice, "en") == ("It makes no sound of en." if silent else None)
    assert voice.closed


async def test_nothing_is_made_after_the_first_sound():
    voice = Voice(LOUD, fault=EngineFault("session_error", "It was asked for more."))
    assert await unusable(voice, "en") is None
    assert voice.closed


@pytest.mark.parametrize(("kind", "told"), [("session_error", "It is damaged."), ("audio_error", None)])
async def test_a_failure_that_may_pass_is_no_reason_to_leave_a_voice_out(kind, told):
    assert await unusable(Voice(fault=EngineFault(kind, "It is damaged.")), "en") == told


async def test_a_voice_that_hangs_does_not_hold_up_the_agent_that_starts(monkeypatch):
    monkeypatch.setattr(trial, "TRIED_WITHIN_S", 0.01)
    never = asyncio.Event()
    voice = Voice()

    async def speak(*_):
        await never.wait()
        yield LOUD

    voice.speak = speak
    assert await unusable(voice, "en") is None


async def test_every_language_has_a_sentence_and_espeak_is_heard_in_each_of_its_own():
    assert set(SENTENCES) == set(LANGUAGES)
    voice = Espeak.installed()
    need("espeak-ng", voice.languages)
    try:
        for language in voice.languages:
            assert not await is_silent(voice, language)
    finally:
        await voice.close()
