"""A sound system that does not answer: how that is reported, and how long it is waited for.

A sound server that was stopped, or a socket, a configuration or a driver behind which nothing moves, blocks its
caller for good, inside the library's own code. So no library is asked in a program's main thread, where signals are
handled; and a program that has loaded one leaves without its exit handlers (`selam_cli/__main__.py`).
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from selam_cli.errors import DeviceError

ANSWER_WITHIN_S: Final = 5.0
"""How long a list of the devices may take: a tenth of a second, and on a busy machine one."""

OPEN_WITHIN_S: Final = 8.0
"""How long a device may take to open: a Bluetooth headset takes seconds."""

_LOOK_EVERY_S: Final = 0.1
"""Where a wait in the main thread cannot be interrupted, as on Windows, Ctrl+C is noticed between two looks."""

REMEDY: Final = {
    "linux": "Restart it: systemctl --user restart pipewire pipewire-pulse, or pulseaudio --kill.",
    "darwin": "Restart it: sudo killall coreaudiod.",
}.get(sys.platform, "Restart the system's audio service.")

_Result = TypeVar("_Result")


def no_answer(doing: str, within_s: float) -> DeviceError:
    """Say that the sound system stands still; `doing` is what was being done, as `while devices were listed`."""
    return DeviceError(f"The sound system does not answer ({doing}, {within_s:.0f} s).", REMEDY)


def in_time(work: Callable[[], _Result], doing: str, within_s: float = ANSWER_WITHIN_S) -> _Result:
    """Return what the work returns, for a command without a loop. Raises what it raises, and DeviceError if it hangs.

    The thread is a daemon, so that a program that leaves does not wait for it.
    """
    outcome: Future[_Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # handed over, and raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, name="sound", daemon=True).start()
    for _ in range(round(within_s / _LOOK_EVERY_S)):
        with contextlib.suppress(TimeoutError):
            return outcome.result(_LOOK_EVERY_S)
    raise no_answer(doing, within_s)
