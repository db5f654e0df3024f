"""A piece of a reply that is long: taken bit by bit, in order, and the engine answers meanwhile."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from selam_cli.core import events
from selam_cli.core.protocol import AudioEnd, ReplyChunk
from selam_cli.engine.reply import slicer
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.reply.slicer import SLICE_BYTES, ChunkSlicer, NoMore, Slice
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server

LONG = np.random.default_rng(5).bytes(10 * SLICE_BYTES + 1_001)


async def turns_of_the_loop_until(condition) -> int:
    turns = 0
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)
            turns += 1
    return turns


async def test_what_is_short_is_handed_over_at_once():
    taken = []
    sound = ChunkSlicer(taken.append)
    messages = [ReplyChunk(b"12"), ReplyChunk(b""), ReplyChunk(LONG[:SLICE_BYTES], "mp3"), AudioEnd(3), NoMore()]
    for message in messages:
        sound.put(message)
    assert taken == [*(Slice(message, goes_on=False) for message in messages[:3]), *messages[3:]]
    assert not sound


async def test_what_is_long_is_handed_over_in_slices_and_what_comes_behind_it_waits():
    taken = []
    sound = ChunkSlicer(taken.append)
    for message in (ReplyChunk(LONG, "pcm16", 8_000), ReplyChunk(b"12"), AudioEnd(2), ReplyChunk(b"34")):
        sound.put(message)
    assert len(taken) == 1
    assert await turns_of_the_loop_until(lambda: not sound) >= 10
    slices = [each for each in taken if isinstance(each, Slice)]
    assert b"".join(each.part.audio for each in slices) == LONG + b"12" + b"34"
    assert [each.goes_on for each in slices] == [False, *[True] * 10, False, False]
    assert {(each.part.format, each.part.sample_rate) for each in slices[:11]} == {("pcm16", 8_000)}
    assert taken[-2:] == [AudioEnd(2), Slice(ReplyChunk(b"34"), goes_on=False)]


async def test_what_waits_is_bounded_in_bytes_and_in_pieces(monkeypatch):
    monkeypatch.setattr(slicer, "MOST_WAITING_BYTES", 3 * SLICE_BYTES)
    monkeypatch.setattr(slicer, "MOST_WAITING", 50)
    taken = []
    sound = ChunkSlicer(taken.append)
    sound.put(ReplyChunk(LONG))
    assert len(taken) == 8
    sound.put(ReplyChunk(LONG))
    assert len(taken) == 19, "the first one, and what of the second there is no room for"
    for _ in range(200):
        sound.put(ReplyChunk(b"1"))
    assert len(taken) >= 22 + 150
    assert b"".join(each.part.audio for each in taken[:22]) == LONG + LONG
    await turns_of_the_loop_until(lambda: not sound)
    assert len(taken) == 222


async def test_of_what_was_cut_off_nothing_more_comes():
    taken = []
    sound = ChunkSlicer(taken.append)
    sound.put(ReplyChunk(LONG))
    sound.put(AudioEnd(1))
    sound.clear()
    sound.put(ReplyChunk(b"12"))
    await asyncio.sleep(0)
    assert taken[1:] == [Slice(ReplyChunk(b"12"), goes_on=False)]


@pytest.mark.parametrize("held", [False, True])
def test_slices_sound_as_the_whole_does_and_teach_as_much(held):
    heard, targets = [], []
    for size in (len(LONG), SLICE_BYTES):
        player = ReplyPlayer()
        pull = player.make_pull(48_000)
        if held:
            player.hold()
        for at in range(0, len(LONG), size):
            player.feed(ReplyChunk(LONG[at : at + size], "pcm16", 16_000), goes_on=at > 0)
        player.feed(ReplyChunk(LONG[:3_200]))
        player.finish()
        player.let_go()
        assert player.chunks == 2
        heard.append(np.concatenate([pull(480) for _ in range(700)]))
        targets.append(player.playout[1])
    assert np.array_equal(*heard)
    assert targets[0] == targets[1]


async def test_two_minutes_in_one_piece_hold_nobody_up():
    two_minutes = np.tile(tone(10.0, 4_000), 12).tobytes()
    async with voice_server() as server, talker(server.url) as user:
        user.engine._player.make_pull(48_000)
        await user.until(events.SessionStarted)
        await server.send(ReplyChunk(two_minutes, "pcm16", 4_000))
        await server.send(AudioEnd(1))
        await user.until(events.Audio)
        assert user.engine._player.decoded_s < 120.0
        for number in range(20):
            user.do(f'{{"id": {number}, "command": "volume", "argument": {number}}}')
            await asyncio.sleep(0)
        assert len(user.of(events.Ack)) == 20
        assert not user.of(events.AudioEnd), "all of them were answered before it had been decoded"
        await user.until(events.AudioEnd)
    assert user.of(events.AudioEnd)[0].seconds == 120.0
    assert user.of(events.Audio)[-1].chunks == 1


async def test_two_minutes_in_one_piece_can_be_interrupted_while_they_are_decoded():
    two_minutes = np.tile(tone(10.0, 4_000), 12).tobytes()
    async with voice_server() as server, talker(server.url) as user:
        user.engine._player.make_pull(48_000)
        await user.until(events.SessionStarted)
        await server.send(ReplyChunk(two_minutes, "pcm16", 4_000))
        await user.until(events.Audio)
        user.do("interrupt")
        decoded_s = user.engine._player.decoded_s
        await user.until(events.ControlAck)
        assert user.engine._player.decoded_s == decoded_s < 120.0
        await server.send(ReplyChunk(tone(0.3).tobytes(), "pcm16", 16_000))
        await server.send(AudioEnd(1))
        await user.until(events.AudioEnd)
    assert user.of(events.AudioEnd)[0].seconds == 0.3
