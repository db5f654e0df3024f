import io
import itertools
import pickle
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.errors import AudioError
from selam_cli.sound import mp3
from selam_cli.sound.decode import ReplyDecoder, sniff
from tests.support.speech import correlation

RATE = 24_000


def voice(seconds=1.0, rate_hz=RATE):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * t)
    return (9_000 * swell * np.sin(2 * np.pi * 180 * t + 3 * np.sin(2 * np.pi * 5 * t))).astype(np.int16)


def file_of(samples, rate_hz=RATE, container="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def decoded(chunks, **declared):
    decoder = ReplyDecoder()
    pieces = [piece for chunk in chunks for piece in decoder.feed(chunk, **declared)] + decoder.finish()
    rates = {piece.rate_hz for piece in pieces}
    assert len(rates) <= 1
    samples = [piece.samples for piece in pieces]
    return (np.concatenate(samples) if samples else np.zeros(0, np.int16)), (rates.pop() if rates else 0)


def split(stream, cuts):
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


CUTS = st.lists(st.integers(0, 1_000_000), max_size=25)
MP3 = file_of(voice(), container="MP3")
MP3_STEREO = file_of(np.stack([voice(), voice() // 2], axis=1), 44_100, container="MP3")
WAVS = {
    **{subtype: file_of(voice(0.2), subtype=subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32")},
    **{subtype: file_of(voice(0.2) / 32_768, subtype=subtype) for subtype in ("FLOAT", "DOUBLE")},
}


@given(CUTS)
@settings(max_examples=60)
def test_any_split_of_pcm_decodes_to_the_samples_of_the_whole(cuts):
    samples, rate_hz = decoded(split(voice(0.1).tobytes(), cuts))
    assert np.array_equal(samples, voice(0.1))
    assert rate_hz == 16_000


def without_tag(stream):
    """An MP3 without its encoder's Info frame."""
    info = mp3.frame_header(stream)
    assert stream[info.info_offset :][:4] in {b"Info", b"Xing"}
    return stream[info.size_bytes :]


MP3S = {
    "MPEG 2": MP3,
    "MPEG 1 in stereo": MP3_STEREO,
    "MPEG 1 at 48 kHz": file_of(voice(0.7, 48_000), 48_000, container="MP3"),
    "MPEG 2.5": file_of(voice(0.7, 12_000), 12_000, container="MP3"),
    "without a tag": without_tag(MP3),
}


@pytest.mark.parametrize("stream", MP3S.values(), ids=MP3S)
@given(cuts=CUTS)
@settings(max_examples=40, deadline=None)
def test_any_split_of_an_mp3_decodes_to_the_samples_of_the_whole(stream, cuts):
    whole, own_hz = decoded([stream])
    samples, rate_hz = decoded(split(stream, cuts))
    assert rate_hz == own_hz
    assert np.array_equal(samples, whole)


def test_an_mp3_decodes_to_what_the_library_makes_of_the_whole_file():
    for name in set(MP3S) - {"without a tag"}:
        stream = MP3S[name]
        reference, rate_hz = soundfile.read(io.BytesIO(stream), dtype="int16", always_2d=True)
        samples, own_rate_hz = decoded(split(stream, range(0, len(stream), 317)))
        assert own_rate_hz == rate_hz
        assert len(samples) == len(reference)
        assert np.abs(samples.astype(int) - reference.mean(axis=1)).max() <= 1.5


def test_an_mp3_for_each_chunk_loses_and_adds_nothing():
    parts = [voice()[start : start + 4_800] for start in range(0, RATE, 4_800)]
    samples, _ = decoded([file_of(part, container="MP3") for part in parts])
    assert len(samples) == RATE
    assert correlation(voice(), samples) == (pytest.approx(1, abs=0.001), 0)


def gaps_in(chunks):
    decoder = ReplyDecoder()
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder.has_gaps


def own_mp3s(sound, rate_hz, keep_tag=False):
    parts = [sound[start : start + rate_hz // 5] for start in range(0, len(sound), rate_hz // 5)]
    files = [file_of(part, rate_hz, container="MP3") for part in parts]
    return files if keep_tag else [without_tag(file) for file in files]


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000])
def test_an_mp3_for_each_chunk_without_its_tag_is_told_and_nothing_like_it_is(rate_hz):
    sound = voice(3.0, rate_hz)
    pause = np.zeros(rate_hz, np.int16)
    assert gaps_in(own_mp3s(sound, rate_hz))
    assert gaps_in([b"ID3\4\0\0\0\0\0\0" + chunk for chunk in own_mp3s(sound, rate_hz)])
    assert not gaps_in(own_mp3s(sound, rate_hz, keep_tag=True))
    assert not gaps_in(own_mp3s(sound, rate_hz)[:2])
    for begins in (sound, np.concatenate((pause, sound, pause, sound))):
        whole = without_tag(file_of(begins, rate_hz, container="MP3"))
        ends = list(itertools.accumulate(frame_sizes(whole)))
        assert not gaps_in(split(whole, ends[4::5]))
        assert not gaps_in(split(whole, ends))
        assert not gaps_in(split(whole, range(0, len(whole), 700)))


def frame_sizes(stream):
    at = 0
    while header := mp3.frame_header(stream, at):
        yield header.size_bytes
        at += header.size_bytes


def test_without_miniaudio_mp3_is_decoded_all_the_same(monkeypatch):
    with_it, _ = decoded([MP3])
    monkeypatch.setattr(mp3, "miniaudio", None)
    monkeypatch.setattr(mp3, "FIRST_FRAMES", 2)
    without, _ = decoded(split(MP3, range(0, len(MP3), 700)))
    assert len(without) == len(with_it)
    assert np.abs(without.astype(int) - with_it).max() <= 1


@pytest.mark.parametrize("subtype", WAVS)
@given(cuts=CUTS)
@settings(max_examples=25)
def test_any_split_of_a_wav_decodes_to_the_samples_of_the_whole(subtype, cuts):
    samples, rate_hz = decoded(split(WAVS[subtype], cuts))
    assert rate_hz == RATE
    tolerance = 300 if subtype == "PCM_U8" else 1
    assert len(samples) == len(voice(0.2))
    assert np.abs(samples.astype(int) - voice(0.2)).max() <= tolerance


def test_what_is_no_number_in_a_float_wav_is_no_sound():
    strange = np.array([0.5, np.nan, np.inf, -np.inf, 1e30], np.float32)
    samples, _ = decoded([file_of(strange, subtype="FLOAT")])
    assert samples.tolist() == [16_384, 0, 32_767, -32_768, 32_767]


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 10_000_000])
def test_a_wav_whose_length_was_not_known_plays_to_its_end(length):
    stream = bytearray(file_of(voice(0.2)))
    at = stream.index(b"data") + 4
    stream[at : at + 4] = struct.pack("<I", length)
    assert np.array_equal(decoded(split(bytes(stream), range(0, len(stream), 999)))[0], voice(0.2))


@pytest.mark.parametrize("length", [None, 0xFFFFFFFF])
def test_a_wav_for_each_chunk_is_one_reply(length):
    parts = [bytearray(file_of(voice()[start : start + 2_400])) for start in range(0, RATE, 2_400)]
    if length is not None:
        for part in parts:
            at = part.index(b"data") + 4
            part[at : at + 4] = struct.pack("<I", length)
    assert np.array_equal(decoded([bytes(part) for part in parts])[0], voice())


def test_a_stereo_wav_is_mixed_down():
    left, right = voice(0.1), -voice(0.1) // 2
    samples, _ = decoded([file_of(np.stack([left, right], axis=1))])
    assert np.abs(samples - (left.astype(int) + right) / 2).max() <= 1


WHOLE = {"FLAC": ("FLAC", None, 0), "Vorbis": ("OGG", "VORBIS", 2_000), "Opus": ("OGG", "OPUS", 3_000)}


@pytest.mark.parametrize(("container", "subtype", "tolerance"), WHOLE.values(), ids=WHOLE)
@given(cuts=CUTS)
@settings(max_examples=15, deadline=None)
def test_any_split_of_flac_and_ogg_decodes_when_the_reply_is_complete(container, subtype, tolerance, cuts):
    stream = file_of(voice(0.3), container=container, subtype=subtype)
    reference, own_hz = soundfile.read(io.BytesIO(stream), dtype="int16")
    samples, rate_hz = decoded(split(stream, cuts))
    assert rate_hz == own_hz
    assert np.array_equal(samples, reference)
    assert len(samples) == round(0.3 * own_hz)
    if own_hz == RATE:
        assert np.abs(samples.astype(int) - voice(0.3)).max() <= tolerance


@pytest.mark.parametrize(("container", "subtype", "_"), WHOLE.values(), ids=WHOLE)
def test_a_flac_or_ogg_for_each_chunk_is_one_reply(container, subtype, _):
    parts = [voice()[start : start + 4_800] for start in range(0, RATE, 4_800)]
    samples, _ = decoded([file_of(part, container=container, subtype=subtype) for part in parts])
    assert len(samples) == RATE
    assert correlation(voice(), samples) == (pytest.approx(1, abs=0.01), 0)


def test_pcm_whose_rate_changes_keeps_every_sample_at_its_own():
    decoder = ReplyDecoder()
    sound = voice(0.2).tobytes()
    pieces = [
        *decoder.feed(sound[:2_001], None, 16_000),
        *decoder.feed(sound[2_001:4_000], None, 24_000),
        *decoder.feed(sound[4_000:5_000]),
        *decoder.feed(sound[5_000:], None, 8_000),
        *decoder.finish(),
    ]
    assert b"".join(piece.samples.tobytes() for piece in pieces) == sound
    assert [(piece.rate_hz, len(piece.samples)) for piece in pieces] == [
        (16_000, 1_000), (24_000, 1_000), (24_000, 500), (8_000, 2_300),
    ]  # fmt: skip
    with pytest.raises(AudioError):
        decoder.feed(sound, None, 7)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_what_the_server_says_of_its_pcm_wins(rate_hz):
    samples, own = decoded([voice(0.1).tobytes()], declared_format="pcm16", sample_rate_hz=rate_hz)
    assert own == rate_hz
    assert np.array_equal(samples, voice(0.1))


def test_declared_pcm_that_looks_like_something_else_is_pcm():
    stream = b"RIFF" + voice(0.1).tobytes()
    assert len(decoded([stream], declared_format="pcm16")[0]) == len(stream) // 2


@pytest.mark.parametrize(
    ("chunk", "declared"),
    [
        (b"\0" * 100, {"declared_format": "smell"}),
        (b"\0" * 100, {"declared_format": "h264"}),
        (b"\0" * 100, {"declared_format": "pcm16", "sample_rate_hz": 1}),
        (b"RIFF\0\0\0\0AVI " + b"\0" * 50, {}),
        (b"\1" * 70_000, {"declared_format": "mp3"}),
        (b"\x1aE\xdf\xa3" + b"\x55" * 500, {}),
        (b"\0\0\0\x20ftypM4A " + b"\x55" * 500, {}),
        (b"FORM\0\0\1\0AIFF" + b"\x55" * 500, {}),
        (b"#!AMR\n" + b"\x55" * 500, {}),
        ((b"\xff\xf1\x50\x80\x0c\x9f\xfc" + b"\x55" * 93) * 4, {}),
    ],
)
def test_what_cannot_be_decoded_is_an_audio_error_once_and_kept_nowhere(chunk, declared):
    decoder = ReplyDecoder()
    with pytest.raises(AudioError):
        decoder.feed(chunk, **declared)
    for _ in range(20):
        assert decoder.feed(chunk, **declared) == []
    assert decoder.finish() == []
    assert len(pickle.dumps(decoder)) < 200_000


@pytest.mark.parametrize("declared", ["mp3", "wav"])
def test_a_reply_that_held_nothing_of_what_it_was_said_to_be_is_an_audio_error(declared):
    decoder = ReplyDecoder()
    decoder.feed(b"RIFF" if declared == "wav" else b"\1" * 500, declared)
    with pytest.raises(AudioError):
        decoder.finish()


def test_the_picture_in_an_mp3s_tag_is_passed_over_as_it_comes():
    size = 2_000_000
    tag = b"ID3\4\0\0" + bytes((size >> shift) & 127 for shift in (21, 14, 7, 0)) + b"\x55" * size
    decoder = ReplyDecoder()
    for start in range(0, len(tag), 4_096):
        assert decoder.feed(tag[start : start + 4_096]) == []
        assert len(pickle.dumps(decoder)) < 20_000
    samples = np.concatenate([piece.samples for piece in (*decoder.feed(MP3), *decoder.finish())])
    assert np.array_equal(samples, decoded([MP3])[0])


def test_an_mp3_of_a_single_frame_is_an_mp3():
    frames = mp3.frame_header(MP3[MP3.index(b"\xff") :])
    assert frames is not None
    second = MP3[frames.size_bytes : frames.size_bytes + mp3.frame_header(MP3, frames.size_bytes).size_bytes]
    samples, rate_hz = decoded([second])
    assert (len(samples), rate_hz) == (frames.samples, RATE)


@given(CUTS)
@settings(max_examples=30)
def test_parts_around_the_samples_of_a_wav_are_no_sound(cuts):
    stream = WAVS["PCM_16"]
    at = stream.index(b"data")
    picture = b"id3 " + struct.pack("<I", 70_001) + b"\x7f" * 70_001 + b"\0"
    samples, _ = decoded(split(stream[:at] + picture + stream[at:] + picture, cuts))
    assert np.array_equal(samples, voice(0.2))


@pytest.mark.parametrize("declared_bytes", [1_000, 4_000])
def test_a_wav_whose_length_was_written_for_its_first_piece_plays_on(declared_bytes):
    stream = bytearray(WAVS["PCM_16"])
    at = stream.index(b"data") + 4
    stream[at : at + 4] = struct.pack("<I", declared_bytes)
    assert np.array_equal(decoded(split(bytes(stream), range(0, len(stream), 999)))[0], voice(0.2))


@pytest.mark.parametrize("padded", [True, False])
def test_wavs_of_an_odd_length_follow_one_another(padded):
    part = voice(0.1)[:2_001]
    stream = file_of(part, subtype="PCM_24")
    stream = stream[: stream.index(b"data") + 8 + 6_003] + b"\0" * padded
    assert np.array_equal(decoded([stream * 3])[0], np.concatenate((part, part, part)))


@pytest.mark.parametrize("stream", [b"RIFF\0\0\0\0AVI " + b"\0" * 50, b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0ab" + b"\0" * 50])
def test_a_broken_wav_is_an_audio_error(stream):
    with pytest.raises(AudioError):
        ReplyDecoder().feed(stream)


def test_a_broken_flac_is_an_audio_error():
    decoder = ReplyDecoder()
    decoder.feed(b"fLaC" + b"\x01" * 200)
    with pytest.raises(AudioError):
        decoder.finish()


@given(st.binary(max_size=3_000), CUTS, st.sampled_from([None, "mp3", "wav", "flac", "pcm16"]))
@settings(max_examples=150, deadline=None)
def test_no_stream_of_nonsense_raises_anything_but_an_audio_error(stream, cuts, declared):
    for beginning in (b"", b"ID3", b"RIFF\0\0\0\0WAVE", b"OggS", b"fLaC", MP3[:600]):
        try:
            decoded(split(beginning + stream, cuts), declared_format=declared)
        except AudioError:
            continue


def test_loud_pcm_is_not_taken_for_mp3():
    rng = np.random.default_rng(7)
    for _ in range(2_000):
        stream = rng.integers(-32_768, 32_767, 600).astype("<i2").tobytes()
        assert sniff(b"\xff\xfb" + stream) in {"pcm", None}
        assert sniff(b"\xff\xf1" + stream) in {"pcm", None}
        assert sniff(stream) in {"pcm", None}
    assert sniff(MP3[:2_000]) == "mp3"


def test_a_chunk_of_countless_tiny_wavs_is_not_read_to_its_end():
    tiny = io.BytesIO()
    soundfile.write(tiny, np.ones(1, np.int16), 16_000, format="WAV", subtype="PCM_16")
    few, many = ReplyDecoder(), ReplyDecoder()
    assert sum(len(piece.samples) for piece in few.feed(tiny.getvalue() * 500)) == 500
    with pytest.raises(AudioError):
        many.feed(tiny.getvalue() * 100_000)
