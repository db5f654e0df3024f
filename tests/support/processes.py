"""A part of a test that needs a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence


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
