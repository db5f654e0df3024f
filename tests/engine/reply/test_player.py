"""The player of replies: what it learns of the connection, and what it hands to a speaker."""

import numpy as np
import pytest

from selam_cli.core.protocol import ReplyChunk
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.sound.cues import Cue
from tests.support.speech import correlation
from tests.support.talker import tone

RATE = 16_000
BLOCK = 160
CHUNK = np.full(1_600, 9_000, "<i2").tobytes()


def chunk(audio=CHUNK):
    return ReplyChunk(audio, "pcm16", RATE)


def reply_in_real_time(player, pull, chunks, late_at=None):
    """Feed a chunk every 100 ms of the speaker's own time, one of them 80 ms late; return what was heard."""
    heard = []
    for block in range(chunks * 10):
        n, since = divmod(block, 10)
        if since == (8 if n == late_at else 0):
            player.feed(chunk())
        heard.append(pull(BLOCK))
    player.finish()
    return np.concatenate(heard)


def target_ms(player):
    return player.playout[1]


def test_what_was_learned_with_one_speaker_holds_with_the_next_whatever_its_rate():
    player = ReplyPlayer()
    assert player.playout == (0.0, 0.0, 0)
    reply_in_real_time(player, player.make_pull(RATE), 20, late_at=5)
    reply_in_real_time(player, player.make_pull(RATE), 150)
    learned_ms = target_ms(player)
    assert learned_ms < 120
    player.make_pull(48_000)
    assert target_ms(player) == learned_ms


def test_an_interrupted_reply_has_taught_too():
    player = ReplyPlayer()
    pull = player.make_pull(RATE)
    for after_blocks in (0, 10, 40):  # the third chunk is 300 ms late
        for _ in range(after_blocks):
            pull(BLOCK)
        player.feed(chunk())
    player.stop()
    assert target_ms(player) == 330


def test_the_pieces_of_a_chunk_have_arrived_together():
    """A frame that a chunk completes is decoded beside the others of that chunk; that is no jitter."""
    player = ReplyPlayer()
    pull = player.make_pull(RATE)
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\xff\xff\xff\xff"
    player.feed(ReplyChunk(header + CHUNK, "wav"))
    for _ in range(14):
        for _ in range(10):
            pull(BLOCK)
        player.feed(ReplyChunk(CHUNK, "wav"))
    assert target_ms(player) <= 120


def test_the_rest_of_a_reply_sounds_at_a_new_speaker_once_there_is_the_lead_again():
    player = ReplyPlayer()
    before = player.make_pull(RATE)
    player.feed(chunk())
    before(BLOCK)
    pull = player.make_pull(RATE)
    player.feed(chunk())
    heard = np.concatenate([pull(BLOCK) for _ in range(20)])
    begun = int(np.flatnonzero(heard)[0])
    assert heard[begun : begun + 1_600].all()
    assert player.playout[2] == 0


def test_playing_the_last_reply_again_teaches_nothing_and_sounds_at_once():
    player = ReplyPlayer()
    pull = player.make_pull(RATE)
    reply_in_real_time(player, pull, 20, late_at=5)
    while not player.drained:
        pull(BLOCK)
    before_ms = target_ms(player)
    for _ in range(30):
        assert player.replay()
        assert pull(BLOCK).all()
        while not player.drained:
            pull(BLOCK)
    assert target_ms(player) == before_ms


@pytest.mark.parametrize("audio", [b"", b"\0"])
def test_a_reply_without_sound_cannot_be_played_again(audio):
    player = ReplyPlayer()
    player.make_pull(RATE)
    player.feed(chunk(audio))
    player.finish()
    assert not player.replay()


def pulled(pull, rate_hz, seconds, block_ms=10):
    frames = rate_hz * block_ms // 1_000
    return np.concatenate([pull(frames) for _ in range(round(seconds * 1_000 / block_ms))])


def playing(rate_hz=16_000, sound=None):
    player = ReplyPlayer()
    pull = player.make_pull(rate_hz)
    player.feed(ReplyChunk((tone(1.0) if sound is None else sound).tobytes()))
    player.finish()
    return player, pull


@pytest.mark.parametrize("block_ms", [5, 10, 20])
def test_another_volume_comes_without_a_click(block_ms):
    t = np.arange(16_000) / 16_000
    player, pull = playing(sound=(30_000 * np.sin(2 * np.pi * 103 * t)).astype(np.int16))
    heard = []
    for volume in (100, 30, 100, 0, 80):
        player.set_volume(volume)
        heard.append(pulled(pull, 16_000, 0.1025, block_ms))
    steps = np.abs(np.diff(np.concatenate(heard).astype(int)))
    own = 30_000 * 2 * np.pi * 103 / 16_000
    assert steps.max() < own + 30_000 / (16 * block_ms)


def test_what_was_played_is_played_again_at_another_speakers_rate():
    player, pull = playing()
    pulled(pull, 16_000, 1.1)
    pull = player.make_pull(48_000)
    assert player.replay()
    again = pulled(pull, 48_000, 1.1)
    assert correlation(tone(1.0, 48_000), again)[0] > 0.99
    assert np.flatnonzero(again)[-1] == pytest.approx(48_000, abs=50)


def test_a_cue_sounds_at_once_and_is_no_part_of_what_was_heard():
    player, pull = playing()
    pulled(pull, 16_000, 0.2)
    player.stop()
    player.cues.play(Cue.ON, 0.0, 0.0)
    faded, cue = pull(160), pull(160)
    assert faded.any()
    assert cue.any()
    assert player.heard_s == 0.0
    player.feed(ReplyChunk(tone(1.0).tobytes()))
    player.finish()
    player.cues.play(Cue.OFF, 0.0, 0.0)
    pulled(pull, 16_000, 0.3)
    assert player.heard_s == pytest.approx(0.3)
