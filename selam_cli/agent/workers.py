"""Several processes on one port: each listens for itself, and the system deals the connections out among them.

A worker gets its settings on standard input, where no process list shows the keys; the pipe's end is its sign to
leave, so none survives this process, however it ends. `/healthz` and `/metrics` cover all of them together, whichever
answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any, Final

from selam_cli.agent.limits import Limits
from selam_cli.agent.metrics import SHARED_FOLDER
from selam_cli.agent.serve_settings import ServeSettings
from selam_cli.agent.server import cannot_listen
from selam_cli.errors import SelamError, UsageFault

START_WITHIN_S: Final = 60.0
"""One that fails is known at once; many that start together on few cores, or from a cold disk, only take their time."""

LEAVE_WITHIN_S: Final = 2.5
_PROGRAM: Final = "from selam_cli.commands.serve import run_worker; raise SystemExit(run_worker())"


async def serve_with_workers(
    settings: ServeSettings, workers: int, *, on_ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set. Raises UsageFault where it can't be done, SelamError when a worker fails."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise UsageFault("On this system processes cannot share a port.", "Leave --workers at 1.")
    shares = _shares(settings.max_sessions, workers)
    figures = tempfile.TemporaryDirectory(prefix="selam-voice-figures-", ignore_cleanup_errors=True)
    with _reserved(settings) as port, figures as folder:
        processes: list[asyncio.subprocess.Process] = []
        try:
            for share in shares:
                # One by one, not as a comprehension: those that have started must be ended when the next one fails.
                processes.append(await _start(replace(settings, port=port, max_sessions=share), folder))  # noqa: PERF401
            if await _all_ready(processes, stop):
                on_ready(port)
                await _until_stopped(processes, stop)
        finally:
            await asyncio.gather(*(_end(process) for process in processes))


def as_line(settings: ServeSettings) -> bytes:
    """Write the settings that a worker gets."""
    keys = None if settings.keys is None else sorted(settings.keys)
    return json.dumps({**asdict(settings), "keys": keys, "shares_port": True}).encode() + b"\n"


def worker_settings(line: bytes) -> ServeSettings:
    """Read what `as_line` wrote."""
    fields = json.loads(line)
    keys = None if fields["keys"] is None else frozenset(fields["keys"])
    origins, limits = tuple(fields["allow_origins"]), Limits(**fields["limits"])
    return ServeSettings(**{**fields, "keys": keys, "allow_origins": origins, "limits": limits})


def _shares(max_sessions: int | None, workers: int) -> list[int | None]:
    if max_sessions is None:
        return [None] * workers
    if max_sessions < workers:
        raise UsageFault(
            f"{workers} workers cannot share {max_sessions} sessions.", "Give fewer --workers or more --max-sessions."
        )
    return [max_sessions // workers + (number < max_sessions % workers) for number in range(workers)]


@contextlib.contextmanager
def _reserved(settings: ServeSettings) -> Iterator[int]:
    """Hold the port, so that every worker gets the same; a socket that does not listen is dealt no connection."""
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as alone:
            # Bound for itself first: sharing alone would also join another agent of the same user.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        shared = socket.socket(family)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(address)
    except OSError as error:
        raise cannot_listen(settings, error) from None
    with shared:
        yield int(shared.getsockname()[1])


async def _start(settings: ServeSettings, figures: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-c",
        _PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, SHARED_FOLDER: figures},
        start_new_session=True,  # Ctrl+C is for this process, which then lets the workers say goodbye
    )
    assert process.stdin is not None  # noqa: S101  # made with PIPE
    process.stdin.write(as_line(settings))
    return process


async def _all_ready(processes: list[asyncio.subprocess.Process], stop: asyncio.Event) -> bool:
    """Wait until all listen; return False where `stop` is set before that. Raises SelamError where one does not."""
    starting = asyncio.gather(*(_ready(process) for process in processes))
    stopped = asyncio.create_task(stop.wait())
    either: set[asyncio.Future[Any]] = {starting, stopped}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        return starting.done()
    finally:
        starting.cancel()
        stopped.cancel()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None  # noqa: S101  # made with PIPE
    with contextlib.suppress(TimeoutError):
        if await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S):
            return
    raise SelamError("A worker did not start.", "Try --workers 1 to see why.")


async def _until_stopped(processes: list[asyncio.subprocess.Process], stop: asyncio.Event) -> None:
    stopped = asyncio.create_task(stop.wait())
    ended = [asyncio.create_task(process.wait()) for process in processes]
    done, pending = await asyncio.wait({stopped, *ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if stopped not in done:
        status = next(task.result() for task in ended if task in done)
        raise SelamError(f"A worker ended by itself, with status {status}.", "Start the agent again.")


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None  # noqa: S101  # made with PIPE
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), LEAVE_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
