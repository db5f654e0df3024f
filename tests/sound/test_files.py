import asyncio
import struct

import numpy as np
import pytest
import soundfile

from selam_cli.core.playout import PlayoutBuffer
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


async def test_a_file_speaker_keeps_what_sounds_and_no_silence(tmp_path):
    path = tmp_path / "heard.wav"
    buffers = []

    def make_pull(rate_hz):
        buffers.append(PlayoutBuffer(rate_hz))
        return buffers[0].pull

    speaker = open_speaker(str(path), make_pull, lambda _: None, loop=asyncio.get_running_loop())
    sound = sweep(speaker.rate_hz, 0.4)
    buffers[0].begin()
    buffers[0].write(sound)
    buffers[0].finish()
    async with asyncio.timeout(20):
        while not buffers[0].drained:
            await asyncio.sleep(0.01)
    speaker.close()
    kept, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == speaker.rate_hz
    assert len(kept) - len(sound) < speaker.rate_hz // 10
    assert np.array_equal(kept[: len(sound)], sound)


async def test_a_file_that_cannot_be_written_is_a_device_error(tmp_path):
    with pytest.raises(DeviceError, match="cannot be written"):
        open_speaker(
            str(tmp_path / "nowhere" / "x.wav"), lambda _: None, lambda _: None, loop=asyncio.get_running_loop()
        )


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
