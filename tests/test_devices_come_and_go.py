"""Microphones and speakers that vanish, return and change in mid-conversation, on the virtual sound card."""

import asyncio

import numpy as np
import pytest

from selam_cli.core import protocol
from tests.support.conversations import (
    arrived,
    conversation,
    heard_by,
    hears,
    let_go,
    notice,
    reply,
    talk,
    uses,
)
from tests.support.needs import need_programs
from tests.support.sound_libraries import IN_A_SOAK, libraries, library_environment
from tests.support.speech import as_heard, correlation, heard_in_pieces, spoken, trimmed
from tests.support.vsound import PROGRAMS, VirtualSoundCard

one_at_a_time = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

FIRST, SECOND = "Where were you while we were away?", "She had your dark suit in greasy wash water all year."
SHORT, SHORTER = "Stop at once.", "Put it back."


@pytest.fixture
def card(tmp_path):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    yield card
    card.stop()


# One is enough where the engine does what is shown, and which one takes turns: how each library itself tells of a loss,
# tests/sound/test_devices.py shows. Names are the exception: PortAudio knows the sound server's devices by none.
with_each = pytest.mark.parametrize("library", libraries("portaudio", "miniaudio"))
with_both = pytest.mark.parametrize("library", libraries("both"))
with_miniaudio = pytest.mark.parametrize("library", libraries("miniaudio"))
with_names = pytest.mark.parametrize("library", ["miniaudio", "both"] if IN_A_SOAK else ["both"])


# --- losses -----------------------------------------------------------------------------------------------------------


@one_at_a_time
@with_both
async def test_an_utterance_goes_on_when_the_sound_server_comes_back(card, library):
    first, second = trimmed(spoken(FIRST)), trimmed(spoken(SHORT))
    async with conversation(card, library_environment(library)) as (engine, server):
        engine.send("press")
        await engine.until("talk_started")
        await talk(card, first)
        await arrived(server)
        card.stop()
        await notice(engine, "microphone_lost")
        await notice(engine, "speaker_lost")
        assert not engine.events("state")[-1]["microphone"]["open"]
        card.start()
        await notice(engine, "microphone_back")
        await notice(engine, "speaker_back")
        await talk(card, second)
        sent = await let_go(engine, server)
        assert correlation(first, sent)[0] >= 0.99
        assert correlation(second, sent)[0] >= 0.99
        state = engine.events("state")[-1]
        assert state["microphone"]["open"]
        assert state["speaker"]


@one_at_a_time
@with_miniaudio
async def test_a_reply_goes_on_where_it_was_when_the_sound_server_comes_back(card, library):
    said = np.concatenate([trimmed(spoken(text)) for text in (FIRST, SECOND)])
    async with conversation(card, library_environment(library)) as (engine, server):
        sending = asyncio.create_task(reply(server, said))
        await heard_by(engine, 0.8)
        card.stop()
        await notice(engine, "speaker_lost")
        card.start()
        with card.recording(48_000) as recorded:
            await notice(engine, "speaker_back")
            ended = await engine.until("turn_ended")
        await sending
        assert ended["outcome"] == "answered"
    rest = as_heard(recorded[0], 48_000)
    # The recorder may begin after the speaker is back: the reply's last second has to be there, and nothing doubled.
    assert heard_in_pieces(said, rest, slice(-16_000, None)) >= 0.8
    assert correlation(said[:9_600], rest)[0] < 0.5, "what was heard before does not come again"


@one_at_a_time
@with_both
async def test_a_reply_whose_speaker_stays_away_ends_and_can_be_played_again(card, library):
    said = trimmed(spoken(FIRST))
    async with conversation(card, library_environment(library), module="tests.support.hasty") as (engine, server):
        sending = asyncio.create_task(reply(server, said))
        await heard_by(engine, 0.4)
        card.stop()
        await notice(engine, "reply_unheard")
        assert (await engine.until("turn_ended"))["outcome"] == "answered"
        await sending
        card.start()
        await notice(engine, "speaker_back")
        with card.recording(48_000) as recorded:
            since = len(engine.written)
            engine.send("replay")
            await heard_by(engine, len(said) / 16_000 - 0.001, since)
    assert heard_in_pieces(said, as_heard(recorded[0], 48_000)) >= 0.8


@with_each
async def test_devices_that_stand_still_are_lost_and_found_and_keep_nobody_from_leaving(card, library):
    """As when a computer sleeps, nothing is closed and no library says a word; a server may then never answer."""
    async with conversation(card, library_environment(library)) as (engine, server):
        await hears(engine)
        card.suspend(on=True)
        await notice(engine, "microphone_lost")
        await notice(engine, "speaker_lost")
        card.suspend(on=False)
        await notice(engine, "microphone_back")
        await notice(engine, "speaker_back")
        with card.standing_still():
            await notice(engine, "microphone_lost", 2)
            engine.send("press")
            await engine.until("talk_started")
            engine.send("quit")
            assert await engine.ended() == 0
        assert server.messages(protocol.EndSession)


@with_both
async def test_a_microphone_that_vanishes_is_not_replaced_by_what_the_speaker_plays(card, library):
    async with conversation(card, library_environment(library)) as (engine, _):
        await uses(engine, card, "playing on spk", "recording from vmic")
        card.unplug_microphone()
        await notice(engine, "microphone_lost")
        await uses(engine, card, "playing on spk")
        card.plug_microphone()
        await notice(engine, "microphone_back")
        await uses(engine, card, "playing on spk", "recording from vmic")


# --- named devices ----------------------------------------------------------------------------------------------------


@one_at_a_time
@with_names
async def test_a_headset_that_is_unplugged_gives_way_to_the_default_device_and_returns(card, library):
    first, second, third = (trimmed(spoken(text)) for text in (FIRST, SHORT, SHORTER))
    card.plug("Headset", 44_100)
    options = ("--input", "HeadsetMic", "--output", "headset")
    async with conversation(card, library_environment(library), *options) as (engine, server):
        await engine.until("state", lambda line: line["microphone"]["open"])
        await uses(engine, card, "playing on Headset", "recording from Headset-mic")
        engine.send("press")
        await engine.until("talk_started")
        await talk(card, first, "Headset-in")
        await arrived(server)
        card.unplug("Headset")
        for kind in ("microphone", "speaker"):
            await notice(engine, f"{kind}_lost")
            assert "until Headset" in (await notice(engine, f"{kind}_changed"))["message"]
        await uses(engine, card, "playing on spk", "recording from vmic")
        await talk(card, second)
        await arrived(server)
        card.plug("Headset", 48_000)
        for kind in ("microphone", "speaker"):
            assert "Headset" in (await notice(engine, f"{kind}_back"))["message"]
        await uses(engine, card, "playing on Headset", "recording from Headset-mic")
        await talk(card, third, "Headset-in")
        sent = await let_go(engine, server)
        places = []
        for said in (first, second, third):
            likeness, place = correlation(said, sent)
            assert likeness >= 0.98
            places.append(place)
        assert places == sorted(places)


@one_at_a_time
@with_names
async def test_the_devices_change_by_command_while_one_talks_and_while_a_reply_plays(card, library):
    first, second = trimmed(spoken(FIRST)), trimmed(spoken(SHORT))
    answer = trimmed(spoken(SECOND))
    async with conversation(card, library_environment(library)) as (engine, server):
        card.plug("Headset", 44_100)
        engine.send("devices")
        listed = await engine.until("devices")
        assert "HeadsetMic" in [device["name"] for device in listed["inputs"]], "the list is of this moment"
        assert "Headset" in [device["name"] for device in listed["outputs"]]
        numbers = [device["number"] for device in (*listed["inputs"], *listed["outputs"])]
        assert len(set(numbers)) >= len(numbers) / 2  # one device may be both

        engine.send("press")
        await engine.until("talk_started")
        await talk(card, first)
        await arrived(server)
        engine.send('{"id": 1, "command": "microphone", "argument": "HeadsetMic"}')
        assert (await engine.until("ack", lambda line: line["id"] == 1))["ok"]
        assert engine.events("state")[-1]["microphone"]["name"] == "HeadsetMic"
        await talk(card, second, "Headset-in")
        sent = await let_go(engine, server)
        assert correlation(first, sent)[0] >= 0.99
        assert correlation(second, sent)[0] >= 0.99

        with card.recording(48_000) as recorded, card.recording(44_100, sink="Headset") as recorded_after:
            sending = asyncio.create_task(reply(server, answer))
            await heard_by(engine, 1.0)
            engine.send('{"id": 2, "command": "speaker", "argument": "Headset"}')
            assert (await engine.until("ack", lambda line: line["id"] == 2))["ok"]
            assert (await engine.until("turn_ended"))["outcome"] == "answered"
            await sending
        engine.send('{"id": 3, "command": "speaker", "argument": "Banjo"}')
        refused = await engine.until("ack", lambda line: line["id"] == 3)
        assert (refused["ok"], engine.events("state")[-1]["speaker"]) == (False, "Headset")
    before, after = as_heard(recorded[0], 48_000), as_heard(recorded_after[0], 44_100, converted=True)
    assert heard_in_pieces(answer, before, slice(12_000)) >= 0.8
    assert heard_in_pieces(answer, after, slice(-16_000, None)) >= 0.8
    # What was on its way to the first speaker may be heard again from the second, and nothing is left out.
    assert heard_in_pieces(answer, np.concatenate((before, after))) >= 0.8
    both = loud_samples(before) + loud_samples(after)
    assert loud_samples(answer) - 800 <= both <= loud_samples(answer) + 4_800


def loud_samples(sound):
    """Return how much of it is loud: the silence of a break does not count."""
    blocks = np.abs(sound[: len(sound) // 80 * 80].astype(int)).reshape(-1, 80)
    return int((blocks.max(axis=1) > 300).sum()) * 80


# --- the system's default device --------------------------------------------------------------------------------------


@one_at_a_time
@pytest.mark.parametrize(
    ("library", "rate_hz", "channels"),
    [
        ("portaudio", 8_000, 1), ("portaudio", 44_100, 2), ("portaudio", 96_000, 6),
        ("miniaudio", 11_025, 1), ("miniaudio", 22_050, 2), ("miniaudio", 96_000, 1),
    ]
    if IN_A_SOAK  # else one a library: what our own conversion does with each rate, test_resample.py shows
    else [("portaudio", 96_000, 6), ("miniaudio", 22_050, 2)],
)  # fmt: skip
async def test_any_rate_and_any_channels_will_do_and_a_new_default_device_is_followed_and_told(
    card, library, rate_hz, channels
):
    said, more = trimmed(spoken(FIRST)), trimmed(spoken(SHORT))
    card.plug("Odd", rate_hz, channels)
    card.make_default("Odd")
    async with conversation(card, library_environment(library)) as (engine, server):
        await engine.until("state", lambda line: line["microphone"]["open"])
        engine.send("press")
        await engine.until("talk_started")
        await talk(card, said, "Odd-in")
        sent = await let_go(engine, server)
        with card.recording(rate_hz, sink="Odd") as recorded:
            await reply(server, said)
            await engine.until("turn_ended")
        assert engine.events("playout")[-1]["breaks"] == 0

        card.plug("Headset", 44_100)
        card.make_default("Headset")
        for kind, name in (("microphone", "HeadsetMic"), ("speaker", "Headset")):
            assert name in (await notice(engine, f"{kind}_changed"))["message"]
        await uses(engine, card, "playing on Headset", "recording from Headset-mic")
        engine.send("press")
        await engine.until("talk_started", count=2)
        await talk(card, more, "Headset-in")
        sent_after = (await let_go(engine, server, 2))[len(sent) :]
        assert not engine.events("error")
    wanted = 0.98 if rate_hz >= 16_000 else 0.9  # what lies above half the rate is lost
    assert correlation(said, sent)[0] >= wanted
    assert heard_in_pieces(said, as_heard(recorded[0], rate_hz, converted=True)) >= 0.8
    assert correlation(more, sent_after)[0] >= 0.98
