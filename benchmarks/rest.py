"""Thinking through a REST server on loopback: what we add to a first token, and how soon a server learns to stop."""

from __future__ import annotations

import time

import aiohttp

from benchmarks.figures import Figure, milliseconds, percentile
from selam_cli.agent.llm.openai import ChatThinker
from selam_cli.agent.providers import Message, Prompt
from selam_cli.agent.rest.client import RestClient
from tests.support.openai_server import OpenAIServer, event, openai_server, streams

ROUNDS = 200
PROMPT = Prompt((Message("user", "Hello?"),), "en")


async def measure() -> list[Figure]:
    """Ask by turns with the engine and with the bare HTTP library, and stop the engine after its first token."""
    ours: list[float] = []
    bare: list[float] = []
    stops: list[float] = []
    rest = RestClient()
    async with openai_server() as server, aiohttp.ClientSession() as session:
        server.answers["chat/completions"] = streams(event("One"), then_hangs=True)
        thinker = ChatThinker(rest, server.endpoint())
        for _ in range(ROUNDS):
            first_s, stop_s = await _with_the_engine(thinker, server)
            ours.append(first_s)
            stops.append(stop_s)
            bare.append(await _bare(session, server))
    await rest.close()
    return [
        Figure("question to first token", milliseconds(ours), f"the bare HTTP library: {milliseconds(bare)}"),
        Figure(
            "from stopping to the server's closed connection", milliseconds(stops), f"{ROUNDS} answers, loopback",
            "p95 ≤ 50 ms", percentile(stops, 95) <= 0.050,
        ),
    ]  # fmt: skip


async def _with_the_engine(thinker: ChatThinker, server: OpenAIServer) -> tuple[float, float]:
    asked_at = time.perf_counter()
    answer = thinker.think(PROMPT)
    await anext(answer)
    came_at = time.perf_counter()
    await answer.aclose()
    await server.received[-1].gone.wait()
    return came_at - asked_at, time.perf_counter() - came_at


async def _bare(session: aiohttp.ClientSession, server: OpenAIServer) -> float:
    asked_at = time.perf_counter()
    response = await session.post(f"{server.base_url}/chat/completions", json={"stream": True})
    await response.content.readany()
    took_s = time.perf_counter() - asked_at
    response.close()
    return took_s
