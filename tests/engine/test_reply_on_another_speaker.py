"""A reply that moves from one speaker to another: it goes on where it was heard, at the new speaker's rate."""

import numpy as np
import pytest

from selam_cli.core.protocol import ReplyChunk
from selam_cli.engine.reply.player import ReplyPlayer
from tests.support.speech import correlation


def chunks(samples, size=1_600):
    return [ReplyChunk(samples[at : at + size].tobytes()) for at in range(0, len(samples), size)]


def chirp(seconds, rate_hz=16_000):
    """No two moments of it are alike."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (9_000 * np.sin(2 * np.pi * (200 + 700 * t) * t)).astype(np.int16)


def at_16k(samples, rate_hz):
    places = np.arange(0, len(samples) / rate_hz, 1 / 16_000)
    return np.interp(places, np.arange(len(samples)) / rate_hz, samples).astype(np.int16)


def pulled(pull, seconds, rate_hz):
    return np.concatenate([pull(rate_hz // 100) for _ in range(round(seconds * 100))])


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 24_000])
@pytest.mark.parametrize("complete", [True, False])
def test_it_goes_on_from_what_was_heard(rate_hz, complete):
    player, said = ReplyPlayer(), chirp(2.0)
    first = player.make_pull(48_000)
    for chunk in chunks(said):
        player.feed(chunk)
    if complete:
        player.finish()
    before = pulled(first, 0.8, 48_000)
    player.delay = lambda: 0.05
    second = player.make_pull(rate_hz)
    player.delay = lambda: 0.0
    assert player.heard_s == pytest.approx(0.75, abs=0.001)
    if not complete:
        player.finish()
    after = pulled(second, 1.4, rate_hz)
    assert player.drained
    assert player.heard_s == pytest.approx(2.0, abs=0.01)
    assert correlation(said[:12_800], at_16k(before, 48_000))[0] > 0.99
    likeness, place = correlation(said[12_000:], at_16k(after, rate_hz))
    assert likeness > 0.99
    assert place < 400, "nothing comes before it"
    assert not pulled(first, 0.2, 48_000)[480:].any(), "the first speaker may live on, but silently"


def test_what_is_held_while_one_talks_moves_too():
    player, said = ReplyPlayer(), chirp(1.0)
    player.make_pull(48_000)
    player.hold()
    for chunk in chunks(said):
        player.feed(chunk)
    player.finish()
    pull = player.make_pull(44_100)
    assert not pulled(pull, 0.2, 44_100).any()
    assert player.let_go()
    assert correlation(said, at_16k(pulled(pull, 1.2, 44_100), 44_100))[0] > 0.99


def test_a_reply_can_be_played_again_from_another_speaker():
    player, said = ReplyPlayer(), chirp(1.0)
    pull = player.make_pull(48_000)
    for chunk in chunks(said):
        player.feed(chunk)
    player.finish()
    pulled(pull, 0.5, 48_000)
    pull = player.make_pull(44_100)
    pulled(pull, 1.0, 44_100)
    player.active = False
    pull = player.make_pull(24_000)
    assert not pulled(pull, 0.1, 24_000).any()
    assert player.replay()
    assert correlation(said, at_16k(pulled(pull, 1.2, 24_000), 24_000))[0] > 0.99
    assert player.heard_s == pytest.approx(1.0, abs=0.01)


def test_an_interrupted_reply_does_not_sound_from_another_speaker():
    player = ReplyPlayer()
    player.make_pull(48_000)
    for chunk in chunks(chirp(1.0)):
        player.feed(chunk)
    player.stop()
    assert not pulled(player.make_pull(44_100), 0.5, 44_100).any()


def test_what_was_said_before_any_speaker_was_open_sounds_from_the_first_one():
    player, said = ReplyPlayer(), chirp(1.0)
    player.make_pull(16_000)
    for chunk in chunks(said):
        player.feed(chunk)
    player.finish()
    assert player.sounding
    pull = player.make_pull(48_000)
    assert correlation(said, at_16k(pulled(pull, 1.2, 48_000), 48_000))[0] > 0.99
    assert player.drained
