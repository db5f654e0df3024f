"""A release that is only inferred: taken back without a trace, and told to the server only when it cannot be."""

from __future__ import annotations

import time

import numpy as np
import pytest

from selam_cli.core import events
from selam_cli.core.pcm import samples_in
from tests.support.talker import Talker, talker
from tests.support.voice_server import voice_server


@pytest.fixture
async def server():
    async with voice_server() as started:
        yield started


class Timeline:
    """The microphone's clock and the key's, ahead of the real one, so that no second passes in the test."""

    def __init__(self, user: Talker) -> None:
        self._user = user
        self.begin = time.monotonic()
        self.spoken = noise(6.0)
        self._heard = 0

    def hear_until(self, seconds: float) -> None:
        """Let the microphone hear what is spoken until so long after the beginning."""
        size = samples_in(20)
        while self._heard < samples_in(seconds * 1_000):
            self._heard += size
            block = self.spoken[self._heard - size : self._heard]
            self._user.engine.conversation.capture.on_block(block, self.begin + self._heard / 16_000)

    def do(self, verb: str, seconds: float, more: str = "") -> None:
        """Use the key so long after the beginning."""
        self._user.do(f"{verb} {self.begin + seconds:.6f} {more}".strip())


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).integers(-9_000, 9_000, round(seconds * 16_000)).astype(np.int16)


async def test_a_wrongly_inferred_release_leaves_no_trace_in_the_utterance(server):
    async with talker(server.url, closing_silence=False) as user:
        await user.until(events.SessionStarted)
        line = Timeline(user)
        line.do("press", 0.0)
        line.hear_until(1.0)
        line.do("release", 1.0, "inferred")
        line.hear_until(1.28)
        user.do("press resume")
        line.hear_until(2.0)
        line.do("release", 2.0, "inferred")
        line.hear_until(2.1)
        user.do("press resume")
        line.hear_until(3.0)
        line.do("release", 3.0)
        line.hear_until(3.1)
        ended = await user.until(events.TalkEnded)
        await server.until(lambda: len(server.audio) >= 96_000)
        assert ended.seconds == 3.0
    assert server.audio == line.spoken[:48_000].tobytes()
    assert [event.turn for event in user.of(events.TalkStarted)] == [1]


async def test_the_server_is_told_of_an_inferred_end_only_when_it_cannot_be_taken_back(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        line = Timeline(user)
        line.do("press", 0.0)
        line.hear_until(1.0)
        line.do("release", 1.0, "inferred")
        line.hear_until(1.3)
        assert not user.of(events.TalkEnded)
        line.hear_until(1.4)
        ended = await user.until(events.TalkEnded)
        assert 1.3 <= ended.seconds <= 1.34
        await server.until(lambda: len(server.audio) >= round((ended.seconds + 1.0) * 32_000))
    spoken = round(ended.seconds * 16_000) * 2
    assert server.audio[:spoken] == line.spoken.tobytes()[:spoken]
    assert not any(server.audio[spoken:])


async def test_a_release_says_for_how_long_it_may_be_taken_back(server):
    async with talker(server.url, closing_silence=False) as user:
        await user.until(events.SessionStarted)
        line = Timeline(user)
        line.do("press", 0.0)
        line.hear_until(1.0)
        line.do("release", 1.0, "inferred 1.4")
        line.hear_until(2.3)
        user.do("press resume")
        line.hear_until(3.0)
        line.do("release", 3.0)
        line.hear_until(3.1)
        ended = await user.until(events.TalkEnded)
        await server.until(lambda: len(server.audio) >= 96_000)
    assert ended.seconds == 3.0
    assert server.audio == line.spoken[:48_000].tobytes()


async def test_a_press_may_reach_back_over_what_a_stalled_link_kept(server):
    """The end was told, and what tells that the key had been down all the time comes seconds later."""
    async with talker(server.url, closing_silence=False, pre_roll_ms=0) as user:
        await user.until(events.SessionStarted)
        line = Timeline(user)
        line.do("press", 0.0)
        line.hear_until(1.0)
        line.do("release", 1.0, "inferred 0.5")
        line.hear_until(4.5)
        first = await user.until(events.TalkEnded)
        line.do("press", first.seconds)
        line.hear_until(5.0)
        line.do("release", 5.0)
        line.hear_until(5.1)
        await user.until(events.TalkEnded, count=2)
        await server.until(lambda: len(server.audio) >= 160_000)
    assert server.audio == line.spoken[:80_000].tobytes()


async def test_a_resumption_that_comes_too_late_begins_where_the_utterance_ended(server):
    async with talker(server.url, closing_silence=False, pre_roll_ms=300) as user:
        await user.until(events.SessionStarted)
        line = Timeline(user)
        line.hear_until(0.4)
        line.do("press", 0.4)
        line.hear_until(1.0)
        line.do("release", 1.0, "inferred")
        line.hear_until(1.4)
        first = await user.until(events.TalkEnded)
        begun = round((0.1 + first.seconds) * 16_000)
        user.do(f"press {line.begin + 1.4:.6f}")
        line.hear_until(2.0)
        line.do("release", 2.0)
        line.hear_until(2.1)
        second = await user.until(events.TalkEnded, count=2)
        await server.until(lambda: len(server.audio) >= round((first.seconds + second.seconds) * 32_000))
    assert server.audio == line.spoken[1_600:32_000].tobytes()
    assert begun == 1_600 + round(first.seconds * 16_000)


async def test_escape_within_the_window_of_an_inferred_release_throws_all_of_it_away(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        line = Timeline(user)
        line.do("press", 0.0)
        line.hear_until(1.0)
        line.do("release", 1.0, "inferred")
        line.hear_until(1.1)
        user.do("interrupt")
        line.hear_until(2.0)
        await user.until(events.ControlAck, lambda event: event.action == "start_listening")
    assert [event.outcome for event in user.of(events.UtteranceOutcome)] == ["discarded"]
    assert server.actions == ["interrupt", "stop_listening", "start_listening"]
