"""A sound file that is spoken: looked at as soon as it is named, read while it is spoken (package `soundfile`).

What is held of it is a block, whatever its length: an hour of stereo would be gigabytes.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from selam_cli.core.pcm import Blocks, Samples
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.errors import UsageFault
from selam_cli.sound.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from selam_cli.sound.kinds import UNREADABLE_SUFFIXES, Kind, conversion, recognised
from selam_cli.sound.resample import Resampler
from selam_cli.sound.wav_repair import AsRepaired

log = logging.getLogger(__name__)

VALUES_AT_ONCE: Final = 32_768
"""Read in one go, of all channels together."""

LOOK_AT_BYTES: Final = 4_096
UNKNOWN_FRAMES: Final = 1 << 40
"""A FLAC that was written into a pipe does not know its length, which libsndfile reports as the largest number."""

_NOT_READ: Final = np.float32(-3.0e38)
"""No sample has this value."""

GIVE_ANOTHER: Final = "Give a WAV file, such as a recording of your voice."


class Recording:
    """An open sound file; `name` is what it is called, `seconds` its length, None where the file does not know it."""

    def __init__(self, file: BinaryIO, name: str, what: str = "") -> None:
        """Look at it; `what` it is called at the beginning of a sentence.

        Raises UsageFault for what is no readable sound, or holds none.
        """
        self._file = file
        self.name = name
        self._what = what or f"The file {name}"
        with self._sound() as sound:
            self.seconds = sound.frames / sound.samplerate if sound.frames < UNKNOWN_FRAMES else None
            if not len(_frames(sound)):
                raise UsageFault(f"{self._what} holds no sound.", "Give a recording that is not empty.")

    def blocks(self, size: int) -> Iterator[Samples]:
        """Return it from its beginning as mono int16 at 16 kHz, `size` samples at a time, the last block shorter.

        What cannot be decoded is the end. Raises UsageFault where the file is no sound any more, and where it cannot
        be read further.
        """
        cutter = Blocks(size)
        with self._sound() as sound:
            resampler = Resampler(sound.samplerate, WIRE_RATE_HZ)
            while len(frames := _frames(sound)):
                yield from cutter.feed(resampler.process(_mono(frames)))
            yield from cutter.feed(resampler.flush())
        yield from cutter.rest()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextmanager
    def _sound(self) -> Iterator[Any]:
        file = AsRepaired(self._file)
        try:
            with soundfile.SoundFile(file) as sound:
                _check(sound, self._what)
                yield sound
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            log.info("libsndfile: %s", getattr(error, "error_string", error))
            raise _unreadable(self._what, self.name, self._beginning()) from None
        if file.failure is not None:
            reason = file.failure.strerror or "an unknown fault"
            raise UsageFault(f"{self._what} cannot be read further: {reason}.", GIVE_ANOTHER)

    def _beginning(self) -> bytes:
        self._file.seek(0)
        return self._file.read(LOOK_AT_BYTES)


def open_recording(path: str) -> Recording:
    """Open a sound file of any rate, any channels, 8 to 32 bits or float.

    Raises UsageFault for one that is missing, may not be read, is no sound that can be read here, or holds none.
    """
    file = _opened(path)
    try:
        _check_beginning(file.read(LOOK_AT_BYTES), path)
        return Recording(file, path)
    except BaseException:
        file.close()
        raise


def reason_unopened(path: str, error: OSError | ValueError) -> UsageFault:
    """Return the error for a file that cannot be opened."""
    match error:
        case FileNotFoundError() | NotADirectoryError() | ValueError():  # the last: a name with a zero in it
            return UsageFault(f"There is no file {path}.", GIVE_ANOTHER)
        case PermissionError():
            return UsageFault(f"The file {path} may not be read.", "Allow it, or copy the file to where you may.")
    return UsageFault(f"The file {path} cannot be opened: {error.strerror or 'an unknown fault'}.", GIVE_ANOTHER)


def _opened(path: str) -> BinaryIO:
    try:
        mode = Path(path).stat().st_mode  # before it is opened: a pipe without a writer would be waited for
        if stat.S_ISDIR(mode):
            raise UsageFault(f"{path} is a folder.", "Name a sound file in it.")
        if not stat.S_ISREG(mode):
            raise UsageFault(
                f"{path} is no file but a pipe or a device.", "Give a sound file, or pipe the sound into ask -."
            )
        return Path(path).open("rb")
    except (OSError, ValueError) as error:
        raise reason_unopened(path, error) from None


def _check_beginning(beginning: bytes, name: str) -> None:
    """Refuse what no library of ours reads, before one takes it for something else."""
    if not beginning:
        raise UsageFault(f"The file {name} is empty: it is no audio that can be read.", GIVE_ANOTHER)
    kind, _ = recognised(beginning, whole=True) or (Kind.RAW, "")
    if kind in {Kind.UNREADABLE, Kind.TEXT}:
        raise _unreadable(f"The file {name}", name, beginning)


def _check(sound: Any, what: str) -> None:
    rate_hz = sound.samplerate
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise wrong_rate(what, rate_hz)


def wrong_rate(what: str, rate_hz: int) -> UsageFault:
    """Return the error for a header whose rate nothing could have recorded."""
    return UsageFault(
        f"{what} is said to have {rate_hz} samples a second; {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} can be read.",
        "Its header is damaged: record it again, or convert it from the original.",
    )


def _unreadable(what: str, name: str, beginning: bytes) -> UsageFault:
    kind, told = recognised(beginning, whole=True) or (Kind.RAW, "")
    if kind is Kind.UNREADABLE:
        return UsageFault(f"{what} is {told}, which cannot be read here.", conversion(name))
    if kind is Kind.TEXT:
        return UsageFault(f"{what} is no audio that can be read, but text.", GIVE_ANOTHER)
    problem = f"{what} is no audio that can be read"
    if PurePath(name).suffix.lower() in UNREADABLE_SUFFIXES:
        return UsageFault(f"{problem}.", conversion(name))
    if kind is Kind.RAW:
        return UsageFault(f"{problem}.", f"{GIVE_ANOTHER} Raw PCM16 at 16 kHz, mono, can be piped into ask -.")
    return UsageFault(f"{problem}: it is damaged.", GIVE_ANOTHER)


def _frames(sound: Any) -> NDArray[np.float32]:
    """Return the next frames, none at the end: what a damaged file has after a place that cannot be decoded is lost."""
    size = max(1, VALUES_AT_ONCE // sound.channels)
    frames = np.full((size, sound.channels), _NOT_READ, np.float32)
    try:
        read: NDArray[np.float32] = sound.read(out=frames)
    except soundfile.LibsndfileError as error:
        log.warning("a recording is read no further: %s", error.error_string)
        # What was decoded before it is there, but the library does not report how much that is.
        return frames[: int(np.argmax(np.append(frames[:, 0] == _NOT_READ, True)))]
    return read


def _mono(frames: NDArray[np.float32]) -> Samples:
    # A float file may hold what is no number.
    mixed = np.nan_to_num(frames.mean(axis=1) * 32_768.0, posinf=32_767.0, neginf=-32_768.0)
    mono: Samples = np.clip(np.rint(mixed), -32_768, 32_767).astype(np.int16)
    return mono
