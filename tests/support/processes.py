"""Processes of tests: a part that needs one of its own, and whether one has ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import psutil


def is_gone(process: psutil.Process | int) -> bool:
    """Say whether a process, or the one with that id, has ended; whether its parent has heard of it does not matter."""
    try:
        return (psutil.Process(process) if isinstance(process, int) else process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def in_a_process_of_its_own(work: str, environment: dict[str, str] | None, *, before: Sequence[str] = ()) -> None:
    """Run the coroutine `module:name`: PortAudio lists devices as it starts, and here it may have started before.

    `before` is a program, with its arguments, that runs the process in another place.
    """
    module, _, name = work.partition(":")
    code = f"import asyncio; from {module} import {name}; asyncio.run({name}())"
    outcome = subprocess.run(
        [*before, sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
