"""Tries a key: starts a session with it, as `talk` would, and ends it."""

from __future__ import annotations

import asyncio

from selam_cli.commands.talk_json import end_on_signals, run_loop
from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.host.standard_streams import StandardStreams
from selam_cli.engine.server_target import ServerTarget
from selam_cli.errors import SelamError


class Ended(Exception):
    """A signal ended the trial; `status` is the exit status that follows."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def try_key(settings: Settings, target: ServerTarget) -> SelamError | None:
    """Return why the server does not let the target's key in, or could not be asked; None where it does.

    Raises Ended for Ctrl+C, a hang-up and a termination signal. Waits as long as `talk` would: 10 s for each answer.
    """
    streams = StandardStreams("login", target.redactor)
    try:
        return run_loop(_tried(settings, target))
    finally:
        streams.give_back()


async def _tried(settings: Settings, target: ServerTarget) -> SelamError | None:
    ended = 0

    def on_event(event: events.Event) -> None:
        if isinstance(event, events.SessionStarted):
            engine.quit()

    def on_signal(status: int) -> None:
        nonlocal ended
        ended = status
        engine.quit(status)

    engine = VoiceEngine(settings, target, on_event, with_devices=False, attempts=1)
    end_on_signals(asyncio.get_running_loop(), on_signal)
    await engine.run()
    if ended:
        raise Ended(ended)
    return engine.failure
