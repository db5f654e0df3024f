"""Floods: what is let in of each kind, by a time that the test says."""

from __future__ import annotations

import pytest

from selam_cli.core.protocol import ControlAck, ErrorReport, ReplyChunk, Response, Transcription
from selam_cli.engine.link.rate_limit import UNKNOWN, InboundLimiter


def flood(limiter: InboundLimiter, event: str, message: object, times: int, now: float = 0.0) -> int:
    return sum(limiter.admits(event, message, now) for _ in range(times))


def test_of_a_flood_as_much_is_let_in_as_one_could_read_and_it_is_told_once():
    told: list[str] = []
    limiter = InboundLimiter(told.append)
    assert flood(limiter, "error", ErrorReport("audio_error", "no"), 100_000) == 20
    assert flood(limiter, "control_ack", ControlAck("interrupt"), 100_000) == 100
    assert flood(limiter, "anything", None, 50_000) + flood(limiter, "else", None, 50_000) == 20
    assert told == ["error", "control_ack", UNKNOWN]
    assert flood(limiter, "error", ErrorReport("audio_error", "no"), 100, now=10.0) == 5
    assert told == ["error", "control_ack", UNKNOWN]


def test_a_conversation_is_let_in_whole():
    limiter = InboundLimiter(pytest.fail)
    for second in range(600):
        now = float(second)
        assert flood(limiter, "transcription", Transcription("so far " * 20), 10, now) == 10
        assert flood(limiter, "response", Response("word"), 500, now) == 500
        assert flood(limiter, "audio_chunk", ReplyChunk(b"12"), 500, now) == 500
        assert flood(limiter, "control_ack", ControlAck("interrupt"), 5, now) == 5


def test_long_transcriptions_count_for_more():
    limiter = InboundLimiter(lambda _: None)
    assert flood(limiter, "transcription", Transcription("a" * 32_000), 1_000) == 7
