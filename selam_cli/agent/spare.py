"""The agent without its network: what "auto" chose at a far service is done here while that cannot be reached.

A turn is never kept waiting for a network that is known to be away: the service is looked for beside the turns, and
asked again as soon as it is found. An engine that the settings name is left as it is; its failure is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from selam_cli.agent.parrot import repeated
from selam_cli.agent.providers import Prompt, Synthesizer, Thinker
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.faults import Refusal, Unreachable
from selam_cli.agent.rest.listing import read_json

CONNECT_WITHIN_S: Final = 3.0
"""Seconds at most that a name server or a network that drops what it is sent can cost, and only once."""

LOOK_AGAIN_S: Final = (2.0, 5.0, 10.0, 20.0)
"""The waits between two looks; the last one goes on. A name server that hangs holds a thread at each of them."""


class Reach:
    """Whether a service can be reached: found out by the calls to it, and then checked again and again beside them."""

    def __init__(self, endpoint: Endpoint, waits_s: Sequence[float] = LOOK_AGAIN_S) -> None:
        self._endpoint = Endpoint(endpoint.base_url, name=endpoint.name)  # a look takes no key along
        self._waits_s = waits_s
        self._rest = RestClient(TimeOuts(connect_s=CONNECT_WITHIN_S, first_byte_s=CONNECT_WITHIN_S))
        self._looking: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self.fault: EngineFault | None = None
        """Why it cannot be reached; None where it can, as far as is known."""

    def doubt(self, fault: EngineFault) -> None:
        """Note a failure: one to reach it holds until it is found again; each but a refusal starts a look for it."""
        if isinstance(fault, Unreachable):
            self.fault = fault
        if not isinstance(fault, Refusal) and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look_until_found())

    async def look(self, within_s: float) -> None:
        """Look for it; what takes longer goes on beside, and is known later."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_until_found(at_once=True))
        looked = asyncio.create_task(self._looked.wait())
        await asyncio.wait({looked, self._looking}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        looked.cancel()

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._rest.close()

    async def _look_until_found(self, *, at_once: bool = False) -> None:
        waits = iter(self._waits_s)
        wait_s = 0.0
        while True:
            wait_s = next(waits, wait_s)
            if not at_once:
                await asyncio.sleep(wait_s)
            at_once = False
            try:
                await read_json(self._rest, Call(self._endpoint, "models", "session_error"))
            except Unreachable as fault:
                self.fault = fault
            except EngineFault:
                self.fault = None  # it answers, if only to ask for a key
            else:
                self.fault = None
            self._looked.set()
            if self.fault is None:
                return


class ThinkerWithSpare:
    """A service's model, and what answers in its place: the next thinker that works, else what was understood."""

    def __init__(self, first: Thinker, spare: Thinker | None, reach: Reach) -> None:
        self.name = first.name
        self._first, self._spare, self._reach = first, spare, reach

    async def think(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Yield the answer. Raises EngineFault of whichever answers."""
        began = False
        if self._reach.fault is None:
            try:
                async with aclosing(self._first.think(prompt)) as thoughts:
                    async for piece in thoughts:
                        began = True
                        yield piece
            except EngineFault as fault:
                self._reach.doubt(fault)
                if began or not isinstance(fault, Unreachable):
                    raise
            else:
                return
        if self._spare is None:
            yield repeated(prompt.messages[-1].text, prompt.language)
            return
        async with aclosing(self._spare.think(prompt)) as thoughts:
            async for piece in thoughts:
                yield piece

    def instead(self) -> str:
        """Say what happens while the service is away."""
        return "what was understood is repeated" if self._spare is None else f"{self._spare.name} answers"

    async def close(self) -> None:
        """Let go of both."""
        for thinker in (self._first, self._spare):
            if thinker is not None:
                await thinker.close()


class SynthesizerWithSpares:
    """A service's voices, and those that speak in their place; where there are none, the answer is text."""

    def __init__(self, first: Synthesizer, spares: Callable[[], Sequence[Synthesizer]], reach: Reach) -> None:
        self.name, self.languages = first.name, first.languages
        self._first, self._spares, self._reach = first, spares, reach

    async def speak(self, text: str, language: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield a sentence's sound. Raises EngineFault of whichever speaks."""
        began = False
        if self._reach.fault is None:
            try:
                async with aclosing(self._first.speak(text, language, voice)) as sound:
                    async for piece in sound:
                        began = True
                        yield piece
            except EngineFault as fault:
                self._reach.doubt(fault)
                if began or not isinstance(fault, Unreachable):
                    raise
            else:
                return
        spare = self.spare(language)
        if spare is not None:
            async with aclosing(spare.speak(text, language, voice)) as sound:
                async for piece in sound:
                    yield piece

    def silence(self, language: str) -> str:
        """Say that the service's voice is silent, and what helps."""
        return self._first.silence(language)

    def spare(self, language: str) -> Synthesizer | None:
        """Return what speaks a language while the service is away."""
        return next((spare for spare in self._spares() if language in spare.languages), None)

    def instead(self, language: str) -> str:
        """Say what happens while the service is away."""
        spare = self.spare(language)
        return "answers are text only" if spare is None else f"{spare.name} speaks"

    async def close(self) -> None:
        """Let go of the first; the spares are among the agent's own engines."""
        await self._first.close()


class Absence:
    """What is to be said of a service that is away, in a language's conversation; empty where it is there."""

    def __init__(
        self, shown: str, reach: Reach, thinker: ThinkerWithSpare | None, voice: SynthesizerWithSpares | None
    ) -> None:
        self._shown, self._reach, self._thinker, self._voice = shown, reach, thinker, voice

    def __call__(self, language: str) -> str:
        """Return one or two sentences."""
        if self._reach.fault is None:
            return ""
        instead = [] if self._thinker is None else [self._thinker.instead()]
        instead += [] if self._voice is None else [self._voice.instead(language)]
        reason = self._reach.fault.message.partition(". ")[0].rstrip(".")
        return f"{self._shown} cannot be reached ({reason}). Until it can, {' and '.join(instead)}."
