"""What comes through a pipe is told by its first bytes, however small the pieces in which they come."""

import asyncio
import contextlib
import io
import itertools
import os
import threading

import numpy as np
import pytest
import soundfile

from selam_cli.commands.question import Piped, check_length
from selam_cli.errors import SelamError, UsageFault
from tests.support.wavs import LIST, ONE_SECOND, SOUND, UNKNOWN, rf64, wav


async def spoken(content, *, pieces=1, stalled_after_s=20.0, ends=True):
    """Return what is spoken of a pipe that brings this, the first bytes of it in so many pieces, one a read."""
    reading, writing = os.pipe()
    question = Piped(lambda: reading, "Standard input", stalled_after_s)

    def write():
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as pipe:
            for at in range(pieces - 1):
                pipe.write(content[at : at + 1])
            pipe.write(content[pieces - 1 :])
            if not ends:
                ended.wait()

    ended = threading.Event()
    thread = threading.Thread(target=write)
    thread.start()
    try:
        await question.prepare()
        blocks = [block async for block in question.blocks()]
        assert all(len(block) == 320 for block in blocks[:-1])
        return np.concatenate(blocks)
    finally:
        ended.set()
        question.close()
        await asyncio.to_thread(thread.join)
        os.close(reading)


def file_of(kind, rate_hz=48_000, channels=2, subtype=None):
    t = np.arange(rate_hz) / rate_hz
    file = io.BytesIO()
    sound = np.repeat(0.25 * np.sin(2 * np.pi * 440 * t)[:, None], channels, axis=1)
    soundfile.write(file, sound, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "RF64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64"])
@pytest.mark.parametrize("pieces", [1, 60])
async def test_sound_of_any_kind_is_spoken_as_what_it_is(kind, pieces):
    heard = await spoken(file_of(kind), pieces=pieces)
    assert len(heard) == pytest.approx(16_000, abs=1_200)
    loudest = np.abs(np.fft.rfft(heard[2_000:12_000].astype(float)))
    assert np.argmax(loudest) * 16_000 / 10_000 == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    "content",
    [
        ONE_SECOND,
        wav(),
        wav(size=0),
        wav(size=UNKNOWN),
        wav(before=LIST),
        wav(before=LIST * 1_000),
        rf64(),
        rf64(size=0),
    ],
)
@pytest.mark.parametrize("pieces", [1, 50])
async def test_16_khz_mono_comes_through_bit_for_bit(content, pieces):
    assert np.array_equal(await spoken(content, pieces=pieces), SOUND)


async def test_several_wavs_in_a_row_are_spoken_one_after_the_other():
    heard = await spoken(wav() + file_of("WAV") + wav())
    assert len(heard) == pytest.approx(48_000, abs=40)


async def test_the_telephones_wav_is_spoken_too():
    assert len(await spoken(file_of("WAV", 8_000, 1, "ULAW"))) == 16_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no sound"),
        (b"\x01", "holds no sound"),
        (wav(b""), "holds no sound"),
        (wav(rate_hz=2_000_000_000), "is said to have 2000000000 samples a second"),
        (wav(channels=0, align=2), "is damaged"),
        (wav()[:30], "is damaged"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", r"brings MP4 \(m4a\)"),
        (b"\x1aE\xdf\xa3" + bytes(100), "brings WebM"),
        (b"This is no sound but a text.\n", "brings text"),
    ],
    ids=itertools.count(),
)
async def test_what_cannot_be_spoken_is_told(content, said):
    with pytest.raises(UsageFault, match=said) as caught:
        await spoken(content)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"RIFF", wav()[:40], ONE_SECOND, file_of("FLAC")], ids=itertools.count())
async def test_a_pipe_that_stalls_is_told_wherever_it_does(content):
    with pytest.raises(SelamError, match=r"Standard input has brought nothing for 0\.2 seconds"):
        await spoken(content, stalled_after_s=0.2, ends=False)


async def test_a_pipe_that_cannot_be_opened_is_told(tmp_path):
    question = Piped(lambda: os.open(tmp_path / "none", os.O_RDONLY), "The pipe x", 20)
    with pytest.raises(UsageFault):
        await question.prepare()


class OfLength:
    name = "The file x.wav"

    def __init__(self, seconds):
        self.seconds = seconds


@pytest.mark.parametrize("seconds", [None, 0.1, 119.99, 120.0])
def test_what_is_short_enough_or_unknown_is_spoken(seconds):
    check_length(OfLength(seconds), 120)


def test_what_is_known_to_be_too_long_is_told_with_both_lengths():
    with pytest.raises(UsageFault, match=r"lasts 120\.1 s, and 120 s are the most"):
        check_length(OfLength(120.06), 120)
