"""An app whose one-shot timers always call back.

Textual 8.2.8 skips what a timer could not do in time, and counts a one-shot timer's only call among it: where its time
is over before its task first looks at the clock, it ends without having called. That befalls delays below half a
microsecond nearly always, and any other when the process stands still at that moment, in a garbage collection, say;
a window's size, which Textual itself has wait for such a timer, would then never change again.
"""

from __future__ import annotations

from textual.app import App
from textual.timer import Timer, TimerCallback


class TimelyApp(App[int]):
    """The base of the screens; its result is the process's exit status."""

    def set_timer(
        self, delay: float, callback: TimerCallback | None = None, *, name: str | None = None, pause: bool = False
    ) -> Timer:
        """Call back once, in `delay` seconds or as soon after as can be."""
        timer = super().set_timer(delay, callback, name=name, pause=pause)
        timer._skip = False  # noqa: SLF001  # no public name; its task, which begins after this, reads it
        return timer
