"""Speaking offline and telling languages apart: the first sound of each voice, and how often a language is right."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from benchmarks.figures import Figure, milliseconds, percentile
from selam_cli.agent.text import language
from selam_cli.agent.text.language_signs import weighed
from selam_cli.agent.tts.espeak import Espeak
from selam_cli.agent.tts.espeak_process import EspeakLibrary
from selam_cli.agent.tts.espeak_program import EspeakProgram

ROUNDS = 30
FIRST_SOUND_MS = 100.0
BREAK_OFF_MS = 50.0
RIGHT = 0.95
SENTENCES = {
    "en": "Hello, how are you today? I went to the market.",
    "am": "ሰላም፣ እንዴት ነህ? ወደ ገበያ ሄጄ ቡና ገዛሁ።",
    "om": "Akkam jirta? Gara gabaa deemee buna bite.",
    "ti": "ከመይ ኣለኻ፧ ናብ ዕዳጋ ከይደ ቡን ገዚአ።",
}
PHRASES = Path(__file__).parents[1] / "tests" / "agent" / "phrases.toml"


async def measure() -> list[Figure]:
    """Measure both ways to espeak-ng, and both ways to tell a language."""
    figures = []
    for name, source in (("program", EspeakProgram.installed()), ("library", EspeakLibrary.installed())):
        if source is not None:
            figures += await _speaking(name, Espeak([source]))
    return figures + list(_telling())


async def _speaking(name: str, voice: Espeak) -> list[Figure]:
    cold_s, _ = await _first_sound(voice, "en")
    figures = []
    for code in (code for code in SENTENCES if code in voice.languages):
        rounds = [await _first_sound(voice, code) for _ in range(ROUNDS)]
        first, whole = [first for first, _ in rounds], [whole for _, whole in rounds]
        figures.append(Figure(
            f"espeak-ng, {name}, {code}: first sound after", milliseconds(first),
            f"the whole sentence: {milliseconds(whole)}; from nothing: {cold_s * 1_000:.0f} ms",
            f"p95 {FIRST_SOUND_MS:.0f} ms",
            percentile(first, 95) * 1_000 <= FIRST_SOUND_MS,
        ))  # fmt: skip
    broken_off = [await _breaking_off(voice) for _ in range(ROUNDS)]
    figures.append(Figure(
        f"espeak-ng, {name}: broken off after", milliseconds(broken_off), "", f"p95 {BREAK_OFF_MS:.0f} ms",
        percentile(broken_off, 95) * 1_000 <= BREAK_OFF_MS,
    ))  # fmt: skip
    await voice.close()
    return figures


async def _first_sound(voice: Espeak, code: str) -> tuple[float, float]:
    started = time.perf_counter()
    first = 0.0
    async for _ in voice.speak(SENTENCES[code], code, "aria"):
        first = first or time.perf_counter() - started
    return first, time.perf_counter() - started


async def _breaking_off(voice: Espeak) -> float:
    async with aclosing(voice.speak(SENTENCES["en"] * 6, "en", "aria")) as sound:
        await anext(sound)
        started = time.perf_counter()
    return time.perf_counter() - started


def _telling() -> Iterator[Figure]:
    ways: dict[str, Callable[[str], str | None]] = {"signs alone": _by_signs}
    if language.available() is None:
        ways["pycld2 and signs"] = language.detect
    tables = tomllib.loads(PHRASES.read_text(encoding="utf-8"))
    for name, detect in ways.items():
        for table, phrases in tables.items():
            with _timed() as took:
                right = [detect(phrase) == code for code in phrases for phrase in phrases[code]]
            share = sum(right) / len(right)
            yield Figure(
                f"language told by {name}: {table.replace('_', ' ')}", f"{share:.1%}",
                f"{len(right)} phrases, {took() / len(right) * 1e6:.0f} µs each", f"{RIGHT:.0%}", share >= RIGHT,
            )  # fmt: skip


def _by_signs(text: str) -> str | None:
    verdict = weighed(text)
    return None if verdict is None else verdict.language


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    started = time.perf_counter()
    ended = [0.0]
    yield lambda: ended[0] - started
    ended[0] = time.perf_counter()
