"""An engine for hearing whose library runs in worker processes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from selam_cli.agent.worker.pool import PooledListening, SpeakerProfile, WorkerPool
from selam_cli.agent.worker.process import Program


class HearerInWorkers:
    """Fulfils `engines.Hearer`; which engine it is, the program says."""

    def __init__(self, program: Program, languages: frozenset[str], *, workers: int | None = None) -> None:
        self.name = program.name
        self.languages = languages
        self.pool = WorkerPool(program, size=workers)

    def begin(self, language: str | None, on_partial: Callable[[str], None]) -> PooledListening:
        """Begin an utterance."""
        return self.pool.begin(language, on_partial)

    def for_speaker(self) -> HearerOfOne:
        """Return the same engine for one session: it gets used to how that speaker sounds."""
        return HearerOfOne(self)

    def warm_up(self) -> None:
        """Load the model now, so that the first utterance need not wait for it. Call it when a session starts."""
        self.pool.warm_up()

    async def close(self) -> None:
        """End the workers."""
        await self.pool.close()


class HearerOfOne:
    """Fulfils `engines.Hearer` for one speaker, with the workers of all."""

    def __init__(self, hearer: HearerInWorkers) -> None:
        self.name = hearer.name
        self.languages = hearer.languages
        self._pool = hearer.pool
        self._speaker = SpeakerProfile()

    def begin(self, language: str | None, on_partial: Callable[[str], None]) -> PooledListening:
        """Begin an utterance."""
        return self._pool.begin(language, on_partial, self._speaker)

    def for_speaker(self) -> HearerOfOne:
        """It is one speaker's already."""
        return self

    def warm_up(self) -> None:
        """Load the model now."""
        self._pool.warm_up()

    async def close(self) -> None:
        """Nothing: the workers belong to all."""


def installed(module: str) -> bool:
    """Say whether a library is there, without loading it."""
    return importlib.util.find_spec(module) is not None
