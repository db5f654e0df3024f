"""A screen that is kept busy, to order. As a module, `SECONDS talk …` is `selam-voice talk …` with such a screen."""

from __future__ import annotations

import sys
import time

from selam_cli.__main__ import main
from selam_cli.tui.app import SelamScreen


def keep_busy(seconds: float) -> None:
    """Have the screen compute, again and again, for so long, with hardly a pause."""
    mount = SelamScreen.on_mount

    def compute() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sum(number * number for number in range(1_000))

    def on_mount(self: SelamScreen) -> None:
        mount(self)
        self.set_interval(seconds + 0.05, compute)

    SelamScreen.on_mount = on_mount  # type: ignore[method-assign]  # a screen that is busy, to order


if __name__ == "__main__":
    keep_busy(float(sys.argv[1]))
    sys.argv[1:2] = []
    main()
