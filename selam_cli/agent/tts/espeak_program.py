"""The program `espeak-ng`: one process for each part of a sentence, ended by killing it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator
from typing import Final

from selam_cli.agent.tts.espeak_source import (
    ESPEAK_RATE_HZ,
    PIECE_BYTES,
    STUCK_AFTER_S,
    VOICE_NAMES,
    end,
    failed,
    in_time,
)
from selam_cli.agent.worker.process import environment

AT_ONCE: Final = 4
"""Processes at the same time, at most; a sentence takes each for some ten milliseconds."""

_WAV_HEADER_BYTES: Final = 44


class EspeakProgram:
    """espeak-ng as the system has it."""

    def __init__(self, path: str, languages: frozenset[str], *, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self.languages = languages
        self._path = path
        self._stuck_after_s = stuck_after_s
        self._free = asyncio.Semaphore(AT_ONCE)

    @classmethod
    def installed(cls) -> EspeakProgram | None:
        """Return the program that the search path leads to; None where there is none that works. Takes 10 ms."""
        path = shutil.which("espeak-ng")
        if path is None:
            return None
        languages = _languages(path)
        return cls(path, languages) if languages else None

    async def sound(self, text: str, voice: str, *, end_pause: bool) -> AsyncGenerator[bytes, None]:
        """Yield a text's sound; see `Source`."""
        async with self._free:
            process = await self._start(voice, end_pause=end_pause)
            try:
                await in_time(self._hand_over(process, text), self._stuck_after_s)
                async for piece in self._pieces(process):
                    yield piece
                if await in_time(process.wait(), self._stuck_after_s):
                    raise failed(f"it ended with status {process.returncode}")
            finally:
                await end(process)

    async def close(self) -> None:
        """There is no process between two sentences."""

    async def _start(self, voice: str, *, end_pause: bool) -> asyncio.subprocess.Process:
        options = [] if end_pause else ["-z"]
        try:
            # The text goes by standard input: as an argument it could be an option, and would stand in process lists.
            return await asyncio.create_subprocess_exec(
                self._path, "-v", voice, "-b", "1", *options, "--stdin", "--stdout",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl+C is for this process, which then ends its children
            )  # fmt: skip
        except OSError as error:
            raise failed(f"it does not start: {error.strerror}") from None

    @staticmethod
    async def _hand_over(process: asyncio.subprocess.Process, text: str) -> None:
        assert process.stdin is not None  # noqa: S101  # made with PIPE
        if process.stdin.is_closing():
            return  # it has ended; its status tells why
        try:
            process.stdin.write(text.encode("utf-8", "ignore"))
            process.stdin.write_eof()
            await process.stdin.drain()
        except OSError:
            return

    async def _pieces(self, process: asyncio.subprocess.Process) -> AsyncGenerator[bytes, None]:
        assert process.stdout is not None  # noqa: S101  # made with PIPE
        try:
            header = await in_time(process.stdout.readexactly(_WAV_HEADER_BYTES), self._stuck_after_s)
        except asyncio.IncompleteReadError as ended:
            if ended.partial:
                raise failed("its sound broke off") from None
            return  # nothing to say, or its status tells why
        if int.from_bytes(header[24:28], "little") != ESPEAK_RATE_HZ:
            raise failed("its sound has another rate than it should")
        odd = b""
        while read := await in_time(process.stdout.read(PIECE_BYTES), self._stuck_after_s):
            piece = odd + read
            whole = len(piece) // 2 * 2
            odd = piece[whole:]
            yield piece[:whole]


def _languages(path: str) -> frozenset[str]:
    try:
        listed = subprocess.run(  # noqa: S603  # what the search path leads to
            [path, "--voices"], capture_output=True, timeout=5, check=True, env=_environment()
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    names = {line.split()[1] for line in listed.decode("utf-8", "replace").splitlines()[1:] if len(line.split()) > 1}
    return frozenset(language for language, name in VOICE_NAMES.items() if name in names)


def _environment() -> dict[str, str]:
    """Keep it from the sound server, which it looks for even where its sound goes to standard output (1.51).

    A sound server that hangs would hold it up, and one that is not there gets folders in the user's home.
    """
    return {**environment(with_proxies=False), "PULSE_SERVER": "unix:/dev/null"}
