"""The server: which one it is, the way to it, and whether it lets this key in and starts a session."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from selam_cli.credentials.handshake import Credentials
from selam_cli.doctor.attempt import Attempt, attempt
from selam_cli.doctor.finding import Finding, failed, ok, skipped, warning
from selam_cli.doctor.reach import way_to
from selam_cli.engine.embedded_agent import AgentProcess
from selam_cli.engine.server_target import ServerTarget, choose_target
from selam_cli.errors import AccessRefused, SelamError

if TYPE_CHECKING:
    from selam_cli.doctor.case import Case

SLOW_MS: Final = 400.0
"""A round trip at which two people on a telephone would begin to interrupt each other."""


async def check_server(case: Case) -> AsyncGenerator[Finding, None]:
    """Go the way of a conversation, and say how far it leads."""
    try:
        target = choose_target(case.settings, case.key.credentials)
    except SelamError as error:
        yield failed("server.address", error)
        yield _unknown(case)
        return
    yield _which(target)
    if target.kind == "embedded":
        async for finding in _embedded(case, target):
            yield finding
        return
    async for finding in way_to(target.url, case.environment):
        yield finding
        if finding.status == "failed":
            yield _unknown(case)
            return
    for finding in _session(await attempt(target, case.settings)):
        yield finding


def _which(target: ServerTarget) -> Finding:
    told = {
        "hosted": f"Conversations go to the hosted agent, {target.shown}.",
        "embedded": "Conversations go to the embedded agent on this machine.",
    }.get(target.kind, f"Conversations go to {target.shown}.")
    return ok("server.address", told)


async def _embedded(case: Case, target: ServerTarget) -> AsyncGenerator[Finding, None]:
    began_at = time.monotonic()
    try:
        agent = await AgentProcess.start()
    except SelamError as error:
        yield failed("server.process", error)
        return
    try:
        yield ok("server.process", f"The embedded agent starts within {time.monotonic() - began_at:.1f} s.")
        target = replace(target, url=agent.url, credentials=Credentials(api_key=agent.api_key))
        for finding in _session(await attempt(target, case.settings), own_key=True):
            yield finding
    finally:
        await agent.stop()


def _session(tried: Attempt, *, own_key: bool = False) -> Iterator[Finding]:
    """Tell a refused key from a server that cannot be talked with."""
    if isinstance(tried.error, AccessRefused):
        yield failed("key.accepted", tried.error)
        return
    if tried.error is not None:
        yield failed("server.session", tried.error)
        return
    connected = f"greets after {tried.connected_ms:.0f} ms and " if tried.connected_ms is not None else ""
    yield ok("server.session", f"It {connected}starts a session after {tried.started_ms:.0f} ms.")
    yield _round_trip(tried.round_trip_ms)
    if not own_key:
        yield ok("key.accepted", "The server lets us in.")


def _round_trip(round_trip_ms: float | None) -> Finding:
    if round_trip_ms is None:
        told = "The server does not acknowledge what it is told, so its round trip is not known."
        return warning("server.round_trip", told, "An interruption may be late with it.")
    if round_trip_ms > SLOW_MS:
        told = f"A round trip takes {round_trip_ms:.0f} ms: answers and interruptions come late."
        return warning("server.round_trip", told, "Look for a nearer server, or a better network.")
    return ok("server.round_trip", f"A round trip takes {_shown(round_trip_ms)} ms.")


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:.0f}"


def _unknown(case: Case) -> Finding:
    what = "Whether the key is accepted" if case.key.credentials.api_key else "Whether we are let in"
    return skipped("key.accepted", f"{what} is not known, for the server was not reached.")
