"""The process that looks at the sound, step by step, and says so in JSON lines.

A process of its own, because a sound server that stands still blocks its caller for good, and a driver's crash ends its
process: the parent, which reads these lines, knows at which step it happened, and ends it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from selam_cli.core import pcm
from selam_cli.core.pcm import FlatLine, Samples
from selam_cli.errors import SelamError
from selam_cli.sound import devices, microphone, speaker
from selam_cli.sound.device_watch import DeviceList, RosterWatch
from selam_cli.sound.files import check_speaker_file
from selam_cli.sound.voiced import VoiceDetector
from selam_cli.sound.wav_file import check_not_the_same

LIBRARIES: Final = ("portaudio", "mini")
ROSTER_WITHIN_S: Final = 1.0
FIRST_SOUND_WITHIN_S: Final = 6.0
"""A Bluetooth headset takes seconds."""

QUIET_FOR_S: Final = 1.0
WARM_UP_S: Final = 0.2
"""A microphone that has just been opened begins with silence, or with a click."""

FRAME_MS: Final = 20
FRAMES_A_LINE: Final = 10


class Lines:
    """A copy of standard output, whose own descriptor then leads nowhere, because ALSA and others print there."""

    def __init__(self) -> None:
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)

    def tell(self, step: str, **fields: object) -> None:
        """Write a line; one without fields begins the step."""
        print(json.dumps({"step": step, **fields}), file=self._output, flush=True)


def look(lines: Lines, wish: dict[str, Any]) -> None:
    """Look at the libraries, the devices, and the two that would be used."""
    for library in LIBRARIES:
        lines.tell(library)
        try:
            module = importlib.import_module(f"selam_cli.sound.{library}")
            lines.tell(library, version=module.library_version())
        except ImportError as error:
            lines.tell(library, missing=str(error))
    lines.tell("devices")
    lines.tell("devices", found=[asdict(device) for device in devices.list_devices()])
    asyncio.run(_try_both(lines, wish))


async def _try_both(lines: Lines, wish: dict[str, Any]) -> None:
    # Files in the place of both are called what they are called; a sound system may be waited for in vain.
    devices_wanted = microphone.is_device(wish["input"]) or speaker.is_device(wish["output"])
    roster = await _roster() if devices_wanted else DeviceList()
    for step, attempt, listed in (
        ("microphone", _try_microphone, roster.inputs),
        ("speaker", _try_speaker, roster.outputs),
    ):
        lines.tell(step)
        try:
            told = await attempt(wish)
            real_name = listed.default if told["name"] == "default" else None
            lines.tell(step, **told, real_name=real_name, monitor=(real_name or told["name"]) in listed.monitors)
        except SelamError as error:
            lines.tell(step, reason=error.reason, remedy=error.remedy, exit_code=error.exit_code)


async def _roster() -> DeviceList:
    """Return the devices by their real names: the default one is mostly listed as `default`."""
    seen: asyncio.Future[DeviceList | None] = asyncio.get_running_loop().create_future()

    def on_change(roster: DeviceList | None) -> None:
        if not seen.done():
            seen.set_result(roster)

    watch = RosterWatch(asyncio.get_running_loop(), on_change)
    try:
        return await asyncio.wait_for(seen, ROSTER_WITHIN_S) or DeviceList()
    except TimeoutError:
        return DeviceList()
    finally:
        watch.stop()


async def _try_microphone(wish: dict[str, Any]) -> dict[str, object]:
    """Open it and listen for a moment: a microphone may open and never deliver a sample."""
    loop, spec = asyncio.get_running_loop(), wish["input"]
    ear = _Ear()
    opened_at = loop.time()
    heard = microphone.open_microphone(spec, ear.on_block, ear.on_lost, loop=loop)
    try:
        told: dict[str, object] = {"name": heard.name, "rate_hz": heard.rate_hz, "device": microphone.is_device(spec)}
        if told["device"]:
            told["sound"] = await ear.hears(FIRST_SOUND_WITHIN_S)
            told["first_sound_ms"] = round((loop.time() - opened_at) * 1_000)
            told["silent"] = await ear.is_silent_for(QUIET_FOR_S)
            told["lost"] = ear.lost
        return told
    finally:
        heard.close()


async def _try_speaker(wish: dict[str, Any]) -> dict[str, object]:
    """Open it and play silence for a moment. A file in its place is left alone: it would be written over."""
    loop, spec = asyncio.get_running_loop(), wish["output"]
    if not speaker.is_device(spec):
        if spec != "null":
            check_speaker_file(spec)
            check_not_the_same(spec, wish["input"] or "")
        return {"name": spec, "device": False}
    pulled = asyncio.Event()
    lost: list[str] = []

    def make_pull(_rate_hz: int) -> Any:
        def pull(frames: int) -> Samples:
            loop.call_soon_threadsafe(pulled.set)
            return np.zeros(frames, np.int16)

        return pull

    opened = speaker.open_speaker(spec, make_pull, lost.append, loop=loop)
    try:
        plays = await _within(pulled, FIRST_SOUND_WITHIN_S)
        delay_ms = round(opened.delay_s * 1_000)
        return {"name": opened.name, "rate_hz": opened.rate_hz, "device": True, "plays": plays, "delay_ms": delay_ms}
    finally:
        opened.close()


class _Ear:
    """Listens at a microphone."""

    def __init__(self) -> None:
        self._first = asyncio.Event()
        self._enough = asyncio.Event()
        self._flat = FlatLine()
        self._heard = 0
        self.lost = ""

    def on_block(self, samples: Samples, _ended_at: float) -> None:
        self._first.set()
        self._heard += len(samples)
        if pcm.seconds_of(self._heard) > WARM_UP_S:
            self._flat.feed(samples)
        if pcm.seconds_of(self._heard) > WARM_UP_S + QUIET_FOR_S:
            self._enough.set()

    def on_lost(self, reason: str) -> None:
        self.lost = reason
        self._first.set()
        self._enough.set()

    async def hears(self, within_s: float) -> bool:
        return await _within(self._first, within_s) and not self.lost

    async def is_silent_for(self, seconds: float) -> bool:
        await _within(self._enough, 3 * seconds)
        return self._flat.seconds >= seconds / 2


async def level(lines: Lines, wish: dict[str, Any]) -> None:
    """Write the loudness of every 20 ms, and whether it is a voice, until the process is ended."""
    loop = asyncio.get_running_loop()
    meter = _Meter(lines)
    lines.tell("level")
    try:
        microphone.open_microphone(wish["input"], meter.on_block, meter.on_lost, loop=loop)
    except SelamError as error:
        lines.tell("level", reason=error.reason, remedy=error.remedy, exit_code=error.exit_code)
        return
    await asyncio.Event().wait()


class _Meter:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._detector = VoiceDetector()
        self._flat = FlatLine()
        self._waiting = np.zeros(0, np.int16)
        self._heard = 0

    def on_block(self, samples: Samples, _ended_at: float) -> None:
        before, self._heard = self._heard, self._heard + len(samples)
        if pcm.seconds_of(before) < WARM_UP_S:
            return
        self._flat.feed(samples)
        self._waiting = np.concatenate((self._waiting, samples))
        size = pcm.samples_in(FRAME_MS)
        while len(self._waiting) >= size * FRAMES_A_LINE:
            frames = self._waiting[: size * FRAMES_A_LINE].reshape(-1, size)
            self._waiting = self._waiting[size * FRAMES_A_LINE :]
            self._lines.tell(
                "level",
                rms=[round(pcm.rms(frame), 1) for frame in frames],
                voiced=[self._detector.is_voiced(pcm.pcm16(frame)) for frame in frames],
                peak=int(np.max(np.abs(frames.astype(np.int32)))),
                flat_s=round(self._flat.seconds, 2),
            )

    def on_lost(self, reason: str) -> None:
        self._lines.tell("level", reason=f"The microphone is gone: {reason}", remedy="Connect it again.", exit_code=5)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def main() -> None:
    """Do what the argument says."""
    wish = json.loads(sys.argv[1])
    lines = Lines()
    if wish["mode"] == "look":
        look(lines, wish)
    else:
        asyncio.run(level(lines, wish))
    os._exit(0)  # a library's thread may never end


if __name__ == "__main__":
    main()
