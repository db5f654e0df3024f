"""A speaker on its way into use: silent until it is given the reply, because it opens while another one plays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor

from selam_cli.errors import SelamError
from selam_cli.sound.speaker import open_speaker
from selam_cli.sound.streams import Pull, Samples, silence


class LazySpeaker:
    """An open speaker that plays what `play` gives it; `on_first` is called on the loop as it takes its first block."""

    def __init__(
        self,
        spec: str | None,
        *,
        loop: asyncio.AbstractEventLoop,
        thread: Executor,
        on_first: Callable[[], None],
        on_lost: Callable[[str], None],
        on_unwritten: Callable[[SelamError], None],
    ) -> None:
        self._loop = loop
        self._on_first: Callable[[], None] | None = on_first
        self._pull: Pull = silence
        self._speaker = open_speaker(
            spec, lambda _: self._next, on_lost, loop=loop, thread=thread, on_unwritten=on_unwritten
        )
        self.name = self._speaker.name
        self.rate_hz = self._speaker.rate_hz
        self.follows_default = self._speaker.follows_default

    @property
    def delay_s(self) -> float:
        """The time from the pull to the ear."""
        return self._speaker.delay_s

    @property
    def silent(self) -> bool:
        """Whether it has been given nothing to play."""
        return self._pull is silence

    def play(self, pull: Pull) -> None:
        """Play what this returns."""
        self._pull = pull

    def close(self) -> None:
        """Close it; harmless when it is closed."""
        self._pull = silence
        self._speaker.close()

    def _next(self, frames: int) -> Samples:
        on_first, self._on_first = self._on_first, None
        if on_first is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
                self._loop.call_soon_threadsafe(on_first)
        return self._pull(frames)
