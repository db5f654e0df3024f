"""What the speaker was handed, for the parts that have to know the agent's voice when the microphone hears it.

The speaker's callback writes and the loop reads, and neither waits for the other. Each block carries the moment of its
callback: a loop that was held up would otherwise see the speaker's side too late to know its echo (36 dB of echo
removed became 16 where the speaker's side came a tenth of a second late every three).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from selam_cli.sound.streams import Samples

KEPT_BLOCKS: Final = 256
STALE_S: Final = 0.5
"""What was played longer ago has no echo any more; it is left out after a pause of the microphone."""


class RenderReference:
    """A bounded queue of the speaker's blocks; where nothing reads, the oldest give way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._blocks: deque[tuple[Samples, int, float]] = deque(maxlen=KEPT_BLOCKS)
        self.sounded_until = float("-inf")
        """The monotonic time at which the last block that was no silence had been taken, without the device's delay."""

    def rendered(self, block: Samples, rate_hz: int) -> None:
        """Take a block that goes to the speaker now; from its callback."""
        now = self._clock()
        self._blocks.append((block, rate_hz, now))
        if block.any():
            self.sounded_until = now + len(block) / rate_hz

    def until(self, moment: float) -> list[tuple[Samples, int]]:
        """Return the blocks up to a monotonic time that were not returned before, each with its rate in Hz."""
        taken: list[tuple[Samples, int]] = []
        # A writer that makes the oldest give way in between leaves a newer one: there is always one to take.
        while self._blocks and self._blocks[0][2] <= moment:
            block, rate_hz, rendered_at = self._blocks.popleft()
            if rendered_at > moment - STALE_S:
                taken.append((block, rate_hz))
        return taken
