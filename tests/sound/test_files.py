import asyncio
import struct
import sys
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest
import soundfile

from selam_cli.errors import DeviceError, UsageFault
from selam_cli.sound.files import read_speech, write_wav
from selam_cli.sound.microphone import open_microphone
from selam_cli.sound.speaker import open_speaker
from tests.support.speech import correlation


def sweep(rate_hz=16_000, seconds=0.5):
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * (200 + 800 * t) * t)).astype(np.int16)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_wav_becomes_16_khz_mono(tmp_path, rate_hz, subtype, channels):
    path = tmp_path / "spoken.wav"
    sound = np.repeat(sweep(rate_hz)[:, None] / 32_768, channels, axis=1)
    soundfile.write(path, sound, rate_hz, subtype=subtype)
    heard = read_speech(str(path))
    assert abs(len(heard) - 8_000) <= 1
    assert correlation(sweep()[100:-100], heard)[0] > 0.99


def test_16_khz_mono_is_read_bit_for_bit(tmp_path):
    path = tmp_path / "spoken.wav"
    write_wav(str(path), sweep(), 16_000)
    assert np.array_equal(read_speech(str(path)), sweep())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no file"),
        (b"", "no audio"),
        (b"hello, I am a text\n", "no audio"),
        (b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt ", "no audio"),
    ],
)
def test_what_is_no_audio_is_wrong_usage(tmp_path, content, said):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageFault, match=said):
        read_speech(str(path))


def test_a_wav_without_a_sample_holds_no_sound(tmp_path):
    path = tmp_path / "empty.wav"
    write_wav(str(path), np.zeros(0, np.int16), 16_000)
    with pytest.raises(UsageFault, match="holds no sound"):
        read_speech(str(path))


def test_what_is_no_number_in_a_float_file_is_no_sound(tmp_path):
    path = tmp_path / "spoken.wav"
    soundfile.write(path, np.array([0.5, np.nan, np.inf, -np.inf]), 16_000, subtype="FLOAT")
    assert read_speech(str(path)).tolist() == [16_384, 0, 32_767, -32_768]


async def test_a_file_speaks_from_its_beginning_each_time_it_is_told_to(tmp_path):
    path = tmp_path / "spoken.wav"
    write_wav(str(path), sweep(), 16_000)
    heard, silent_again = [], asyncio.Event()

    def on_block(samples, _):
        heard.append(samples)
        if not samples.any() and any(block.any() for block in heard):
            silent_again.set()

    microphone = open_microphone(str(path), on_block, lambda _: None, loop=asyncio.get_running_loop())
    for _ in range(2):
        heard.clear()
        silent_again.clear()
        microphone.speak()
        await asyncio.wait_for(silent_again.wait(), 20)
        said = np.concatenate([block for block in heard if block.any()])
        assert np.array_equal(said[: len(sweep())], sweep())
    microphone.close()


def sounding(samples):
    return np.trim_zeros(samples)


@asynccontextmanager
async def file_speaker(path, *pieces):
    """Play the pieces, 20 ms each; what is yielded is the open speaker, when all of them have been taken."""
    queue, taken = list(pieces), asyncio.Event()

    def pull(frames):
        if not queue:
            taken.set()
            return np.zeros(frames, np.int16)
        piece = queue.pop(0)
        assert len(piece) == frames
        return piece

    speaker = open_speaker(str(path), lambda _: pull, lambda _: None, loop=asyncio.get_running_loop())
    async with asyncio.timeout(20):
        await taken.wait()
    try:
        yield speaker
    finally:
        speaker.close()


def blocks(*sounds):
    sound = np.concatenate(sounds)
    return np.split(np.concatenate((sound, np.zeros(-len(sound) % 480, np.int16))), range(480, len(sound), 480))


def rest(seconds):
    return np.zeros(round(24_000 * seconds), np.int16)


async def test_a_file_speaker_keeps_a_reply_with_its_pauses_and_no_silence_around_it(tmp_path):
    path = tmp_path / "heard.wav"
    reply = np.concatenate((sounding(sweep(24_000, 0.2)), rest(0.35), sounding(sweep(24_000, 0.1))))
    async with file_speaker(path, *blocks(rest(0.111), reply, rest(1.2), reply)):
        pass
    kept, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 24_000
    assert np.array_equal(kept, np.concatenate((reply, reply)))


async def test_a_file_speakers_header_is_right_while_it_is_open(tmp_path):
    """So that a killed program leaves a file that every player reads."""
    path = tmp_path / "heard.wav"
    async with file_speaker(path, *blocks(sounding(sweep(24_000, 1.3)))):
        with wave.open(str(path)) as kept:
            assert (kept.getnchannels(), kept.getsampwidth(), kept.getframerate()) == (1, 2, 24_000)
            assert kept.getnframes() >= 24_000
            assert len(kept.readframes(1 << 30)) == 2 * kept.getnframes()


async def test_a_file_speaker_nobody_spoke_to_leaves_an_empty_wav(tmp_path):
    path = tmp_path / "heard.wav"
    async with file_speaker(path):
        pass
    assert len(soundfile.read(path)[0]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="limits on a file's size are a POSIX thing")
async def test_a_full_disk_ends_the_file_and_not_the_sound(tmp_path):
    path = tmp_path / "heard.wav"
    code = f"""
import asyncio, resource, signal
import numpy as np
from selam_cli.sound.speaker import open_speaker

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    pulls, enough = [], asyncio.Event()

    def pull(frames):
        pulls.append(frames)
        if len(pulls) == 120:
            enough.set()
        return np.full(frames, 1_000, np.int16)

    loop = asyncio.get_running_loop()
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    speaker = open_speaker({str(path)!r}, lambda _: pull, print, loop=loop)
    await enough.wait()
    speaker.close()
    assert not failures, failures

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors
    assert errors.decode().splitlines() == ["The sound is kept no further: [Errno 27] File too large"]
    kept, _ = soundfile.read(path, dtype="int16")
    assert 20_000 < len(kept) <= 30_000
    assert (kept == 1_000).all()


async def test_a_file_that_cannot_be_written_is_a_device_error(tmp_path):
    with pytest.raises(DeviceError, match="cannot be written"):
        open_speaker(
            str(tmp_path / "nowhere" / "x.wav"), lambda _: None, lambda _: None, loop=asyncio.get_running_loop()
        )


async def test_a_file_that_is_no_wav_is_never_written_over(tmp_path):
    path = tmp_path / "diary.txt"
    path.write_text("Dear diary")
    with pytest.raises(DeviceError):
        open_speaker(str(path), lambda _: pytest.fail, pytest.fail, loop=asyncio.get_running_loop())
    assert path.read_text() == "Dear diary"


async def test_the_null_speaker_takes_sound_in_real_time(tmp_path):
    taken = asyncio.Event()
    pulls = []

    def make_pull(rate_hz):
        def pull(frames):
            pulls.append(frames / rate_hz)
            if sum(pulls) >= 0.3:
                taken.set()
            return np.zeros(frames, np.int16)

        return pull

    speaker = open_speaker("null", make_pull, lambda _: None, loop=asyncio.get_running_loop())
    await asyncio.wait_for(taken.wait(), 20)
    speaker.close()
    assert set(pulls) == {0.02}
