"""A reply that grows: how often its text is told, how long it may get, and how much of its sound is taken."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from selam_cli.core import events, protocol
from selam_cli.core.protocol import MAX_TEXT, ReplyChunk, Response, Transcription
from selam_cli.core.session import SessionState, apply
from selam_cli.engine.lines.text_throttle import TextThrottle
from selam_cli.engine.reply.player import MAX_REPLY_S, ReplyPlayer
from selam_cli.errors import AudioError


async def test_a_growing_text_is_told_at_once_and_then_as_what_it_has_become():
    told: list[events.Event] = []
    calm = TextThrottle(told.append)
    state = events.StateChanged.of(SessionState())
    for length in range(1, 10_001):
        calm(events.Response(1, "a" * length))
    assert told == [events.Response(1, "a")]
    calm(state)
    calm(events.TurnEnded(1, "answered"))
    assert told[1:] == [state, events.Response(1, "a" * 10_000), events.TurnEnded(1, "answered")]


async def test_an_answer_and_a_transcription_grow_side_by_side_and_the_other_does_not_tell_each_anew():
    told: list[events.Event] = []
    calm = TextThrottle(told.append)
    for length in range(1, 1_001):
        calm(events.Response(1, "a" * length))
        calm(events.Transcription(1, "b" * length, is_final=False))
    assert told == [events.Response(1, "a"), events.Transcription(1, "b", is_final=False)]
    calm(events.TurnEnded(1, "answered"))
    assert [len(getattr(event, "text", "")) for event in told[2:]] == [1_000, 1_000, 0]


async def test_a_text_that_stops_growing_is_told_a_moment_later():
    told: asyncio.Queue[events.Event] = asyncio.Queue()
    calm = TextThrottle(told.put_nowait)
    for text in ("one", "one two", "one two three"):
        calm(events.Response(1, text))
    assert [(await told.get()).text, (await told.get()).text] == ["one", "one two three"]


async def test_what_revises_a_text_stands_for_it_and_another_turn_does_not():
    told: list[events.Event] = []
    calm = TextThrottle(told.append)
    texts = [events.Transcription(1, text, is_final=text == "abcd") for text in ("a", "ab", "abc", "abcd")]
    for text in (*texts, events.Response(1, "x"), events.Response(1, "xy"), events.Response(2, "z")):
        calm(text)
    assert told == [texts[0], texts[3], events.Response(1, "x"), events.Response(1, "xy"), events.Response(2, "z")]


def test_texts_without_end_stop_growing():
    state = SessionState()
    for number in range(100):
        state = apply(state, Response(f"{number} " + "word " * 20_000))
        state = apply(state, Transcription("word " * 5_000))
    assert len(state.reply_text) == len(state.user_text) == MAX_TEXT
    assert state.reply_text.endswith("…")


def test_names_and_sentences_are_bounded_where_they_come_in():
    long = "x" * 1_000_000
    connected = protocol.decode_server("connected", {"sid": long, "voice": long, "message": long})
    assert isinstance(connected, protocol.Connected)
    assert max(len(connected.sid), len(connected.voice)) == protocol.MAX_NAME
    assert len(connected.message) == protocol.MAX_MESSAGE
    error = protocol.error_report({"error": {"type": long, "message": long}})
    assert (len(error.type), len(error.message)) == (protocol.MAX_NAME, protocol.MAX_MESSAGE)


def test_no_text_that_comes_in_holds_half_a_character():
    chunk = protocol.decode_server("audio_chunk", {"audio": "AA==", "format": "\ud83dMP3"})
    assert chunk == ReplyChunk(b"\0", "\ufffdmp3")
    assert protocol.decode_server("response", {"text": "\ud83d\ude00\ud83d"}) == Response("😀\ufffd")
    assert protocol.error_report("\ude00").message == "\ufffd"


def test_sound_without_end_is_taken_to_a_bound():
    player = ReplyPlayer()
    player.make_pull(16_000)
    chunk = ReplyChunk(bytes(2 * 4_000 * MAX_REPLY_S), "pcm16", 4_000)
    player.feed(chunk)
    with pytest.raises(AudioError, match="10 minutes"):
        player.feed(chunk)
    player.feed(chunk)
    assert player.decoded_s == MAX_REPLY_S
    player.stop()


def test_a_reply_in_tiny_pieces_is_kept_in_few():
    player = ReplyPlayer()
    player.make_pull(16_000)
    for _ in range(20_000):
        player.feed(ReplyChunk(b"\x01\x00", "pcm16"))
    assert len(player._last) < 300
    assert sum(len(piece.samples) for piece in player._last) == 20_000
    assert np.all(np.concatenate([piece.samples for piece in player._last]) == 1)
