"""What `ask` speaks: a file, whose length is known, or what comes through a pipe as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from selam_cli.core import pcm
from selam_cli.core.pcm import Blocks, Samples
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.engine.lines.jsonl import read_piece
from selam_cli.errors import AudioError, SelamError, UsageFault
from selam_cli.sound.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from selam_cli.sound.kinds import Kind, recognised
from selam_cli.sound.recording import Recording, open_recording, reason_unopened, wrong_rate
from selam_cli.sound.resample import Resampler
from selam_cli.sound.wav import MOST_CHANNELS, WavFormat, WavStream, first_format

BLOCK_MS: Final = 20
PIECE_BYTES: Final = 6_400
PIECES_WAITING: Final = 64
LARGEST_BEGINNING: Final = 1 << 20
"""A WAV whose format comes later than this is none."""

LARGEST_FILE_BYTES: Final = 1 << 29
"""Of what has to be there as a whole before it can be read."""

PIPE_SOUND: Final = "Pipe a WAV, FLAC, Ogg or MP3 file into it, or raw PCM16 at 16 kHz, mono."


class Question(Protocol):
    """What is spoken."""

    name: str
    """What it is called at the beginning of a sentence."""

    seconds: float | None
    """How long it is, where that is known."""

    async def prepare(self) -> None:
        """Wait until it is known to be sound. Raises SelamError."""

    def blocks(self) -> AsyncIterator[Samples]:
        """Return it as mono int16 at 16 kHz, 20 ms at a time. Raises SelamError."""

    def close(self) -> None:
        """Let go of it."""


def question_of(file: str, stalled_after_s: float) -> Question:
    """Return what a file, or `-` for standard input, has to say. Raises UsageFault for a file that says nothing.

    `stalled_after_s`: how long a pipe may bring nothing.
    """
    if file == "-":
        if os.isatty(0):
            raise UsageFault("Standard input is a terminal, which brings no sound.", PIPE_SOUND)
        return Piped(lambda: 0, "Standard input", stalled_after_s)
    if _is_pipe(file):  # as a shell's `<(…)` is
        return Piped(lambda: os.open(file, os.O_RDONLY), f"The pipe {file}", stalled_after_s)
    return Recorded(open_recording(file))


def check_length(question: Question, most_s: int) -> None:
    """Refuse what is known to be longer than one utterance may be. Raises UsageFault."""
    if question.seconds is not None and question.seconds > most_s:
        raise UsageFault(
            f"{question.name} lasts {question.seconds:.1f} s, and {most_s} s are the most that one utterance may last.",
            "Shorten it, or raise max_talk_s in the settings file, to 3600 at most.",
        )


class Recorded:
    """A file."""

    def __init__(self, recording: Recording) -> None:
        self.name = f"The file {recording.name}"
        self.seconds = recording.seconds
        self._recording = recording

    async def prepare(self) -> None:
        """Do nothing: that it is sound was seen when it was opened."""

    async def blocks(self) -> AsyncIterator[Samples]:
        """Read it as it is spoken."""
        for block in self._recording.blocks(pcm.samples_in(BLOCK_MS)):
            yield block

    def close(self) -> None:
        """Close the file."""
        self._recording.close()


class Piped:
    """What comes through a pipe: its first bytes tell what it is.

    Raw PCM and WAV are spoken as they come; of the other formats libsndfile needs the whole, which waits on the disk.
    """

    def __init__(self, open_pipe: Callable[[], int], name: str, stalled_after_s: float) -> None:
        self.name = name
        self.seconds: float | None = None
        self._open_pipe = open_pipe
        self._stalled_after_s = stalled_after_s
        self._pieces: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self._room = threading.Semaphore(PIECES_WAITING)
        self._beginning = b""
        self._ended = False
        self._is_wav = False
        self._recording: Recording | None = None

    async def prepare(self) -> None:
        """Wait for as much of it as tells what it is, for some formats to its end."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), name="question", daemon=True).start()
        kind, told = await self._recognise()
        if kind is Kind.WAV:
            wave = await self._wav_format()
            self._is_wav = wave is not None and wave.is_known and 1 <= wave.channels <= MOST_CHANNELS
            kind = Kind.WAV if self._is_wav else Kind.FILE
        if kind is Kind.FILE:
            self._recording = await self._whole()
            self.seconds = self._recording.seconds
        elif kind in {Kind.UNREADABLE, Kind.TEXT}:
            remedy = PIPE_SOUND if kind is Kind.TEXT else f"Convert it first: ffmpeg -i … -f wav - . {PIPE_SOUND}"
            raise UsageFault(f"{self.name} brings {told}, which cannot be spoken.", remedy)
        elif len(self._beginning) < 2:
            raise UsageFault(f"{self.name} holds no sound.", PIPE_SOUND)

    async def blocks(self) -> AsyncIterator[Samples]:
        """Return it as it comes."""
        if self._recording is not None:
            for block in self._recording.blocks(pcm.samples_in(BLOCK_MS)):
                yield block
            return
        cutter, samples_of = Blocks(pcm.samples_in(BLOCK_MS)), _Wav(self.name) if self._is_wav else _Raw()
        spoken = 0
        async for piece in self._all():
            samples = samples_of.feed(piece, final=not piece)
            spoken += len(samples)
            for block in cutter.feed(samples):
                yield block
        for block in cutter.rest():
            yield block
        if not spoken:
            raise UsageFault(f"{self.name} holds no sound.", PIPE_SOUND)

    def close(self) -> None:
        """Let go of what waits on the disk."""
        if self._recording is not None:
            self._recording.close()

    async def _all(self) -> AsyncIterator[bytes]:
        """Yield every piece from the beginning, and an empty one at the end."""
        beginning, self._beginning = self._beginning, b""
        yield beginning
        if self._ended and beginning:
            yield b""
        while not self._ended:
            yield await self._next()

    async def _next(self) -> bytes:
        try:
            piece = await asyncio.wait_for(self._pieces.get(), self._stalled_after_s)
        except TimeoutError:
            sentence = f"{self.name} has brought nothing for {self._stalled_after_s:g} seconds."
            raise SelamError(sentence, "See what writes to it; --timeout says how long it may be silent.") from None
        self._room.release()
        if isinstance(piece, OSError):
            raise reason_unopened(self.name, piece)
        self._ended = not piece
        return piece

    async def _more(self) -> None:
        self._beginning += await self._next()

    async def _recognise(self) -> tuple[Kind, str]:
        while True:
            kind = recognised(self._beginning, whole=self._ended)
            if kind is not None:
                return kind
            await self._more()

    async def _wav_format(self) -> WavFormat | None:
        while not self._ended and len(self._beginning) < LARGEST_BEGINNING:
            wave = first_format(self._beginning)
            if wave is not None:
                break
            await self._more()
        wave = first_format(self._beginning)
        if wave is not None and wave.is_known and not LOWEST_RATE_HZ <= wave.rate_hz <= HIGHEST_RATE_HZ:
            raise wrong_rate(f"The WAV on {self.name[0].lower()}{self.name[1:]}", wave.rate_hz)
        return wave

    async def _whole(self) -> Recording:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # the recording's
        try:
            async for piece in self._all():
                file.write(piece)
                self._check_size(file.tell())
            return Recording(file, "-", self.name)
        except OSError as error:
            file.close()
            reason = error.strerror or "an unknown fault"
            raise SelamError(f"{self.name} cannot be kept until it has ended: {reason}.", "Give a file.") from None
        except BaseException:
            file.close()
            raise

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > LARGEST_FILE_BYTES:
            most = f"{LARGEST_FILE_BYTES >> 20} MB"
            raise UsageFault(f"{self.name} brings more than {most} of sound.", "Give less of it, or a file.")

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read in a thread, which works on files, pipes and Windows alike, no further ahead than there is room."""
        try:
            pipe = self._open_pipe()
        except OSError as error:
            self._hand_over(loop, error)
            return
        piece = b" "
        while piece:
            self._room.acquire()
            piece = read_piece(pipe, PIECE_BYTES)
            self._hand_over(loop, piece)

    def _hand_over(self, loop: asyncio.AbstractEventLoop, piece: bytes | OSError) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the turn is over
            loop.call_soon_threadsafe(self._pieces.put_nowait, piece)


class _Raw:
    """PCM16 at 16 kHz, mono, little-endian; a sample may be split."""

    def __init__(self) -> None:
        self._odd = b""

    def feed(self, piece: bytes, *, final: bool) -> Samples:
        raw = self._odd + piece
        whole = len(raw) // 2 * 2
        self._odd = b"" if final else raw[whole:]
        return np.frombuffer(raw[:whole], "<i2").astype(np.int16)


class _Wav:
    """One WAV, or several in a row, each with a rate of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream = WavStream()
        self._resampler: tuple[int, Resampler] | None = None

    def feed(self, piece: bytes, *, final: bool) -> Samples:
        try:
            runs = self._stream.feed(piece, final=final)
        except AudioError:
            raise UsageFault(f"{self._name} brings a WAV that cannot be read.", PIPE_SOUND) from None
        samples = [np.zeros(0, np.int16)]
        for run, rate_hz in runs:
            if self._resampler is None or self._resampler[0] != rate_hz:
                samples.append(self._rest())
                self._resampler = rate_hz, Resampler(rate_hz, WIRE_RATE_HZ)
            samples.append(self._resampler[1].process(run))
        if final:
            samples.append(self._rest())
        return np.concatenate(samples)

    def _rest(self) -> Samples:
        resampler, self._resampler = self._resampler, None
        return np.zeros(0, np.int16) if resampler is None else resampler[1].flush()


def _is_pipe(file: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(file).stat().st_mode)
    except (OSError, ValueError):
        return False
