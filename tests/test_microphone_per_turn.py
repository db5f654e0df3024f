"""A microphone that is open only while one talks, on the virtual sound card."""

import asyncio

import pytest

from tests.support.conversations import conversation, let_go, notice, talk
from tests.support.needs import need_programs
from tests.support.sound_libraries import IN_A_SOAK, libraries, library_environment
from tests.support.speech import correlation, spoken, trimmed
from tests.support.vsound import PROGRAMS, VirtualSoundCard

one_at_a_time = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

SETTINGS = 'microphone = "per_turn"\nclosing_silence = false\n'
SAID = "Where were you while we were away?"


@pytest.fixture
def card(tmp_path):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    yield card
    card.stop()


def talking(card, library):
    return conversation(card, library_environment(library), settings=SETTINGS)


def recording(card, engine):
    return [stream for stream in card.streams(engine.process.pid) if stream.startswith("recording")]


async def closed(engine, card, count):
    """Wait until the microphone is closed, by the engine's word and by the sound server's."""
    await engine.until("talk_ended", count=count)
    await engine.until_last("state", lambda line: not line["microphone"]["open"])
    async with asyncio.timeout(60):
        while recording(card, engine):
            await asyncio.sleep(0.05)  # the sound server tells nobody


@one_at_a_time
@pytest.mark.parametrize("library", libraries("portaudio"))
async def test_it_is_open_only_while_one_talks(card, library):
    said = trimmed(spoken(SAID))
    async with talking(card, library) as (engine, server):
        before = engine.events("state")[-1]["microphone"]
        assert (bool(before["name"]), before["open"]) == (True, False)
        for turn in (1, 2):
            assert not recording(card, engine)
            engine.send("press")
            await engine.until("state", lambda line, turn=turn: line["turn"] == turn and line["phase"] == "listening"
                               and line["microphone"]["open"] and not line["microphone"].get("opening"))  # fmt: skip
            assert len(recording(card, engine)) == 1
            await talk(card, said)
            sent = await let_go(engine, server, turn)
            await closed(engine, card, turn)
        assert any(line["microphone"].get("opening") for line in engine.events("state"))
    middle = round(engine.events("talk_ended")[0]["seconds"] * 16_000)
    assert correlation(said, sent[:middle])[0] >= 0.99
    assert correlation(said, sent[middle:])[0] >= 0.99


RELEASED, DISCARDED = ("release", "nothing_heard"), ("discard", None)


@pytest.mark.parametrize(
    ("library", "end", "told"),
    [(library, *end) for library in libraries("both") for end in (RELEASED, DISCARDED)]
    if IN_A_SOAK
    else [("portaudio", *RELEASED), ("miniaudio", *DISCARDED)],
)
async def test_what_ends_before_it_is_open_is_told_and_leaves_it_closed(card, library, end, told):
    async with talking(card, library) as (engine, _):
        with card.standing_still():  # as a Bluetooth headset, it takes its time
            engine.send("press")
            await engine.until("state", lambda line: line["microphone"].get("opening"))
            engine.send(end)
            assert (await engine.until("turn_ended"))["outcome"] == "discarded"
            if told is not None:
                assert "not opened yet" in (await notice(engine, told))["message"]
        await closed(engine, card, 1)
        engine.send("press")
        await engine.until("state", lambda line: line["turn"] == 2 and line["microphone"]["open"])
        engine.send("discard")
        await closed(engine, card, 2)


@one_at_a_time
@pytest.mark.parametrize("library", libraries("miniaudio"))
async def test_one_that_cannot_be_opened_is_told_and_tried_again(card, library):
    said = trimmed(spoken(SAID))
    async with talking(card, library) as (engine, server):
        card.stop()
        engine.send("press")
        await notice(engine, "microphone_lost")
        card.start()
        await notice(engine, "microphone_back")
        await talk(card, said)
        assert correlation(said, await let_go(engine, server))[0] >= 0.99
