"""Sounds without words: coughs, breaths, key clicks, doors, and plain noise, with a quiet room around them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

RATE_HZ = 16_000


def sounds_without_words(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and sounds, mono int16 at 16 kHz."""
    chance = np.random.default_rng(seed)
    for seconds in (0.15, 0.3, 0.6, 1.2, 2.5):
        yield f"pink noise, {seconds} s", _in_a_room(4_000 * _pink(seconds, chance) * _swell(seconds, 0.02), chance)
        yield f"white noise, {seconds} s", _in_a_room(3_000 * chance.normal(size=_samples(seconds)), chance)
        breath = 2_500 * _band(seconds, 300, 3_000, chance) * _swell(seconds, 0.4 * seconds)
        yield f"a breath, {seconds} s", _in_a_room(breath, chance)
    for count in (1, 2, 3):
        coughs = [part for _ in range(count) for part in (_cough(chance), np.zeros(_samples(0.2)))]
        yield f"{count} coughs", _in_a_room(np.concatenate(coughs), chance)
    for count in (1, 3, 8):
        clicks = [part for _ in range(count) for part in (_click(chance), np.zeros(_samples(0.18)))]
        yield f"{count} key clicks", _in_a_room(np.concatenate(clicks), chance)
    slam = 9_000 * _band(0.8, 40, 300, chance) * np.exp(-np.arange(_samples(0.8)) / RATE_HZ / 0.1)
    yield "a door", _in_a_room(slam, chance)


def _samples(seconds: float) -> int:
    return int(seconds * RATE_HZ)


def _band(seconds: float, low_hz: float, high_hz: float, chance: np.random.Generator) -> np.ndarray:
    count = _samples(seconds)
    spectrum = np.fft.rfft(chance.normal(size=count))
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[(hertz < low_hz) | (hertz > high_hz)] = 0
    return _normal(np.fft.irfft(spectrum, count))


def _pink(seconds: float, chance: np.random.Generator) -> np.ndarray:
    count = _samples(seconds)
    spectrum = np.fft.rfft(chance.normal(size=count))
    return _normal(np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count))


def _normal(sound: np.ndarray) -> np.ndarray:
    return sound / np.sqrt(np.mean(np.square(sound)))


def _swell(seconds: float, edge_s: float) -> np.ndarray:
    at = np.arange(_samples(seconds)) / RATE_HZ
    return np.minimum(1, at / edge_s) * np.minimum(1, (seconds - at) / edge_s)


def _cough(chance: np.random.Generator) -> np.ndarray:
    """A burst, and a rough tail with a little voice in it."""
    seconds = float(chance.uniform(0.12, 0.25))
    at = np.arange(_samples(seconds)) / RATE_HZ
    voice = np.sign(np.sin(2 * np.pi * chance.uniform(100, 180) * at))
    return 9_000 * _band(seconds, 200, 4_500, chance) * np.exp(-at / 0.04) + 1_750 * voice * np.exp(-at / 0.1)


def _click(chance: np.random.Generator) -> np.ndarray:
    return 12_000 * chance.normal(size=320) * np.exp(-np.arange(320) / 60)


def _in_a_room(sound: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    before, after = (chance.normal(0, 3, _samples(seconds)) for seconds in (0.3, 0.9))
    return np.concatenate((before, sound, after)).clip(-32_768, 32_767).astype(np.int16)
