"""Loops whose clock jumps to the next thing to do, or where a test says, so that no test waits for a time to pass."""

import asyncio
import functools
import selectors

_ROUNDS_TO_SETTLE = 100
"""Rounds of the loop: a message over a local socket and its answer take some ten, whatever else the machine does."""


class JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: whatever the loop would have slept through has passed at once."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            return super().select()
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = JumpingSelector()
        super().__init__(self._clock)

    def time(self):
        return self._clock.now


def clock_ahead():
    """Return how to put the running loop's clock forward: what was to happen until then happens at once.

    By less than 45 s since anything was sent or received, after which both ends of a connection give each other up.
    """
    loop, ahead_s = asyncio.get_running_loop(), 0.0
    real = loop.time

    def forward(seconds):
        nonlocal ahead_s
        ahead_s += seconds

    loop.time = lambda: real() + ahead_s
    return forward


async def while_time_flies(work, stands_still=lambda: True, *, step_s=5.0, most_s=40.0):
    """Await some work; while `stands_still` says that nothing but a time-out can go on, let that time pass at once.

    All that a step makes happen has happened before the next one: on a busy machine a connection's two ends would
    otherwise find no time, between two steps, to tell each other that they are there.
    """
    forward, working, passed_s = clock_ahead(), asyncio.ensure_future(work), 0.0
    while not working.done():
        if passed_s < most_s and stands_still():
            forward(step_s)
            passed_s += step_s
            for _ in range(_ROUNDS_TO_SETTLE):
                await asyncio.sleep(0)
        await asyncio.wait({working}, timeout=0.05)
    return working.result()


def on_a_jumping_clock(test):
    @functools.wraps(test)
    def run(*arguments, **named):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*arguments, **named))

    return run
