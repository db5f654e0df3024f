"""What pocketsphinx makes of twenty spoken questions, how soon after their end, and what it costs.

Each voice asks all of them, as one conversation. The reference is pocketsphinx as it comes, a decoder for each voice.

The questions are spoken by flite with nothing before and after them but a microphone's faint noise, as push-to-talk
sends them: pre-roll, speech, 200 ms of tail, and the end is told at once.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, field

import numpy as np
import psutil

from benchmarks.figures import Figure, milliseconds, percentile
from selam_cli.agent.providers import Hearer
from selam_cli.agent.responder import SpokenAudio
from selam_cli.agent.stt import sphinx
from selam_cli.agent.stt.in_workers import HearerInWorkers
from selam_cli.core.protocol import WIRE_RATE_HZ
from tests.support.questions import questions, word_errors, words
from tests.support.speech import spoken

MOST_ERRORS_PERCENT = 12.0
LATEST_S = 0.2
"""Of the 300 ms that may pass until the first sound of the answer."""
IN_REAL_TIME = 5
"""Questions of each voice that are spoken in real time; the others come as fast as they are taken."""

FRAME = WIRE_RATE_HZ // 50


@dataclass(slots=True)
class _Measured:
    errors: dict[str, int] = field(default_factory=dict)
    errors_as_it_comes: dict[str, int] = field(default_factory=dict)
    streamed_s: list[float] = field(default_factory=list)
    at_once_s: list[float] = field(default_factory=list)
    speech_s: float = 0.0
    busy_s: float = 0.0
    rss_bytes: int = 0


async def measure() -> list[Figure]:
    """Have every question heard in every voice."""
    if (why_not := sphinx.available()) or shutil.which("flite") is None:
        return [Figure("hearing", "not measured", why_not or "flite is not installed")]
    hearer = sphinx.hearer(workers=1)
    try:
        measured = await _measured(hearer)
    finally:
        await hearer.close()
    measured.errors_as_it_comes = await asyncio.to_thread(_errors_as_it_comes)
    return _figures(measured)


async def _measured(hearer: HearerInWorkers) -> _Measured:
    measured = _Measured()
    await _heard(hearer, as_recorded(spoken("Hello.")), pace=False)  # the model is loaded
    worker = psutil.Process(hearer.pool.pids[0])
    before = _busy_s(worker)
    for voice in questions().voices:
        measured.errors[voice] = 0
        ears = hearer.for_speaker()
        for number, text in enumerate(questions().texts):
            sound = as_recorded(spoken(text, voice))
            in_real_time = number % (len(questions().texts) // IN_REAL_TIME) == 0
            heard, took_s = await _heard(ears, sound, pace=in_real_time)
            measured.errors[voice] += word_errors(text, heard)
            (measured.streamed_s if in_real_time else measured.at_once_s).append(took_s)
            measured.speech_s += len(sound) / WIRE_RATE_HZ
    measured.busy_s = _busy_s(worker) - before
    measured.rss_bytes = worker.memory_info().rss
    return measured


def _errors_as_it_comes() -> dict[str, int]:
    from pocketsphinx import Decoder  # it may not be installed

    errors: dict[str, int] = {}
    for voice in questions().voices:
        decoder = Decoder(loglevel="ERROR")
        errors[voice] = 0
        for text in questions().texts:
            sound = as_recorded(spoken(text, voice))
            decoder.start_utt()
            for start in range(0, len(sound), 5 * FRAME):
                decoder.process_raw(sound[start : start + 5 * FRAME].tobytes(), False, False)  # noqa: FBT003  # its C
            decoder.end_utt()
            hypothesis = decoder.hyp()
            errors[voice] += word_errors(text, "" if hypothesis is None else hypothesis.hypstr)
    return errors


def as_recorded(speech: np.ndarray) -> np.ndarray:
    """Return speech as a microphone gives it: 300 ms of faint noise before it, 200 ms after it."""
    noise = np.random.default_rng(len(speech))
    before, after = (noise.normal(0, 3, WIRE_RATE_HZ * ms // 1_000).astype(np.int16) for ms in (300, 200))
    return np.concatenate((before, speech, after))


async def _heard(hearer: Hearer, sound: np.ndarray, *, pace: bool) -> tuple[str, float]:
    """Return what was heard, and how long after the sound's end."""
    listening = hearer.begin("en", lambda _: None)
    began = time.perf_counter()
    for start in range(0, len(sound), FRAME):
        listening.feed(sound[start : start + FRAME].tobytes())
        if pace:
            await asyncio.sleep(began + (start + FRAME) / WIRE_RATE_HZ - time.perf_counter())
    ended = time.perf_counter()
    heard = await listening.heard(SpokenAudio(sound.tobytes()))
    return heard.text, time.perf_counter() - ended


def _busy_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _figures(measured: _Measured) -> list[Figure]:
    in_all = sum(len(words(text)) for text in questions().texts)
    percents = {voice: 100 * errors / in_all for voice, errors in measured.errors.items()}
    as_it_comes = {voice: 100 * errors / in_all for voice, errors in measured.errors_as_it_comes.items()}
    mean, mean_as_it_comes = (sum(each.values()) / len(each) for each in (percents, as_it_comes))
    figures = [
        Figure(
            f"words heard wrongly, voice {voice}", f"{percent:.1f} %", f"as it comes {as_it_comes[voice]:.1f} %",
            f"≤ {MOST_ERRORS_PERCENT:.0f} %", percent <= MOST_ERRORS_PERCENT,
        )
        for voice, percent in percents.items()
    ]  # fmt: skip
    late_s = percentile(measured.streamed_s, 95)
    return [
        *figures,
        Figure(
            "words heard wrongly, all voices", f"{mean:.1f} %", f"as it comes {mean_as_it_comes:.1f} %",
            f"≤ {MOST_ERRORS_PERCENT:.0f} %", mean <= MOST_ERRORS_PERCENT,
        ),
        Figure(
            "end of speech to its text", milliseconds(measured.streamed_s),
            f"the whole question decoded after its end: {milliseconds(measured.at_once_s)}",
            f"p95 ≤ {LATEST_S * 1_000:.0f} ms", late_s <= LATEST_S,
        ),
        Figure(
            "a worker that hears", f"{measured.busy_s / measured.speech_s:.2f} s of CPU a second of speech",
            f"{measured.rss_bytes / 1e6:.0f} MB",
        ),
    ]  # fmt: skip
