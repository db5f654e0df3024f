"""Files in place of devices, so that everything runs where there is no sound at all (package `soundfile`)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import wave
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import DeviceError, UsageFault
from selam_cli.sound.resample import Resampler
from selam_cli.sound.streams import Pull, Samples

log = logging.getLogger(__name__)

BLOCK_MS: Final = 20
SPEAKER_FILE_RATE_HZ: Final = 24_000
HEADER_EVERY_S: Final = 1.0
MAX_PAUSE_S: Final = 1.0
"""Digital silence up to this long belongs to a reply, as between two sentences; longer, it lies between replies."""

MAX_BEHIND_S: Final = 1.0
"""A program that was stopped for longer goes on from now; it does not make up for hours in a burst."""


def is_wav(spec: str) -> bool:
    """Say whether a device's name means a WAV file, whether there is one or not."""
    return spec.lower().endswith(".wav")


def read_speech(path: str) -> Samples:
    """Return a sound file as mono int16 at 16 kHz: any rate, any channels, 8 to 32 bits or float.

    Raises UsageFault for a file that is missing, no readable audio, or holds none.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError, TypeError):
        missing = not Path(path).is_file()
        problem = f"There is no file {path}." if missing else f"The file {path} is no audio that can be read."
        raise UsageFault(problem, "Give a WAV file, such as a recording of your voice.") from None
    if not len(samples):
        raise UsageFault(f"The file {path} holds no sound.", "Give a recording that is not empty.")
    # A float file may hold what is no number.
    mixed = np.nan_to_num(samples.mean(axis=1) * 32_768.0, posinf=32_767.0, neginf=-32_768.0)
    mono: Samples = np.clip(np.rint(mixed), -32_768, 32_767).astype(np.int16)
    resampler = Resampler(rate_hz, WIRE_RATE_HZ)
    return np.concatenate((resampler.process(mono), resampler.flush()))


def write_wav(path: str, samples: Samples, rate_hz: int) -> None:
    """Write mono 16-bit WAV. Raises UsageFault where the file cannot be written."""
    try:
        soundfile.write(path, samples, rate_hz, subtype="PCM_16", format="WAV")
    except (soundfile.LibsndfileError, OSError):
        remedy = "Name a file in a folder that you may write to."
        raise UsageFault(f"The file {path} cannot be written.", remedy) from None


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
        self.name = Path(path).name
        self._speech = read_speech(path)
        self._at: int | None = None
        self._block = np.zeros(WIRE_RATE_HZ * BLOCK_MS // 1_000, np.int16)
        self._on_block = on_block
        self._metronome = Metronome(loop, self._deliver)

    def speak(self) -> None:
        """Begin with the first sample."""
        self._at = 0

    def close(self) -> None:
        """Deliver no more."""
        self._metronome.stop()

    def _deliver(self, now: float) -> None:
        size = len(self._block)
        if self._at is None or self._at >= len(self._speech):
            self._at = None
            self._on_block(self._block, now)
            return
        spoken = self._speech[self._at : self._at + size]
        self._at += size
        self._on_block(np.concatenate((spoken, self._block[len(spoken) :])), now)


class NullSpeaker:
    """A speaker that nobody hears: it takes sound in real time and drops it."""

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


class FileSpeaker(NullSpeaker):
    """A WAV file that keeps what would have sounded: 16-bit, mono, 24 kHz, without the silence between replies.

    Its header is right after every second of sound, so that a killed program leaves a readable file; that is why it is
    written with `wave`, for libsndfile brings a header up to date only when it closes its file.
    """

    def __init__(self, path: str, make_pull: Callable[[int], Pull], loop: asyncio.AbstractEventLoop) -> None:
        try:
            # Unbuffered: on a full disk there is nothing left that could not be written, and the header still can be.
            self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115  # open as long as the speaker is
            self._wav = _begun(self._file, self.rate_hz)
        except OSError:
            raise DeviceError(f"The file {path} cannot be written.", "Name another with --output.") from None
        self._silent = 0
        self._unflushed = 0
        super().__init__(make_pull, loop)
        self.name = Path(path).name

    def close(self) -> None:
        """Take no more, and complete the file."""
        super().close()
        self._complete()

    def _take(self, _: float) -> None:
        block = self._pull(self.rate_hz * BLOCK_MS // 1_000)
        if self._file.closed:
            return
        try:
            self._keep(block)
        except OSError as failure:
            # The conversation goes on, and what was kept so far stays readable.
            log.warning("The sound is kept no further: %s", failure)
            self._complete()

    def _keep(self, block: Samples) -> None:
        sounding = np.flatnonzero(block)
        if not len(sounding):
            self._silent += len(block)
            return
        first, last = int(sounding[0]), int(sounding[-1])
        pause = self._silent + first
        if self._wav.tell() and pause <= MAX_PAUSE_S * self.rate_hz:
            self._write(np.zeros(pause, np.int16))
        self._write(block[first : last + 1])
        self._silent = len(block) - 1 - last

    def _write(self, samples: Samples) -> None:
        self._wav.writeframesraw(samples.astype("<i2").tobytes())
        self._unflushed += len(samples)
        if self._unflushed >= HEADER_EVERY_S * self.rate_hz:
            self._unflushed = 0
            self._wav.writeframes(b"")  # brings the header up to date

    def _complete(self) -> None:
        with contextlib.suppress(OSError):  # a disk that is gone
            self._wav.close()
        self._file.close()


def _begun(file: FileIO, rate_hz: int) -> wave.Wave_write:
    wav = wave.open(file, "wb")  # noqa: SIM115  # its file is closed with the speaker
    wav.setnchannels(1)
    wav.setsampwidth(2)
    wav.setframerate(rate_hz)
    wav.writeframes(b"")  # a file without sound is a file with a header, too
    return wav
