"""Files in place of devices, so that everything runs where there is no sound at all."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Final

import numpy as np

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import DeviceError, SelamError, UsageFault
from selam_cli.sound.kinds import SOUND_SUFFIXES
from selam_cli.sound.recording import open_recording
from selam_cli.sound.streams import Pull, Samples
from selam_cli.sound.wav_file import WavFile, check_restorable, check_writable, reason, unwritable

log = logging.getLogger(__name__)

BLOCK_MS: Final = 20
SPEAKER_FILE_RATE_HZ: Final = 24_000
MAX_PAUSE_S: Final = 1.0
"""Digital silence up to this long belongs to a reply, as between two sentences; longer, it lies between replies."""

MAX_BEHIND_S: Final = 1.0
"""A program that was stopped for longer goes on from now; it does not make up for hours in a burst."""


def is_wav(spec: str) -> bool:
    """Say whether a device's name means a WAV file, whether there is one or not."""
    return spec.lower().endswith(".wav")


def names_file(spec: str) -> bool:
    """Say whether what is to be a microphone is the name of a file, whether there is one or not, and of no device."""
    path = PurePath(spec)
    return path.suffix.lower() in SOUND_SUFFIXES or path.is_absolute() or spec.startswith(("./", "../", "~"))


def read_speech(path: str) -> Samples:
    """Return the whole of a sound file as mono int16 at 16 kHz. Raises UsageFault as `open_recording` does."""
    recording = open_recording(path)
    try:
        return np.concatenate([np.zeros(0, np.int16), *recording.blocks(WIRE_RATE_HZ)])
    finally:
        recording.close()


def write_wav(path: str, samples: Samples, rate_hz: int) -> None:
    """Write mono 16-bit WAV. Raises SelamError where it cannot be written; what went on the disk can be read."""
    try:
        file = WavFile(path, rate_hz, expected=len(samples))
        try:
            file.write(samples)
        finally:
            file.close()
    except (OSError, ValueError) as error:
        remedy = "Make room there, or name a file in a folder that you may write to."
        raise SelamError(unwritable(path, reason(error)), remedy) from None


class Metronome:
    """Calls a function every block, against a clock that does not drift."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_block: Callable[[float], None]) -> None:
        self._loop = loop
        self._on_block = on_block
        self._next_at = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._beat()

    def stop(self) -> None:
        """Call no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        if self._loop.time() - self._next_at > MAX_BEHIND_S:
            self._next_at = self._loop.time()
        self._next_at += BLOCK_MS / 1_000
        self._timer = self._loop.call_at(self._next_at, self._due)

    def _due(self) -> None:
        self._beat()
        self._on_block(time.monotonic())


class FileMicrophone:
    """A file that speaks from its beginning each time it is told to; before and after it there is silence."""

    rate_hz = WIRE_RATE_HZ
    follows_default = True

    def __init__(self, path: str, on_block: Callable[[Samples, float], None], loop: asyncio.AbstractEventLoop) -> None:
        """Raises UsageFault for what is no sound file."""
        self.name = Path(path).name
        self._recording = open_recording(path)
        self._speech: Iterator[Samples] = iter(())
        self._silence = np.zeros(WIRE_RATE_HZ * BLOCK_MS // 1_000, np.int16)
        self._on_block = on_block
        self._metronome = Metronome(loop, self._deliver)

    def speak(self) -> None:
        """Begin with the first sample of the file as it is now: it may still be written."""
        self._speech = self._recording.blocks(len(self._silence))

    def close(self) -> None:
        """Deliver no more."""
        self._metronome.stop()
        self._recording.close()

    def _deliver(self, now: float) -> None:
        try:
            spoken = next(self._speech, None)
        except UsageFault as fault:  # a generator that has raised has ended: silence follows
            log.warning("%s", fault.reason)
            spoken = None
        if spoken is None:
            self._on_block(self._silence, now)
        else:
            self._on_block(np.concatenate((spoken, self._silence[len(spoken) :])), now)


class NullSpeaker:
    """A speaker that is not heard: it takes sound in real time and drops it."""

    name = "none"
    rate_hz = SPEAKER_FILE_RATE_HZ
    delay_s = 0.0
    follows_default = True

    def __init__(self, make_pull: Callable[[int], Pull], loop: asyncio.AbstractEventLoop) -> None:
        self._pull = make_pull(self.rate_hz)
        self._metronome = Metronome(loop, self._take)

    def close(self) -> None:
        """Take no more."""
        self._metronome.stop()

    def _take(self, _: float) -> None:
        self._pull(self.rate_hz * BLOCK_MS // 1_000)


def check_speaker_file(path: str) -> None:
    """Look whether a file can take a speaker's place, without touching it. Raises DeviceError where it cannot."""
    try:
        check_writable(path)
        check_restorable(path)
    except UsageFault as fault:
        raise DeviceError(fault.reason, fault.remedy) from None


class FileSpeaker(NullSpeaker):
    """A WAV file that keeps what would have sounded: 16-bit, mono, 24 kHz, without the silence between replies."""

    def __init__(
        self,
        path: str,
        make_pull: Callable[[int], Pull],
        on_unwritten: Callable[[SelamError], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`on_unwritten` is called once where the file can be written no further. Raises DeviceError."""
        check_speaker_file(path)
        try:
            self._wav = WavFile(path, self.rate_hz)
        except OSError as error:
            raise DeviceError(_unwritten(path, error).reason, "Name another with --output.") from None
        self._path = path
        self._on_unwritten = on_unwritten
        self._silent = 0
        super().__init__(make_pull, loop)
        self.name = Path(path).name

    def close(self) -> None:
        """Take no more, and complete the file."""
        super().close()
        self._wav.close()

    def _take(self, _: float) -> None:
        block = self._pull(self.rate_hz * BLOCK_MS // 1_000)
        if self._wav.closed:
            return
        try:
            self._keep(block)
        except OSError as error:
            # The conversation goes on, and what was kept so far stays readable.
            log.warning("The sound is kept no further: %s", error)
            self._wav.close()
            self._on_unwritten(_unwritten(self._path, error))

    def _keep(self, block: Samples) -> None:
        sounding = np.flatnonzero(block)
        if not len(sounding):
            self._silent += len(block)
            return
        first, last = int(sounding[0]), int(sounding[-1])
        pause = self._silent + first
        if self._wav.samples and pause <= MAX_PAUSE_S * self.rate_hz:
            self._wav.write(np.zeros(pause, np.int16))
        self._wav.write(block[first : last + 1])
        self._silent = len(block) - 1 - last


def _unwritten(path: str, error: OSError) -> SelamError:
    remedy = "What was kept so far can be played. Make room, or name another file with --output."
    return SelamError(unwritable(path, reason(error)), remedy)
