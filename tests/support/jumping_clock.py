"""A loop whose clock jumps to the next thing to do, so that no test waits for a time to pass."""

import asyncio
import functools
import selectors


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


def on_a_jumping_clock(test):
    @functools.wraps(test)
    def run(*arguments, **named):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*arguments, **named))

    return run
