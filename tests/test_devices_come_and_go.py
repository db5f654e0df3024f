"""Microphones and speakers that vanish, return and change in mid-conversation, on the virtual sound card."""

import asyncio
import os
from contextlib import asynccontextmanager

import numpy as np
import pytest

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioEnd, ReplyChunk
from tests.support.lines import talk_json
from tests.support.needs import need_programs
from tests.support.sound_libraries import library_environment
from tests.support.speech import as_heard, correlation, heard_in_pieces, spoken, trimmed
from tests.support.voice_server import voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

one_at_a_time = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

FIRST, SECOND = "Where were you while we were away?", "She had your dark suit in greasy wash water all year."


@pytest.fixture
def card(tmp_path):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    yield card
    card.stop()


@pytest.fixture(params=["portaudio", "miniaudio"])
def library(request):
    return library_environment(request.param)


IN_A_SOAK = os.environ.get("SELAM_SOAK") == "1"


@pytest.fixture(params=["portaudio", "miniaudio", "both"] if IN_A_SOAK else ["both"])
def any_library(request):
    return library_environment(request.param)


@pytest.fixture(params=["miniaudio", "both"] if IN_A_SOAK else ["both"])
def naming_library(request):
    """PortAudio knows the sound server's devices by no name."""
    return library_environment(request.param)


@asynccontextmanager
async def conversation(card, library, *options, settings="", until="session_started"):
    """A conversation whose both ends are the test's: the server's, and the sound card's."""
    config = card._folder / "config.toml"
    config.write_text(settings)
    environment = {**card.environment, **library, "SELAM_CONFIG": str(config)}
    async with (
        voice_server() as server,
        talk_json("--server", server.url, *options, environment=environment) as engine,
    ):
        await engine.until(until)
        await engine.until("state", lambda line: line["speaker"])
        yield engine, server
        if engine.process.returncode is None:
            engine.send("quit")
            assert await engine.ended() == 0


async def notice(engine, code, count=1):
    return await engine.until("notice", lambda line: line["code"] == code, count)


async def talk(engine, card, said, into="mic"):
    await asyncio.to_thread(card.speak, said, into=into)


async def arrived(server):
    """Wait until what the microphone has just heard is at the server, and half a second of silence after it."""
    wanted = len(server.audio) + 16_000
    await server.until(lambda: len(server.audio) >= wanted)


async def uses(engine, card, *streams):
    """Wait until the engine has these streams open and no other: what is let go of takes a moment to be gone."""
    async with asyncio.timeout(20):
        while card.streams(engine.process.pid) != sorted(streams):
            await asyncio.sleep(0.05)  # the sound server tells nobody


async def reply(server, said):
    """Send a reply as fast as the connection takes it."""
    await server.send(protocol.Response("Listen."))
    for start in range(0, len(said), 1_600):
        await server.send(ReplyChunk(said[start : start + 1_600].tobytes()))
    await server.send(AudioEnd(-(-len(said) // 1_600)))


async def heard_by(engine, seconds, since=0):
    await engine.until("playout", lambda line: line["heard_seconds"] >= seconds, since=since)


def loud_samples(sound):
    """Return how much of it is loud: the silence of a break does not count."""
    blocks = np.abs(sound[: len(sound) // 80 * 80].astype(int)).reshape(-1, 80)
    return int((blocks.max(axis=1) > 300).sum()) * 80


def audio_of(server):
    return np.frombuffer(server.audio, "<i2")


# --- losses -----------------------------------------------------------------------------------------------------------


@one_at_a_time
async def test_an_utterance_goes_on_when_the_sound_server_comes_back(card, any_library):
    first, second = trimmed(spoken(FIRST)), trimmed(spoken(SECOND))
    async with conversation(card, any_library) as (engine, server):
        engine.send("press")
        await engine.until("talk_started")
        await talk(engine, card, first)
        await arrived(server)
        card.stop()
        await notice(engine, "microphone_lost")
        await notice(engine, "speaker_lost")
        assert not engine.events("state")[-1]["microphone"]["open"]
        card.start()
        await notice(engine, "microphone_back")
        await notice(engine, "speaker_back")
        await talk(engine, card, second)
        engine.send("release")
        ended = await engine.until("talk_ended")
        await server.until(lambda: len(server.audio) >= ended["seconds"] * 32_000)
        sent = audio_of(server)
        assert correlation(first, sent)[0] >= 0.99
        assert correlation(second, sent)[0] >= 0.99
        state = engine.events("state")[-1]
        assert state["microphone"]["open"]
        assert state["speaker"]


@one_at_a_time
async def test_a_reply_goes_on_where_it_was_when_the_sound_server_comes_back(card, library):
    said = np.concatenate([trimmed(spoken(text)) for text in (FIRST, SECOND, "Stop at once.", SECOND)])
    async with conversation(card, library) as (engine, server):
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
async def test_a_reply_whose_speaker_stays_away_ends_and_can_be_played_again(card, any_library):
    said = trimmed(spoken(FIRST))
    async with conversation(card, any_library) as (engine, server):
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


async def test_devices_that_stand_still_are_lost_and_found(card, library):
    """As when a computer sleeps: nothing is closed and no library says a word."""
    async with conversation(card, library) as (engine, _):
        await engine.until("state", lambda line: line["microphone"]["open"] and not line["microphone"].get("opening"))
        card.suspend(on=True)
        await notice(engine, "microphone_lost")
        await notice(engine, "speaker_lost")
        card.suspend(on=False)
        await notice(engine, "microphone_back")
        await notice(engine, "speaker_back")


async def test_a_sound_server_that_never_answers_does_not_keep_the_program_from_leaving(card, library):
    async with conversation(card, library) as (engine, server):
        with card.standing_still():
            await notice(engine, "microphone_lost")
            engine.send("press")
            await engine.until("talk_started")
            engine.send("quit")
            assert await engine.ended() == 0
        assert server.messages(protocol.EndSession)


# --- named devices ----------------------------------------------------------------------------------------------------


@one_at_a_time
async def test_a_headset_that_is_unplugged_gives_way_to_the_default_device_and_returns(card, naming_library):
    first, second, third = (trimmed(spoken(text)) for text in (FIRST, SECOND, "Stop at once."))
    card.plug("Headset", 44_100)
    options = ("--input", "HeadsetMic", "--output", "headset")
    async with conversation(card, naming_library, *options) as (engine, server):
        await engine.until("state", lambda line: line["microphone"]["open"])
        await uses(engine, card, "playing on Headset", "recording from Headset-mic")
        engine.send("press")
        await engine.until("talk_started")
        await talk(engine, card, first, "Headset-in")
        await arrived(server)
        card.unplug("Headset")
        for kind in ("microphone", "speaker"):
            await notice(engine, f"{kind}_lost")
            assert "until Headset" in (await notice(engine, f"{kind}_changed"))["message"]
        await uses(engine, card, "playing on spk", "recording from vmic")
        await talk(engine, card, second)
        await arrived(server)
        card.plug("Headset", 48_000)
        for kind in ("microphone", "speaker"):
            assert "Headset" in (await notice(engine, f"{kind}_back"))["message"]
        await uses(engine, card, "playing on Headset", "recording from Headset-mic")
        await talk(engine, card, third, "Headset-in")
        engine.send("release")
        ended = await engine.until("talk_ended")
        await server.until(lambda: len(server.audio) >= ended["seconds"] * 32_000)
        sent = audio_of(server)
        places = []
        for said in (first, second, third):
            likeness, place = correlation(said, sent)
            assert likeness >= 0.98
            places.append(place)
        assert places == sorted(places)


@one_at_a_time
async def test_the_devices_change_by_command_while_one_talks_and_while_a_reply_plays(card, naming_library):
    first, second = trimmed(spoken(FIRST)), trimmed(spoken("Stop at once."))
    answer = trimmed(spoken(SECOND))
    card.plug("Headset", 44_100)
    async with conversation(card, naming_library) as (engine, server):
        engine.send("press")
        await engine.until("talk_started")
        await talk(engine, card, first)
        await arrived(server)
        engine.send('{"id": 1, "command": "microphone", "argument": "HeadsetMic"}')
        assert (await engine.until("ack"))["ok"]
        assert engine.events("state")[-1]["microphone"]["name"] == "HeadsetMic"
        await talk(engine, card, second, "Headset-in")
        engine.send("release")
        ended = await engine.until("talk_ended")
        await server.until(lambda: len(server.audio) >= ended["seconds"] * 32_000)
        assert correlation(first, audio_of(server))[0] >= 0.99
        assert correlation(second, audio_of(server))[0] >= 0.99

        with card.recording(48_000) as recorded, card.recording(44_100, sink="Headset") as recorded_after:
            sending = asyncio.create_task(reply(server, answer))
            await heard_by(engine, 1.0)
            engine.send('{"id": 2, "command": "speaker", "argument": "Headset"}')
            assert (await engine.until("ack", count=2))["ok"]
            assert (await engine.until("turn_ended"))["outcome"] == "answered"
            await sending
        engine.send('{"id": 3, "command": "speaker", "argument": "Banjo"}')
        refused = await engine.until("ack", count=3)
        assert (refused["ok"], engine.events("state")[-1]["speaker"]) == (False, "Headset")
    before, after = as_heard(recorded[0], 48_000), as_heard(recorded_after[0], 44_100)
    assert heard_in_pieces(answer, before, slice(12_000)) >= 0.8
    assert heard_in_pieces(answer, after, slice(-16_000, None)) >= 0.8
    # What was on its way to the first speaker may be heard again from the second, and nothing is left out.
    assert heard_in_pieces(answer, np.concatenate((before, after))) >= 0.8
    both = loud_samples(before) + loud_samples(after)
    assert loud_samples(answer) - 800 <= both <= loud_samples(answer) + 4_800


@one_at_a_time
async def test_a_new_default_device_is_followed_and_told(card, library):
    said = trimmed(spoken(FIRST))
    async with conversation(card, library) as (engine, server):
        await engine.until("state", lambda line: line["microphone"]["open"])
        card.plug("Headset", 44_100)
        card.make_default("Headset")
        for kind, name in (("microphone", "HeadsetMic"), ("speaker", "Headset")):
            assert name in (await notice(engine, f"{kind}_changed"))["message"]
        await uses(engine, card, "playing on Headset", "recording from Headset-mic")
        engine.send("press")
        await engine.until("talk_started")
        await talk(engine, card, said, "Headset-in")
        engine.send("release")
        ended = await engine.until("talk_ended")
        await server.until(lambda: len(server.audio) >= ended["seconds"] * 32_000)
        assert correlation(said, audio_of(server))[0] >= 0.98


# --- a microphone that is open only while one talks -------------------------------------------------------------------

PER_TURN = 'microphone = "per_turn"\nclosing_silence = false\n'


def recording(card, engine):
    return [stream for stream in card.streams(engine.process.pid) if stream.startswith("recording")]


async def closed(engine, card, count):
    """Wait until the microphone is closed, by the engine's word and by the sound server's."""
    await engine.until("talk_ended", count=count)
    async with asyncio.timeout(20):
        while engine.events("state")[-1]["microphone"]["open"] or recording(card, engine):
            await asyncio.sleep(0.05)  # the sound server tells nobody


@one_at_a_time
async def test_a_microphone_per_turn_is_open_only_while_one_talks(card, library):
    said = trimmed(spoken(FIRST))
    async with conversation(card, library, settings=PER_TURN) as (engine, server):
        before = engine.events("state")[-1]["microphone"]
        assert (bool(before["name"]), before["open"]) == (True, False)
        for turn in (1, 2):
            assert not recording(card, engine)
            engine.send("press")
            await engine.until("state", lambda line, turn=turn: line["turn"] == turn and line["phase"] == "listening"
                               and line["microphone"]["open"] and not line["microphone"].get("opening"))  # fmt: skip
            assert len(recording(card, engine)) == 1
            await talk(engine, card, said)
            engine.send("release")
            await closed(engine, card, turn)
        assert any(line["microphone"].get("opening") for line in engine.events("state"))
        both = sum(line["seconds"] for line in engine.events("talk_ended"))
        await server.until(lambda: len(server.audio) >= both * 32_000 - 1_000)
    sent, middle = audio_of(server), round(engine.events("talk_ended")[0]["seconds"] * 16_000)
    assert correlation(said, sent[:middle])[0] >= 0.99
    assert correlation(said, sent[middle:])[0] >= 0.99


@pytest.mark.parametrize(("end", "outcome"), [("release", "nothing_heard"), ("discard", None)])
async def test_what_ends_before_the_microphone_is_open_is_told_and_leaves_it_closed(card, library, end, outcome):
    async with conversation(card, library, settings=PER_TURN) as (engine, _):
        with card.standing_still():  # as a Bluetooth headset, it takes its time
            engine.send("press")
            await engine.until("state", lambda line: line["microphone"].get("opening"))
            engine.send(end)
            assert (await engine.until("turn_ended"))["outcome"] == "discarded"
            if outcome is not None:
                assert "not opened yet" in (await notice(engine, outcome))["message"]
        await closed(engine, card, 1)
        engine.send("press")
        await engine.until("state", lambda line: line["turn"] == 2 and line["microphone"]["open"])
        engine.send("discard")
        await closed(engine, card, 2)


@one_at_a_time
async def test_a_microphone_per_turn_that_cannot_be_opened_is_told_and_tried_again(card, library):
    said = trimmed(spoken(FIRST))
    async with conversation(card, library, settings=PER_TURN) as (engine, server):
        card.stop()
        engine.send("press")
        await notice(engine, "microphone_lost")
        card.start()
        await notice(engine, "microphone_back")
        await talk(engine, card, said)
        engine.send("release")
        ended = await engine.until("talk_ended")
        await server.until(lambda: len(server.audio) >= ended["seconds"] * 32_000 - 1_000)
        assert correlation(said, audio_of(server))[0] >= 0.99


# --- what a microphone delivers ---------------------------------------------------------------------------------------


async def test_a_silent_microphone_is_told_once_a_turn(card):
    async with conversation(card, library_environment("both"), settings="max_talk_s = 5\n") as (engine, _):
        for turn in (1, 2):
            engine.send("press")
            assert "mute switch" in (await notice(engine, "microphone_silent", turn))["remedy"]
            await notice(engine, "too_long", turn)  # it has been silent for another two seconds and more
        assert len([line for line in engine.events("notice") if line["code"] == "microphone_silent"]) == 2


async def test_a_quiet_room_is_no_silent_microphone(card):
    noise = np.random.default_rng(1).normal(0, 8, 6 * 16_000).astype(np.int16)
    async with conversation(card, library_environment("both"), settings="max_talk_s = 5\n") as (engine, _):
        speaking = asyncio.create_task(talk(engine, card, noise))
        await asyncio.sleep(0.5)
        engine.send("press")
        await notice(engine, "too_long")
        assert not [line for line in engine.events("notice") if line["code"] == "microphone_silent"]
        await speaking


@pytest.mark.parametrize(
    ("library", "room", "settings", "severity", "told"),
    [
        ("portaudio", "hum", "", "info", "dBFS: a vad_threshold of"),
        ("miniaudio", "hum", "", "info", "dBFS: a vad_threshold of"),
        ("miniaudio", "hum", PER_TURN, "info", "dBFS: a vad_threshold of"),
        ("portaudio", "voice", "", "warning", "spoke"),
        ("portaudio", "nothing", "", "warning", "silent"),
    ],
    indirect=["library"],
)
async def test_a_room_is_measured_by_its_sound(card, library, room, settings, severity, told):
    hum = np.random.default_rng(1).normal(0, 500, 6 * 16_000).astype(np.int16)
    voice = np.concatenate([np.concatenate((np.zeros(11_200, np.int16), trimmed(spoken("Yes.")))) for _ in range(6)])
    sound = {"hum": hum, "voice": voice, "nothing": np.zeros(0, np.int16)}[room]
    async with conversation(card, library, settings=settings) as (engine, _):
        with card.listening() as until_loud:
            speaking = asyncio.create_task(talk(engine, card, sound)) if len(sound) else None
            if speaking is not None:
                await asyncio.to_thread(until_loud)
        engine.send("calibrate")
        measured = await notice(engine, "calibrated")
        assert measured["severity"] == severity, measured
        assert told in measured["message"], measured
        if room == "hum":
            assert 1_300 <= int(measured["remedy"].split()[1]) <= 1_600
        if speaking is not None:
            await speaking


async def test_a_microphone_that_vanishes_is_not_replaced_by_what_the_speaker_plays(card, any_library):
    async with conversation(card, any_library) as (engine, _):
        await uses(engine, card, "playing on spk", "recording from vmic")
        card.unplug_microphone()
        await notice(engine, "microphone_lost")
        await uses(engine, card, "playing on spk")
        card.plug_microphone()
        await notice(engine, "microphone_back")
        await uses(engine, card, "playing on spk", "recording from vmic")


@pytest.mark.parametrize(
    ("library", "rate_hz", "channels"),
    [
        ("portaudio", 8_000, 1), ("portaudio", 44_100, 2), ("portaudio", 96_000, 6),
        ("miniaudio", 11_025, 1), ("miniaudio", 22_050, 2), ("miniaudio", 96_000, 1),
    ]
    if IN_A_SOAK  # else one a library: what our own conversion does with each rate, test_resample.py shows
    else [("portaudio", 96_000, 6), ("miniaudio", 22_050, 2)],
    indirect=["library"],
)  # fmt: skip
@one_at_a_time
async def test_any_rate_and_any_channels_will_do(card, library, rate_hz, channels):
    said = trimmed(spoken(FIRST))
    card.plug("Odd", rate_hz, channels)
    card.make_default("Odd")
    async with conversation(card, library) as (engine, server):
        await engine.until("state", lambda line: line["microphone"]["open"])
        engine.send("press")
        await engine.until("talk_started")
        await talk(engine, card, said, "Odd-in")
        engine.send("release")
        ended = await engine.until("talk_ended")
        await server.until(lambda: len(server.audio) >= ended["seconds"] * 32_000)
        with card.recording(rate_hz, sink="Odd") as recorded:
            await reply(server, said)
            await engine.until("turn_ended")
        assert not engine.events("error")
    wanted = 0.98 if rate_hz >= 16_000 else 0.9  # what lies above half the rate is lost
    assert correlation(said, audio_of(server))[0] >= wanted
    assert heard_in_pieces(said, as_heard(recorded[0], rate_hz)) >= 0.8


async def test_the_list_of_devices_is_the_systems_at_this_moment(card, naming_library):
    async with conversation(card, naming_library) as (engine, _):
        card.plug("Headset")
        engine.send("devices")
        listed = await engine.until("devices")
        assert "HeadsetMic" in [device["name"] for device in listed["inputs"]]
        assert "Headset" in [device["name"] for device in listed["outputs"]]
        numbers = [device["number"] for device in (*listed["inputs"], *listed["outputs"])]
        assert len(set(numbers)) >= len(numbers) / 2  # one device may be both
