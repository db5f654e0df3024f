"""Speech made by Debian's flite, and how alike two recordings are."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from selam_cli.sound.files import read_speech
from tests.support.needs import need_programs


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
