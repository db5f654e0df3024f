"""The agent as a process: in the foreground for `serve`, or as one engine's child."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from selam_cli.agent.limits import NO_LIMITS, PUBLIC, Limits
from selam_cli.agent.metrics import SHARED_FOLDER, Metrics
from selam_cli.agent.pipeline import Pipeline
from selam_cli.agent.provider_choice import choose_engines
from selam_cli.agent.responder import Responder
from selam_cli.agent.serve_settings import ServeSettings
from selam_cli.agent.server import serve
from selam_cli.agent.workers import serve_with_workers, worker_settings
from selam_cli.config.agent_settings import load_agent_settings
from selam_cli.config.user_path import expanded
from selam_cli.core.loopback import is_loopback
from selam_cli.core.outside_text import NotUnicode, decoded, unquoted
from selam_cli.core.plain_text import plain
from selam_cli.core.redaction import Redactor, secrets_of_environment
from selam_cli.credentials.handshake import load_credentials
from selam_cli.errors import UsageFault
from selam_cli.logs.log_file import inherited_log, log_to
from selam_cli.logs.redacting import RedactingFormatter, redact_uncaught


def run_serve(
    *,
    host: str,
    port: int,
    workers: int,
    max_sessions: int | None,
    keys_file: str | None,
    allow_origins: tuple[str, ...],
    limited: bool | None = None,
    max_session_minutes: float | None = None,
    idle_minutes: float | None = None,
) -> int:
    """Serve in the foreground until a signal comes; return the exit status.

    Raises UsageFault for settings that don't go together, SelamError where the address can't be had. Limits are those
    of `chosen_limits`.
    """
    keys = None if keys_file is None else _read_keys(keys_file)
    if keys is None and not is_loopback(host):
        raise UsageFault(
            f"On {host} anybody could use this agent.", "Give --keys-file with the keys that may, or --host 127.0.0.1."
        )
    limits = chosen_limits(host, limited, max_session_minutes=max_session_minutes, idle_minutes=idle_minutes)
    settings = ServeSettings(host, port, keys, allow_origins, max_sessions, limits=limits)
    return _run(_serve_until_signal(settings, workers))


def chosen_limits(
    host: str, limited: bool | None, *, max_session_minutes: float | None, idle_minutes: float | None
) -> Limits:
    """Return what clients are held to: PUBLIC except on loopback, where `limited` does not say otherwise.

    A limit that is given in minutes holds everywhere: a user who names it wants it.
    """
    limits = PUBLIC if limited or (limited is None and not is_loopback(host)) else NO_LIMITS
    if max_session_minutes is not None:
        limits = replace(limits, session_s=60 * max_session_minutes)
    return limits if idle_minutes is None else replace(limits, idle_s=60 * idle_minutes)


def run_child() -> int:
    """Serve one engine: its key comes on standard input, the port goes to standard output, its end is our end."""
    return _run_for_parent(lambda line: ServeSettings(port=0, keys=frozenset({line.decode()})))


def run_worker() -> int:
    """Serve on a shared port as one of several; its settings come on standard input, whose end is our end."""
    try:
        return _run_for_parent(worker_settings, _new_metrics)
    finally:
        # The parent removes it as well, unless it was killed; and where one worker leaves, all do.
        shutil.rmtree(os.environ.get(SHARED_FOLDER, ""), ignore_errors=True)


async def _serve_until_signal(settings: ServeSettings, workers: int) -> int:
    stop = asyncio.Event()
    status = 0
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        nonlocal status
        if stop.is_set():
            os._exit(128 + number)
        status = 128 + number
        stop.set()

    for number in (getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)):
        try:
            loop.add_signal_handler(number, on_signal, int(number))
        except NotImplementedError:  # Windows' loop
            signal.signal(number, lambda received, _: loop.call_soon_threadsafe(on_signal, received))

    def on_ready(port: int) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        _say(f"Listening on ws://{host}:{port} – talk with it: selam-voice talk --server ws://{host}:{port}")

    if workers > 1:
        await serve_with_workers(settings, workers, on_ready=on_ready, stop=stop)
    else:
        async with _answering(settings.keys or (), on_missing=_say) as responder:
            await serve(settings, responder, on_ready=on_ready, stop=stop, metrics=_new_metrics())
    return status


@asynccontextmanager
async def _answering(
    accepted_keys: Iterable[str], on_missing: Callable[[str], None] = lambda _reason: None
) -> AsyncIterator[Responder]:
    """Make the agent of what is installed and configured; `on_missing` gets what was asked for and is missing."""
    settings = load_agent_settings()
    credentials = await asyncio.to_thread(load_credentials)  # the key store may take 2 s, and a signal comes meanwhile
    _redact_output((*accepted_keys, *credentials.secrets))
    engines = await choose_engines(settings, credentials)
    if credentials.problem:
        on_missing(f"{credentials.problem} {credentials.remedy}")
    for reason in engines.missing:
        on_missing(reason)
    try:
        yield Pipeline(engines, end_of_speech_ms=settings.end_of_speech_ms)
    finally:
        await engines.close()


def _run_for_parent(
    read_settings: Callable[[bytes], ServeSettings], new_metrics: Callable[[], Metrics] = Metrics
) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to handle
    return _run(_serve_parent(read_settings, new_metrics))


async def _serve_parent(read_settings: Callable[[bytes], ServeSettings], new_metrics: Callable[[], Metrics]) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    line = await loop.run_in_executor(None, sys.stdin.buffer.readline)
    if not line.strip():
        return 1
    threading.Thread(target=_wait_for_end_of_input, args=(loop, stop), name="parent-watch", daemon=True).start()

    def on_ready(port: int) -> None:
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()

    settings = read_settings(line.strip())
    async with _answering(settings.keys or ()) as responder:
        await serve(settings, responder, on_ready=on_ready, stop=stop, metrics=new_metrics())
    return 0


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4_096):
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        return  # the loop has ended by itself


def _run(work: Coroutine[Any, Any, int]) -> int:
    file = inherited_log()
    if file is None:
        logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    else:
        log_to("agent", file, Redactor())
    _redact_output(())
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop  # no wheel on Windows

    return uvloop.run(work)


def _redact_output(secrets: Iterable[str]) -> None:
    """Keep these and the environment's keys out of everything that the process logs or dies of."""
    redactor = Redactor.of((*secrets, *secrets_of_environment(os.environ)))
    for handler in logging.getLogger().handlers:
        handler.setFormatter(RedactingFormatter(redactor, "agent"))
    redact_uncaught(redactor)


def _new_metrics() -> Metrics:
    # Loaded where figures are kept: the agent of a single conversation has to be there at once.
    from selam_cli.agent.prometheus import PrometheusMetrics

    return PrometheusMetrics()


def _read_keys(path: str) -> frozenset[str]:
    try:
        lines = decoded(expanded(path).read_bytes()).split("\n")
    except (OSError, NotUnicode) as error:
        reason = f"line {error.line} is not UTF-8" if isinstance(error, NotUnicode) else error.strerror
        raise UsageFault(
            f"The keys file {path} cannot be read: {reason}.", "Name a text file, one key a line."
        ) from None
    keys = frozenset(key for line in lines if (key := unquoted(line)) and not key.startswith("#"))
    if not keys:
        raise UsageFault(f"The keys file {path} holds no key.", "Write one key a line into it.")
    return keys


def _say(sentence: str) -> None:
    print(plain(sentence), file=sys.stderr, flush=True)  # noqa: T201  # its output
