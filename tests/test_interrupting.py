"""Interrupting, on the virtual sound card: what is in a recording of the speaker after it, and what is not."""

from contextlib import asynccontextmanager

import numpy as np
import pytest

from selam_cli.core.protocol import AudioEnd, Control, ControlAck, ReplyChunk
from tests.support.lines import talk_json
from tests.support.sound_libraries import IN_A_SOAK, libraries, library_environment
from tests.support.speech import mended
from tests.support.voice_server import voice_server

pytestmark = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

RATE = 48_000
"""Of the recordings; the replies have 16 kHz."""

LOUD = 300


def sine(seconds, hertz=330.0, amplitude=30_000):
    t = np.arange(round(seconds * 16_000)) / 16_000
    return (amplitude * np.sin(2 * np.pi * hertz * t)).astype("<i2")


async def say(server, sound, *, complete=True):
    for start in range(0, len(sound), 1_600):
        await server.send(ReplyChunk(sound[start : start + 1_600].tobytes()))
    if complete:
        await server.send(AudioEnd(-(-len(sound) // 1_600)))


@asynccontextmanager
async def talking(library="both"):
    environment = library_environment(library)
    async with voice_server() as server, talk_json("--server", server.url, environment=environment) as engine:
        await engine.until("session_started")
        await engine.until("state", lambda line: line["speaker"] and line["microphone"]["open"])
        yield server, engine


async def sounds(engine, least_s):
    """Wait until so much of what is played from now on was heard."""
    since = engine.written[-1]["t"]
    await engine.until("playout", lambda line: line["t"] > since and line["heard_seconds"] > least_s)


def seconds_of_sound(recorded):
    """Return how long a recording is loud; what it is silent in between does not count."""
    size = RATE // 200
    blocks = np.abs(recorded[: len(recorded) // size * size].astype(int)).reshape(-1, size)
    return float((blocks.max(axis=1) > LOUD).sum()) * size / RATE


def sounding(recorded):
    """Return from where to where a recording is loud, in samples."""
    loud = np.flatnonzero(np.abs(recorded.astype(int)) > LOUD)
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, 0)


def click_dbfs(recorded, begin, end):
    """Return the peak of what lies above 3 kHz from 50 ms before a place to 50 ms after another, in dBFS."""
    taps = np.arange(-400, 401)
    low_pass = np.sinc(2 * 3_000 / RATE * taps) * np.blackman(len(taps))
    high = recorded / 32_768.0 - np.convolve(recorded / 32_768.0, low_pass / low_pass.sum(), "same")
    peak = np.abs(high[max(0, begin - RATE // 20) : end + RATE // 20]).max()
    return 20 * np.log10(peak + 1e-9)


def pitch_power(recorded, hertz):
    """Return how strong one pitch is in the strongest tenth of a second, in int16 units."""
    size = RATE // 10
    blocks = recorded[: len(recorded) // size * size].reshape(-1, size)
    wave = 2 * np.hanning(size) * np.exp(-2j * np.pi * hertz * np.arange(size) / RATE)
    return float(np.abs(blocks @ wave).max(initial=0.0)) * 2 / size


def test_the_ear_for_clicks_hears_one():
    t = np.arange(RATE) / RATE
    cut = 30_000 * np.sin(2 * np.pi * 330 * t) * (t < 0.4993)
    assert click_dbfs(cut, RATE // 2, RATE // 2) > -20


@pytest.mark.parametrize(
    ("library", "command"),
    [(library, command) for library in libraries("both") for command in ("interrupt", "press")]
    if IN_A_SOAK
    else [("portaudio", "interrupt"), ("miniaudio", "press")],
)
async def test_it_fades_without_a_click_and_what_was_heard_is_what_the_recording_holds(sound_card, library, command):
    async with talking(library) as (server, engine):
        for number in range(1, 4):
            with sound_card.recording(rate_hz=RATE) as recordings:
                await say(server, sine(3.0), complete=False)
                await sounds(engine, 0.3)
                engine.send(command)
                told = await engine.until("interrupted", count=number)
                await engine.until("control_ack", count=number)
                if command == "press":
                    engine.send("release")
                    await engine.until("turn_ended", lambda line: line["outcome"] == "failed", count=number)
            end = sounding(recordings[0])[1]
            click = click_dbfs(recordings[0], end, end)
            still_sounding_s = seconds_of_sound(recordings[0]) - told["heard_seconds"]
            # What the device had in store when the key went down still sounds: its delay, and the fade.
            if click < -40 and 0 <= still_sounding_s <= 0.1:
                break  # else again: a busy machine's device may run dry at that very moment, which clicks as well
        else:
            pytest.fail(f"{click:.0f} dBFS, {still_sounding_s:.3f} s")


@pytest.mark.parametrize("library", libraries("miniaudio"))
async def test_what_comes_late_of_the_old_reply_never_sounds(sound_card, library):
    async with talking(library) as (server, engine):
        server.acknowledges = False
        with sound_card.recording(rate_hz=RATE) as recordings:
            await say(server, sine(1.5), complete=False)
            await sounds(engine, 0.3)
            engine.send("interrupt")
            await server.until(lambda: server.messages(Control))
            await say(server, sine(0.5, 1_500.0), complete=False)
            await server.send(ControlAck("interrupt"))
            await say(server, sine(0.5, 800.0))
            await engine.until("turn_ended", count=2)
    heard = mended(recordings[0], RATE)  # a hole that the sound server tore has something of every pitch
    assert pitch_power(heard, 330.0) > 10_000
    assert pitch_power(heard, 800.0) > 10_000, "the next reply sounds"
    assert pitch_power(heard, 1_500.0) < 100


async def test_without_a_connection_the_agent_is_silenced_all_the_same(sound_card):
    async with talking() as (server, engine):
        with sound_card.recording(rate_hz=RATE) as recordings:
            await say(server, sine(6.0), complete=False)
            await sounds(engine, 0.3)
            server.starts = False
            await server.drop()
            await engine.until("reconnecting")
            engine.send("interrupt")
            told = await engine.until("interrupted")
    # A card without time loses some of the sound.
    assert -0.12 <= seconds_of_sound(recordings[0]) - told["heard_seconds"] <= 0.12
    assert told["heard_seconds"] < 4


@pytest.mark.parametrize("library", libraries("portaudio"))
async def test_a_reply_is_played_again_whole_and_gives_way_to_the_next_answer(sound_card, library):
    async with talking(library) as (server, engine):
        await say(server, sine(0.7))
        await engine.until("turn_ended")
        with sound_card.recording(rate_hz=RATE) as recordings:
            engine.send("replay")
            await sounds(engine, 0.699)
        assert seconds_of_sound(recordings[0]) == pytest.approx(0.7, abs=0.1)
        with sound_card.recording(rate_hz=RATE) as recordings:
            engine.send("replay")
            await sounds(engine, 0.1)
            await say(server, sine(0.4, 800.0))
            await engine.until("turn_ended", count=2)
    assert seconds_of_sound(recordings[0]) < 1.0
    assert pitch_power(recordings[0], 800.0) > 10_000
