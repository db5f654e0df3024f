"""Speaking through an OpenAI-compatible server: whatever sound it sends, as it comes, and never its error messages."""

from __future__ import annotations

import asyncio
import io
from contextlib import aclosing

import numpy as np
import pytest
import soundfile

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.tts.openai import (
    OPENAI_VOICES,
    SELAM_VOICES,
    SpeechSynthesizer,
    fitting_voice,
)
from tests.support.openai_server import (
    came_and_fault,
    drops,
    hangs,
    in_turn,
    refuses,
    replies,
    streams,
    streams_and_drops,
    tone,
    wav_of,
)
from tests.support.speech import correlation

KEY = "sk-selam-test-4711"
SPEECH = "audio/speech"
TONE = tone(1.0)
WAV = wav_of(TONE)


@pytest.fixture
def synthesizer(rest, server):
    return SpeechSynthesizer(rest, server.endpoint(model=""))


async def spoken(synthesizer: SpeechSynthesizer, voice: str = "aria") -> tuple[np.ndarray, EngineFault | None]:
    pieces, fault = await came_and_fault(synthesizer.speak("Hello there.", "en", voice))
    return np.frombuffer(b"".join(pieces), "<i2"), fault


def encoded(file_format: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, TONE, 24_000, format=file_format, subtype=subtype)
    return file.getvalue()


# --- what is asked ----------------------------------------------------------------------------------------------------


async def test_the_server_is_asked_as_the_protocol_wants_it(server, synthesizer):
    server.answers[SPEECH] = replies(WAV, headers={"Content-Type": "audio/wav"})
    await spoken(synthesizer)
    request = server.received[0]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.json == {"model": "tts-1", "input": "Hello there.", "voice": "aria", "response_format": "wav"}


async def test_another_speed_is_said(rest, server):
    server.answers[SPEECH] = replies(WAV)
    await spoken(SpeechSynthesizer(rest, server.endpoint(), speed=1.25))
    assert server.received[0].json["speed"] == 1.25


@pytest.mark.parametrize(
    ("voices", "language", "voice", "fitting"),
    [
        (SELAM_VOICES, "am", "ameha", "ameha"),
        (SELAM_VOICES, "en", "ameha", "andrew"),
        (SELAM_VOICES, "en", "mekdes", "aria"),
        (SELAM_VOICES, "so", "muuse", "muuse"),
        (SELAM_VOICES, "ti", "mekdes", "sami"),
        (SELAM_VOICES, "en", "alloy", "aria"),
        (SELAM_VOICES, "am", "nobody", "mekdes"),
        (OPENAI_VOICES, "en", "nova", "nova"),
        (OPENAI_VOICES, "en", "aria", "alloy"),
        (OPENAI_VOICES, "am", "mekdes", None),
        ({"en": ("af_heart",)}, "en", "aria", "af_heart"),
        ({"en": ()}, "en", "aria", None),
    ],
)
def test_a_voice_that_fits(voices, language, voice, fitting):
    assert fitting_voice(voices, language, voice) == fitting


def test_the_service_has_nine_voices_for_five_languages(synthesizer):
    assert sum(map(len, SELAM_VOICES.values())) == 9
    assert synthesizer.languages == {"am", "so", "ti", "om", "en"}


async def test_a_language_without_a_voice_is_refused_by_name(rest, server):
    synthesizer = SpeechSynthesizer(rest, server.endpoint(), OPENAI_VOICES)
    assert synthesizer.languages == {"en"}
    with pytest.raises(EngineFault, match="no voice for Oromo"):
        await anext(synthesizer.speak("Akkam", "om", "ibsaa"))
    assert server.received == []


# --- what comes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (WAV, "audio/wav"),
        (WAV, "audio/mpeg"),
        (WAV, "application/octet-stream"),
        (encoded("FLAC"), "audio/flac"),
        (encoded("OGG", "VORBIS"), "audio/ogg"),
        (encoded("MP3"), "audio/mpeg"),
        (encoded("MP3"), "audio/wav"),
        (TONE.tobytes(), "audio/pcm"),
        (tone(1.0, 16_000).tobytes(), "audio/L16; rate=16000; channels=1"),
        (tone(1.0, 48_000).tobytes(), 'audio/x-pcm;rate="48000"'),
    ],
)
@pytest.mark.parametrize("split", [1_009, 1_000_000])
async def test_any_format_becomes_16_khz(server, synthesizer, body, content_type, split):
    pieces = [body[at : at + split] for at in range(0, len(body), split)]
    server.answers[SPEECH] = streams(*pieces, content_type=content_type)
    samples, fault = await spoken(synthesizer)
    assert fault is None
    assert abs(len(samples) - 16_000) < 1_200  # an MP3's padding
    likeness, _ = correlation(tone(0.8, 16_000), samples)
    assert likeness > 0.97


async def test_the_first_sound_comes_before_the_last_is_made(server, synthesizer):
    go_on = asyncio.Event()
    server.answers[SPEECH] = streams(WAV[: len(WAV) // 2], go_on, WAV[len(WAV) // 2 :], content_type="audio/wav")
    async with aclosing(synthesizer.speak("Hello.", "en", "aria")) as sound:
        first = await anext(sound)
        assert len(first) > 0
        go_on.set()
        rest = [piece async for piece in sound]
    assert len(first) + sum(map(len, rest)) == 2 * 16_000


@pytest.mark.parametrize("answer", [hangs, streams(WAV[:9_000], content_type="audio/wav", then_hangs=True)])
async def test_stopping_closes_the_connection(server, synthesizer, answer):
    server.answers[SPEECH] = answer
    speaking = asyncio.create_task(spoken(synthesizer))
    request = await server.request()
    speaking.cancel()
    await asyncio.wait({speaking})
    assert speaking.cancelled()
    await asyncio.wait_for(request.gone.wait(), 60)


async def test_closing_the_sound_closes_the_connection(server, synthesizer):
    server.answers[SPEECH] = streams(WAV[:9_000], content_type="audio/wav", then_hangs=True)
    sound = synthesizer.speak("Hello.", "en", "aria")
    await anext(sound)
    await sound.aclose()
    await asyncio.wait_for(server.received[0].gone.wait(), 60)


async def test_a_format_that_a_server_lacks_is_asked_for_once(server, synthesizer):
    no_wav = refuses(400, "response_format must be one of mp3, opus")
    server.answers[SPEECH] = in_turn(no_wav, replies(encoded("MP3")), replies(encoded("MP3")))
    assert (await spoken(synthesizer))[1] is None
    assert (await spoken(synthesizer))[1] is None
    assert [request.json["response_format"] for request in server.received] == ["wav", "mp3", "mp3"]


async def test_a_server_with_raw_sound_alone(server, synthesizer):
    no = refuses(422, "unknown format")
    server.answers[SPEECH] = in_turn(
        no, no, replies(TONE.tobytes(), headers={"Content-Type": "application/octet-stream"})
    )
    samples, fault = await spoken(synthesizer)
    assert (len(samples), fault) == (16_000, None)


async def test_a_server_with_none_of_the_formats(server, synthesizer):
    server.answers[SPEECH] = refuses(400, "unknown format")
    _, fault = await spoken(synthesizer)
    assert fault.type == "validation_error"
    assert len(server.received) == 3


# --- what fails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error_type", "words"),
    [
        (refuses(400, "no such voice"), "validation_error", "no such voice"),
        (refuses(401), "authentication_error", "does not accept the API key"),
        (refuses(403), "authorization_error", "refuses this account"),
        (refuses(404), "validation_error", "/audio/speech"),
        (refuses(429, "x", {"Retry-After": "9"}), "audio_error", "in 9 s"),
        (refuses(500), "audio_error", "failed"),
        (replies({"error": "x"}), "audio_error", "none of the OpenAI protocol's"),
        (replies("<html></html>" * 500, headers={"Content-Type": "text/html"}), "audio_error", "OpenAI protocol's"),
        (streams(b"", content_type="audio/wav"), "audio_error", "no sound"),
        (streams(b"RI", content_type="audio/wav"), "audio_error", "no sound"),
        (streams(b"RIFF" + b"x" * 9_000, content_type="audio/wav"), "audio_error", "cannot be played"),
        (streams(WAV[:44], content_type="audio/wav"), "audio_error", "no sound"),
        (streams(b"<html>" * 900, content_type="audio/wav"), "audio_error", "no sound"),
        (streams(b'{"error": 5}', content_type="audio/wav"), "audio_error", "no sound"),
        (streams(b'{"error": 5}' * 900, content_type="audio/pcm"), "audio_error", "no sound"),
        (streams(b"\xff\xf1\x50\x80" * 3_000, content_type="audio/aac"), "audio_error", "AAC"),
        (streams(b"\xff\xf1\x50\x80" * 30, content_type="audio/aac"), "audio_error", "AAC"),
        (streams(b"\0\0\0\x20ftypM4A " * 900, content_type="audio/mp4"), "audio_error", "MP4"),
        (streams(b"OggS" + b"x" * 9_000, content_type="audio/ogg"), "audio_error", "cannot be played"),
        (streams(b"x" * 5_000, content_type="audio/pcm;rate=999999"), "audio_error", "cannot be played"),
        (drops, "audio_error", "closed the connection"),
    ],
)
async def test_a_failure_is_told_and_never_played(server, synthesizer, answer, error_type, words):
    server.answers[SPEECH] = answer
    samples, fault = await spoken(synthesizer)
    assert (len(samples), fault.type) == (0, error_type)
    assert words in fault.message
    assert KEY not in fault.message


async def test_what_was_spoken_before_a_break_stands(server, synthesizer):
    server.answers[SPEECH] = streams_and_drops(WAV[:30_000], content_type="audio/wav")
    samples, fault = await spoken(synthesizer)
    assert len(samples) > 9_000
    assert fault.type == "audio_error"
    assert "broke off" in fault.message


async def test_a_server_that_hangs_in_the_middle_is_left(server):
    rest = RestClient(TimeOuts(between_s=1.0))
    server.answers[SPEECH] = streams(WAV[:30_000], content_type="audio/wav", then_hangs=True)
    samples, fault = await spoken(SpeechSynthesizer(rest, server.endpoint()))
    assert len(samples) > 9_000
    assert "did not answer in time" in fault.message
    await asyncio.wait_for(server.received[0].gone.wait(), 60)
    await rest.close()
