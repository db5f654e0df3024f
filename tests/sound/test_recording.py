import itertools
import os
import socket
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.errors import UsageFault
from selam_cli.sound.recording import open_recording
from selam_cli.sound.wav_repair import length_of_samples
from tests.support.needs import need_right
from tests.support.wavs import LIST, PCM_EXTENSION, SOUND, UNKNOWN, rf64, wav


@pytest.fixture
def spoken(tmp_path):
    """Write a file and return what is spoken of it."""

    def speak(content, name="spoken.wav"):
        path = tmp_path / name
        path.write_bytes(content)
        recording = open_recording(str(path))
        heard = np.concatenate(list(recording.blocks(320)))
        if recording.seconds is not None:
            assert recording.seconds == pytest.approx(len(heard) / 16_000, abs=0.001)
        recording.close()
        return heard

    return speak


@pytest.mark.parametrize(
    "content",
    [
        wav(size=0),
        wav(size=0, riff_size=0),
        wav(size=0, riff_size=36, before=LIST),
        wav(size=0, tag=0xFFFE, extension=PCM_EXTENSION),
        wav(size=0, riff_size=0, after=b"\0"),
        wav(size=UNKNOWN, riff_size=UNKNOWN),
        wav(size=0x7FFF_F000, riff_size=0x7FFF_F024),
        wav(size=64_000),
        wav(size=3_200),
        wav(before=LIST),
        wav(before=b"JUNK" + struct.pack("<I", 40_000) + bytes(40_000)),
        wav(after=LIST),
        wav(align=0),
        wav(align=4),
        wav(tag=0xFFFE, extension=PCM_EXTENSION),
        rf64(),
        rf64(size=0),
        wav(magic=b"RF64", size=UNKNOWN, riff_size=UNKNOWN),
    ],
    ids=itertools.count(),
)
def test_a_wav_is_read_to_its_end_whatever_its_header_says(spoken, content):
    assert np.array_equal(spoken(content), SOUND)


def test_an_odd_length_costs_half_a_sample(spoken):
    assert np.array_equal(spoken(wav(size=2 * len(SOUND) - 1)), SOUND[:-1])


def test_the_telephones_format_is_read_to_its_end_too(spoken):
    assert len(spoken(wav(bytes(8_000), tag=7, bits=8, rate_hz=8_000, size=0, extension=b"\0\0"))) == 16_000


@given(st.integers(0, 1 << 33), st.integers(0, 1 << 33), st.binary(max_size=9))
def test_there_are_never_more_samples_than_bytes(declared, there, after):
    length = length_of_samples(declared, there, after)
    assert length in {declared, there}
    assert length <= there


@pytest.mark.parametrize("rate_hz", [1, 7, 3_999, 384_001, 2_000_000_000])
def test_a_rate_that_nothing_records_is_told(spoken, rate_hz):
    with pytest.raises(UsageFault, match=f"is said to have {rate_hz} samples a second; 4000 to 384000 can be read"):
        spoken(wav(rate_hz=rate_hz))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (wav(rate_hz=0), "is damaged"),
        (wav(rate_hz=3_000_000_000), "is damaged"),
        (wav(channels=0, align=2), "is damaged"),
        (wav()[:30], "is damaged"),
        (wav()[:44], "holds no sound"),
        (wav(b""), "holds no sound"),
        (wav(b"", after=LIST), "holds no sound"),
        (b"", "is empty"),
        (b"hello, I am a text\n", "but text"),
        (bytes(range(256)) * 40, "is no audio that can be read"),
    ],
    ids=itertools.count(),
)
def test_what_holds_no_sound_is_told(spoken, content, said):
    with pytest.raises(UsageFault, match=said) as caught:
        spoken(content)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("memo.m4a", b"\0\0\0\x20ftypM4A \0\0\0\0", "MP4"),
        ("memo.wav", b"\0\0\0\x20ftypmp42\0\0\0\0", "MP4"),
        ("memo.webm", b"\x1aE\xdf\xa3\x01\0\0\0", "WebM"),
        ("memo.amr", b"#!AMR\n<\x91\x17\x16", "AMR"),
        ("memo.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "WMA"),
        ("memo.aac", b"\xff\xf1\x50\x80\x01\x1f\xfc\0" * 3, "AAC"),
        ("memo.aac", bytes(range(200)), "no audio that can be read"),
    ],
)
def test_a_format_that_nothing_here_reads_gets_the_command_that_converts_it(spoken, name, content, told):
    with pytest.raises(UsageFault, match=told) as caught:
        spoken(content, f"my {name}")
    assert caught.value.remedy.startswith("Convert it first: ffmpeg -i '/")
    assert caught.value.remedy.endswith(f"my {name}' converted.wav")


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="there a file's name is always Unicode")
@pytest.mark.parametrize("content", [wav(), b""], ids=itertools.count())
def test_a_name_that_is_no_unicode_is_a_name_like_any_other(tmp_path, content):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/sp\xff\xe9ken.wav")
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)
    if content:
        assert open_recording(path).seconds == 1.0
    else:
        with pytest.raises(UsageFault, match="is empty"):
            open_recording(path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices have names on POSIX systems")
def test_what_is_no_file_is_told_and_never_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's name is short
        listening.bind("s.wav")
        for name, said in (("pipe.wav", "no file but a pipe"), ("s.wav", "no file but"), (".", "is a folder")):
            with pytest.raises(UsageFault, match=said):
                open_recording(str(tmp_path / name))
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(UsageFault, match="no file but a pipe or a device"):
            open_recording(device)


@pytest.mark.parametrize("name", ["none.wav", "none/none.wav", "file/none.wav", "a\0b.wav"])
def test_what_is_not_there_is_told(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UsageFault, match="There is no file"):
        open_recording(str(tmp_path / name))


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(UsageFault, match="cannot be opened"):
        open_recording(str(tmp_path / ("n" * 300)))


@pytest.mark.skipif(sys.platform == "win32", reason="modes are a POSIX thing")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes(wav())
    path.chmod(0)
    if os.geteuid():
        with pytest.raises(UsageFault, match="may not be read"):
            open_recording(str(path))
        return
    # The superuser may read everything: another user looks.
    tmp_path.chmod(0o755)
    code = f"""
import os
from selam_cli.errors import UsageFault
from selam_cli.sound.recording import open_recording
os.setuid(65534)
try:
    open({str(path)!r}).close()
except PermissionError as error:
    print("denied:", error)
try:
    open_recording({str(path)!r})
except UsageFault as fault:
    print(fault.reason)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    need_right("to become another user", "denied:" in ended.stdout)
    assert ended.stdout.splitlines()[-1].endswith("may not be read.")


@pytest.mark.parametrize(("suffix", "subtype"), [("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", None), ("aiff", None)])
def test_other_formats_are_read(spoken, tmp_path, suffix, subtype):
    path = tmp_path / f"made.{suffix}"
    soundfile.write(path, np.stack((SOUND, SOUND), axis=1), 16_000, subtype=subtype)
    whole = soundfile.read(path)[0].mean(axis=1) * 32_768
    assert len(whole) == pytest.approx(len(SOUND), abs=1_200)
    assert spoken(path.read_bytes(), f"spoken.{suffix}") == pytest.approx(whole, abs=1.0)


def test_a_flac_out_of_a_pipe_does_not_know_its_length_and_is_read_to_its_end(tmp_path):
    path = tmp_path / "streamed.flac"
    soundfile.write(path, np.tile(SOUND, 5), 16_000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # the number of samples
    path.write_bytes(content)
    recording = open_recording(str(path))
    assert recording.seconds is None
    assert np.array_equal(np.concatenate(list(recording.blocks(320))), np.tile(SOUND, 5))


def test_a_file_that_was_cut_off_is_spoken_as_far_as_it_goes(tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.tile(SOUND, 5), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    heard = np.concatenate(list(open_recording(str(path)).blocks(320)))
    assert 16_000 < len(heard) < 80_000
    assert np.array_equal(heard, np.tile(SOUND, 5)[: len(heard)])


def test_a_file_that_is_still_written_is_spoken_as_it_is_each_time(tmp_path):
    path = tmp_path / "growing.wav"
    path.write_bytes(wav(size=0))
    recording = open_recording(str(path))
    first = np.concatenate(list(recording.blocks(320)))
    with path.open("ab") as file:
        file.write(SOUND.tobytes())
    again = np.concatenate(list(recording.blocks(320)))
    assert (len(first), len(again)) == (len(SOUND), 2 * len(SOUND))


def test_what_is_held_of_a_recording_is_a_few_blocks_however_long_it_is(tmp_path):
    """Counted by the bytes that Python and numpy ask for: an hour of 48 kHz stereo was 3.5 GB."""

    def most_held(seconds):
        path = tmp_path / f"{seconds}.wav"
        second = np.zeros((48_000, 2), "<i2").tobytes()
        with path.open("wb") as file:
            file.write(wav(second, channels=2, rate_hz=48_000, size=0))
            for _ in range(seconds - 1):
                file.write(second)
        tracemalloc.start()
        recording = open_recording(str(path))
        samples = sum(len(block) for block in recording.blocks(320))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert samples == seconds * 16_000
        return peak

    assert most_held(40) < most_held(4) + 1_000_000 < 4_000_000
