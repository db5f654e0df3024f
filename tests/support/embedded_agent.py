"""The embedded agent, whole: real sockets in front, and the engines that settings choose behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from selam_cli.agent.pipeline import Engines, Pipeline
from selam_cli.agent.prometheus import PrometheusMetrics
from selam_cli.agent.provider_choice import choose_engines
from selam_cli.agent.serve_settings import ServeSettings
from selam_cli.agent.server import serve
from selam_cli.agent.workers import serve_with_workers
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.credentials.handshake import Credentials

NOBODY = {"OLLAMA_HOST": "127.0.0.1:9"}


@dataclass(frozen=True, slots=True)
class Embedded:
    """`engines` are those that it runs on, for a test to break."""

    url: str
    engines: Engines

    async def figures(self) -> dict[tuple[str, ...], float]:
        """Return what /metrics tells: each sample's name with its labels, and its value."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        return {
            (sample.name.removeprefix("selam_voice_"), *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    async def turns(self) -> dict[str, float]:
        """Return how many turns have ended how."""
        return {name[1]: count for name, count in (await self.figures()).items() if name[0] == "turns_total"}


@asynccontextmanager
async def embedded_agent(settings: AgentSettings, credentials: Credentials | None = None) -> AsyncIterator[Embedded]:
    """Serve on a free port with the engines that these settings choose."""
    engines = await choose_engines(settings, credentials or Credentials(), NOBODY)
    assert engines.missing == ()
    async with embedded_with(engines, end_of_speech_ms=settings.end_of_speech_ms) as agent:
        yield agent


@asynccontextmanager
async def embedded_with(engines: Engines, *, end_of_speech_ms: int = 700) -> AsyncIterator[Embedded]:
    """Serve on a free port with these engines, and close them at the end."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    pipeline = Pipeline(engines, end_of_speech_ms=end_of_speech_ms)
    serving = asyncio.create_task(
        serve(ServeSettings(port=0), pipeline, on_ready=port.set_result, stop=stop, metrics=PrometheusMetrics())
    )
    try:
        yield Embedded(f"http://127.0.0.1:{await port}", engines)
    finally:
        stop.set()
        await asyncio.wait_for(serving, 60)
        await engines.close()


@asynccontextmanager
async def two_workers() -> AsyncIterator[str]:
    """Serve by two processes on a free port; give its address, and fail as the serving does."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_with_workers(ServeSettings(port=0), 2, on_ready=port.set_result, stop=stop))
    try:
        await asyncio.wait({serving, port}, return_when=asyncio.FIRST_COMPLETED)
        yield f"http://127.0.0.1:{port.result()}"
    finally:
        stop.set()
        await asyncio.wait_for(serving, 60)
