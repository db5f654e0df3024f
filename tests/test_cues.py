"""The cues through the real program, on the virtual sound card: in the room, and not on the wire."""

from contextlib import asynccontextmanager

import numpy as np
import pytest

from selam_cli.sound.cues import HIGH_HZ, LOW_HZ
from tests.support.lines import talk_json
from tests.support.speech import mended
from tests.support.voice_server import voice_server

pytestmark = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

SILENT, LOW, HIGH = "silent", "low", "high"
RATE = 48_000
"""Of the recordings."""


@asynccontextmanager
async def talking(folder, *arguments, cues=True):
    config = folder / "config.toml"
    config.write_text(f"cues = {str(cues).lower()}\n")
    async with (
        voice_server() as server,
        talk_json("--server", server.url, *arguments, environment={"SELAM_CONFIG": str(config)}) as engine,
    ):
        await engine.until("session_started")
        await engine.until("state", lambda line: line["speaker"] and line["microphone"]["open"])
        yield server, engine


def strength(sound, hertz, rate_hz=RATE):
    """Return how strong a pitch is in each 13 ms, in int16 units."""
    size = rate_hz * 13 // 1_000
    blocks = sound[: len(sound) // size * size].reshape(-1, size)
    wave = 2 * np.hanning(size) * np.exp(-2j * np.pi * hertz * np.arange(size) / rate_hz)
    return np.abs(blocks @ wave) * 2 / size


def notes(recorded):
    recorded = mended(recorded, RATE)
    low, high = strength(recorded, LOW_HZ), strength(recorded, HIGH_HZ)
    told = [SILENT if max(a, b) < 300 else LOW if a > b else HIGH for a, b in zip(low, high, strict=True)]
    return [note for note, before in zip(told, [SILENT, *told], strict=False) if note not in (before, SILENT)]


def is_torn(heard):
    """Say whether a server without time tore what the microphone heard: cues alone have nothing above 4 kHz."""
    spectrum = np.fft.rfft(heard.astype(np.float64))
    spectrum[: 4_000 * len(heard) // RATE] = 0
    return np.abs(np.fft.irfft(spectrum, len(heard))).max() > 4  # untorn it is 1.6 to 1.8


async def talk_and_let_go(engine, end="release"):
    since = len(engine.written)
    engine.send("press")
    await engine.until("talk_started", since=since)
    engine.send(end)
    await engine.until("talk_ended", since=since)


async def notes_of(sound_card, engine, end):
    """Return the notes of talking that ends so, in one of five recordings: a card without time loses some of them."""
    for _ in range(5):
        with sound_card.recording(RATE) as recordings:
            await talk_and_let_go(engine, end)
        told = notes(recordings[0])
        if len(told) == 4:
            break
    return told


async def test_on_rises_off_falls_and_thrown_away_stays_low(sound_card, tmp_path):
    async with talking(tmp_path) as (_, engine):
        assert await notes_of(sound_card, engine, "release") == [LOW, HIGH, HIGH, LOW]
        assert await notes_of(sound_card, engine, "discard") == [LOW, HIGH, LOW, LOW]


async def test_there_are_cues_only_where_they_are_wanted(sound_card, tmp_path):
    async with talking(tmp_path, cues=False) as (_, engine):

        async def notes_after(*commands):
            for command in commands:
                engine.send(command)
            with sound_card.recording(RATE) as recordings:
                await talk_and_let_go(engine)
            return notes(recordings[0])

        assert await notes_after() == [], "by the settings there are none"
        engine.send("cues on")
        assert await notes_of(sound_card, engine, "release") == [LOW, HIGH, HIGH, LOW]
        assert await notes_after("cues off") == []
        assert await notes_after("cues on", "volume 0") == []
        engine.send("volume 100")
        engine.send("mute on")
        with sound_card.recording(RATE) as recordings:
            engine.send("press")
            await engine.until("notice", lambda line: line["code"] == "muted")
        assert notes(recordings[0]) == []
        assert await notes_after("mute off", "speaker null") == []


async def test_a_microphone_beside_a_loudspeaker_sends_none_of_them(sound_card, tmp_path):
    async with talking(tmp_path) as (server, engine):
        with sound_card.loudspeaker():
            for _ in range(5):
                before = len(server.audio)
                with sound_card.recording(RATE, sink="mic") as recordings:
                    for _ in range(2):
                        since, wanted = len(engine.written), len(server.audio) + 16_000
                        engine.send("press")
                        await engine.until("talk_started", since=since)
                        await server.until(lambda wanted=wanted: len(server.audio) >= wanted)
                        engine.send("release")
                        await engine.until("talk_ended", since=since)
                sent = np.frombuffer(server.audio[before:], "<i2")
                assert max(strength(recordings[0], LOW_HZ)) > 1_000, "they sounded"
                assert sent.any(), "the microphone heard the speaker"
                if not is_torn(recordings[0]):  # what is torn is no pitch any more, and no filter takes it out
                    break
            else:
                pytest.fail("not once did the sound server get the time it needs")
    assert max(*strength(sent, LOW_HZ, 16_000), *strength(sent, HIGH_HZ, 16_000)) < 60
