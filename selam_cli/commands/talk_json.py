"""`talk --json`: the engine as a process that reads commands on standard input and writes events on standard output."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from selam_cli.config.settings import Settings
from selam_cli.core.conversation import notices
from selam_cli.core.events import Event
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.host import terminal_modes
from selam_cli.engine.host.standard_streams import StandardStreams
from selam_cli.engine.lines.commands import UnknownCommand, Verb, parse_command
from selam_cli.engine.lines.jsonl import LineWriter, read_lines
from selam_cli.engine.server_target import ServerTarget
from selam_cli.errors import SelamError
from selam_cli.logs.log_file import LogFile

Result = TypeVar("Result")

TEND_LOG_EVERY_S: Final = 30.0
"""What sound libraries print does not pass the LogHandler, which tends the log otherwise."""

log = logging.getLogger(__name__)


def run(settings: Settings, target: ServerTarget) -> int:
    """Hold a conversation in lines; return the exit status."""
    started_at = time.monotonic()
    streams = StandardStreams("engine", target.redactor)
    log.info(
        "talking with %s: voice %s, language %s, push-to-talk %s, microphone %s, speaker %s",
        target.shown, settings.voice, settings.language or "auto", settings.ptt,
        settings.input or "default", settings.output or "default",
    )  # fmt: skip
    left = run_loop(_converse(settings, target, streams, started_at))
    status, failure = left
    log.info("left with status %d", status)
    if failure is not None and status:
        streams.say(f"{failure.reason} {failure.remedy}".strip())
    # The streams stay redirected: a sound library's threads may still have something to say.
    return status


async def _converse(
    settings: Settings, target: ServerTarget, streams: StandardStreams, started_at: float
) -> tuple[int, SelamError | None]:
    loop = asyncio.get_running_loop()
    saved_modes = os.environ.get(terminal_modes.VARIABLE, "")
    quit_asked = False
    restoring: asyncio.Future[None] | None = None

    def on_closed() -> None:
        loop.call_soon_threadsafe(leave, 1)

    def leave(status: int) -> None:
        restore_terminal()
        engine.quit(status)

    def restore_terminal() -> None:
        """Restore the terminal of a screen that died without doing so, before the goodbye takes its time."""
        nonlocal restoring
        if saved_modes and not quit_asked and restoring is None:
            restoring = asyncio.ensure_future(asyncio.to_thread(terminal_modes.restore, saved_modes))

    def on_line(line: str) -> None:
        nonlocal quit_asked
        if not line:
            leave(0)
            return
        try:
            command = parse_command(line)
        except UnknownCommand as error:
            engine.refuse(error, error.command_id)
            return
        quit_asked = quit_asked or command.verb is Verb.QUIT
        engine.execute(command)

    writer = LineWriter(streams.output_fd, on_closed, target.redactor)
    engine = VoiceEngine(settings, target, _stamped(writer, started_at))
    end_on_signals(loop, engine.quit)
    tell_of_log(streams.log, loop, engine)
    read_lines(0, loop, on_line)
    _tend_regularly(streams.log, loop)
    status = await engine.run()
    if restoring is not None:
        await restoring
    await asyncio.to_thread(writer.close)
    return status, writer.failure or engine.failure


def tell_of_log(file: LogFile, loop: asyncio.AbstractEventLoop, engine: VoiceEngine) -> None:
    """Have the engine report, once, that the log cannot be written, now or whenever that turns out."""

    def on_problem(problem: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program is leaving
            loop.call_soon_threadsafe(engine.tell, notices.unlogged(problem))

    file.on_problem = on_problem
    if file.problem:
        on_problem(file.problem)


def _tend_regularly(file: LogFile, loop: asyncio.AbstractEventLoop) -> None:
    file.tend()
    loop.call_later(TEND_LOG_EVERY_S, _tend_regularly, file, loop)


def run_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop where there is one: half the delay from a socket or a callback to our code."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop  # no wheel on Windows

    return uvloop.run(work)


def end_on_signals(loop: asyncio.AbstractEventLoop, leave: Callable[[int], None]) -> None:
    """End properly on hang-up, Ctrl+C and termination; at once on the second of them."""
    asked = False

    def on_signal(number: int) -> None:
        nonlocal asked
        log.info("signal %d", number)
        if asked:
            os._exit(128 + number)
        asked = True
        leave(128 + number)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        try:
            loop.add_signal_handler(number, on_signal, int(number))
        except NotImplementedError:  # Windows' loop
            signal.signal(number, lambda received, _: loop.call_soon_threadsafe(on_signal, received))


def _stamped(writer: LineWriter, started_at: float) -> Callable[[Event], None]:
    return lambda event: writer.write(event, time.monotonic() - started_at)
