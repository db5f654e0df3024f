"""Speech made by Debian's flite, and how alike two recordings are."""

from __future__ import annotations

import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from selam_cli.sound.files import read_speech
from selam_cli.sound.resample import Resampler
from tests.support.needs import need_programs

PIECE = 2_400
"""Samples at 16 kHz in a piece of speech that is sought in a recording: 150 ms."""

RING = 8
"""Samples for which PulseAudio's filter rings beside a silence that begins or ends at once: half of what it has."""

USUAL_HZ = 48_000
"""What a program plays at, or a little less, where the server has to convert it."""


@cache
def spoken(text: str, voice: str = "slt") -> np.ndarray:
    """Return a sentence as mono int16 at 16 kHz."""
    need_programs("flite")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", path], check=True)
        return read_speech(str(path))


def spoken_words(text: str, voice: str = "slt") -> tuple[np.ndarray, list[float]]:
    """Return a text as mono int16 at 16 kHz, and when the middle of each word sounds, in seconds."""
    need_programs("flite")
    phones = [phone for phone in _phones(text, voice) if phone[0] != "pau"]
    middles_s, at = [], 0
    for word in text.split():
        count = sum(name != "pau" for name, *_ in _phones(word.strip(".,!?"), voice))
        middles_s.append((phones[at][1] + phones[at + count - 1][2]) / 2)
        at += count
    assert at == len(phones)
    return spoken(text, voice), middles_s


@cache
def _phones(text: str, voice: str) -> list[tuple[str, float, float]]:
    command = ["flite", "-voice", voice, "-t", text, "-psdur", "-o", "/dev/null"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    ends = [(name, float(end)) for name, _, end in (phone.partition(":") for phone in told)]
    return [(name, begin, end) for (name, end), (_, begin) in zip(ends, [("", 0.0), *ends], strict=False)]


def trimmed(samples: np.ndarray, floor: int = 300) -> np.ndarray:
    """Return the samples from the first loud one to the last."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > floor)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def correlation(original: np.ndarray, heard: np.ndarray) -> tuple[float, int]:
    """Return the normalised correlation at the best place of `original` within `heard`, and that place in samples."""
    original, heard = original.astype(np.float64), heard.astype(np.float64)
    if len(heard) < len(original):
        heard = np.concatenate((heard, np.zeros(len(original) - len(heard))))
    size = 1 << (len(heard) + len(original) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size)), size)
    place = int(np.argmax(cross[: len(heard) - len(original) + 1]))
    window = heard[place : place + len(original)]
    scale = np.linalg.norm(original) * np.linalg.norm(window)
    return (float(original @ window / scale) if scale else 0.0), place


def heard_in_pieces(said: np.ndarray, recorded: np.ndarray, part: slice = slice(None)) -> float:
    """Return the share of the part's voiced pieces that were heard: on a busy machine a break shifts what follows.

    Compared is what lies below 1.5 kHz: not every device has more, and half a sample's shift does not matter there.
    """
    found = _pieces_heard(said, recorded, part)
    return sum(likeness >= 0.9 for likeness, _ in found) / len(found)


def are_in_order(said: np.ndarray, recorded: np.ndarray) -> bool:
    """Say whether the voiced pieces that were heard follow each other as they were said, none of them twice.

    On a machine that is too slow PortAudio's speaker is opened anew, for longer blocks, which costs what it had in
    store: 80 ms at the most.
    """
    places = [place for likeness, place in _pieces_heard(said, recorded, slice(None)) if likeness >= 0.9]
    return all(after - before >= PIECE - 1_280 for before, after in pairwise(places))


def _pieces_heard(said: np.ndarray, recorded: np.ndarray, part: slice) -> list[tuple[float, int]]:
    said, recorded = _below_1_500_hz(said)[part], _below_1_500_hz(recorded)
    pieces = [said[at : at + PIECE] for at in range(0, len(said) - PIECE, PIECE)]
    loudest = max(np.linalg.norm(piece) for piece in pieces)
    return [_most_alike(piece, recorded) for piece in pieces if np.linalg.norm(piece) > loudest / 3]


def _most_alike(piece: np.ndarray, recorded: np.ndarray) -> tuple[float, int]:
    """As `correlation`, which takes the place of the greatest product for the best: for a soft piece a louder one."""
    recorded = np.pad(recorded, (0, max(0, len(piece) - len(recorded))))
    size = 1 << (len(recorded) + len(piece) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(piece, size)), size)
    energy = np.cumsum(np.concatenate(([0.0], np.square(recorded))))
    norms = np.sqrt(np.maximum(energy[len(piece) :] - energy[: -len(piece)], 0.0))
    own = np.linalg.norm(piece)
    likeness = cross[: len(norms)] / (own * np.maximum(norms, own / 4))  # what is far softer is nothing of it
    place = int(np.argmax(likeness))
    return float(likeness[place]), place


def _below_1_500_hz(sound: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(sound.astype(np.float64))
    spectrum[round(1_500 * len(sound) / 16_000) :] = 0
    return np.fft.irfft(spectrum, len(sound))


def mended(recorded: np.ndarray, rate_hz: int, *, converted: bool = False) -> np.ndarray:
    """Return a recording, one channel at the speaker's own rate, without the holes that the sound server tore in it.

    A server that gets no time renders late and in one go, runs out of what it was given, and puts exact silence in
    between: it begins and ends at full strength. The program's own breaks are faded, and a voice's pauses die away.

    Where the server `converted` the rate of what the program plays, its filter rings at both edges of a hole, and a
    faded break cannot be told from it: every exact silence is taken out, with the ring.
    """
    ring = round(RING * max(1.0, rate_hz / USUAL_HZ)) if converted else 0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (recorded == 0).astype(np.int8), [0]))))
    around = rate_hz // 200
    kept, at = [], 0
    for silent_from, silent_to in edges.reshape(-1, 2):
        start, end = silent_from - ring, silent_to + ring
        if silent_to - silent_from < rate_hz // 1_000 or start < around or end > len(recorded) - around:
            continue
        if converted or (_is_torn(recorded[start - around : start][::-1]) and _is_torn(recorded[end : end + around])):
            kept.append(recorded[at:start])
            at = end
    return np.concatenate([*kept, recorded[at:]])


def as_heard(recorded: np.ndarray, rate_hz: int, *, converted: bool = False) -> np.ndarray:
    """Return a recording, one channel at the speaker's own rate, mended and at 16 kHz."""
    return Resampler(rate_hz, 16_000).process(mended(recorded, rate_hz, converted=converted))


def _is_torn(edge: np.ndarray) -> bool:
    """Say whether 5 ms of sound beside silence, from its edge on, are loud at once: a fade of 5 ms begins with 4 %."""
    loudest = _peak(edge)
    return loudest > 10 and _peak(edge[: len(edge) // 26]) > 0.05 * loudest


def _peak(samples: np.ndarray) -> int:
    return int(np.abs(samples.astype(np.int32)).max(initial=0))
