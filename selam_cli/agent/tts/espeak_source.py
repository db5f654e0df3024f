"""What both ways to espeak-ng have in common: the program, and the library in a process of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Final, Protocol, TypeVar

from selam_cli.agent.responder import EngineFault

ESPEAK_RATE_HZ: Final = 22_050
PIECE_BYTES: Final = 2 * ESPEAK_RATE_HZ // 5
"""Bytes of sound at once, at most, 200 ms: what has been made is handed on, not gathered."""
STUCK_AFTER_S: Final = 10.0
"""A process that makes no sound for this long hangs: espeak-ng takes milliseconds, a busy machine a second."""

VOICE_NAMES: Final = {"en": "en-us", "am": "am", "om": "om", "ti": "ti"}
"""The languages that espeak-ng may speak, by the names of its voices. It has no Somali."""

_Result = TypeVar("_Result")


class Source(Protocol):
    """Something that makes espeak-ng's sound."""

    languages: frozenset[str]

    def sound(self, text: str, voice: str, *, end_pause: bool) -> AsyncGenerator[bytes, None]:
        """Yield a text's sound as it is made: PCM16, mono, ESPEAK_RATE_HZ, whole samples. Raises EngineFault.

        `voice` is a name of VOICE_NAMES with a variant, such as "am+f3". Closing the generator stops the making.
        """

    async def close(self) -> None:
        """End its processes."""


def failed(reason: str) -> EngineFault:
    """Return the fault of a turn whose voice failed; the next one gets a process of its own."""
    return EngineFault("audio_error", f"The voice espeak-ng failed: {reason}. It is started anew; ask again.")


async def in_time(work: Awaitable[_Result], seconds: float) -> _Result:
    """Wait for a process's next sign of life. Raises EngineFault where none comes."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise failed("it stood still") from None


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process at once and see it off; with its pipe left full, its end would not be reported."""
    assert process.stdout is not None  # noqa: S101  # made with PIPE
    if process.returncode is None:
        process.kill()
    while await process.stdout.read(65_536):
        pass
    await process.wait()
