"""The agent as a process: in the foreground for `serve`, or as one engine's child."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from selam_cli.agent.echo import Echo
from selam_cli.agent.server import ServeSettings, serve
from selam_cli.agent.workers import serve_with_workers, worker_settings
from selam_cli.errors import UsageFault


def run_serve(
    *,
    host: str,
    port: int,
    workers: int,
    max_sessions: int | None,
    keys_file: str | None,
    allow_origins: tuple[str, ...],
) -> int:
    """Serve in the foreground until a signal comes; return the exit status.

    Raises UsageFault for settings that don't go together, SelamError where the address can't be had.
    """
    keys = None if keys_file is None else _read_keys(keys_file)
    if keys is None and not _is_loopback(host):
        raise UsageFault(
            f"On {host} anybody could use this agent.", "Give --keys-file with the keys that may, or --host 127.0.0.1."
        )
    settings = ServeSettings(host, port, keys, allow_origins, max_sessions)
    return _run(_serve_until_signal(settings, workers))


def run_child() -> int:
    """Serve one engine: its key comes on standard input, the port goes to standard output, its end is our end."""
    return _run_for_parent(lambda line: ServeSettings(port=0, keys=frozenset({line.decode()})))


def run_worker() -> int:
    """Serve on a shared port as one of several; its settings come on standard input, whose end is our end."""
    return _run_for_parent(worker_settings)


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
        await serve(settings, Echo(), on_ready=on_ready, stop=stop)
    return status


def _run_for_parent(read_settings: Callable[[bytes], ServeSettings]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to handle
    return _run(_serve_parent(read_settings))


async def _serve_parent(read_settings: Callable[[bytes], ServeSettings]) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    line = await loop.run_in_executor(None, sys.stdin.buffer.readline)
    if not line.strip():
        return 1
    threading.Thread(target=_wait_for_end_of_input, args=(loop, stop), name="parent-watch", daemon=True).start()

    def on_ready(port: int) -> None:
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()

    await serve(read_settings(line.strip()), Echo(), on_ready=on_ready, stop=stop)
    return 0


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4_096):
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        return  # the loop has ended by itself


def _run(work: Coroutine[Any, Any, int]) -> int:
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop  # noqa: PLC0415  # no wheel on Windows

    return uvloop.run(work)


def _read_keys(path: str) -> frozenset[str]:
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageFault(
            f"The keys file {path} cannot be read: {reason}.", "Name a text file, one key a line."
        ) from None
    keys = frozenset(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not keys:
        raise UsageFault(f"The keys file {path} holds no key.", "Write one key a line into it.")
    return keys


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201  # its output
