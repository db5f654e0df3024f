"""The microphone's front end: blocks of any length through a processor that takes frames of 10 ms.

No sample is lost and none added, and the time that comes with a block stays exact: what is held back is known to the
sample. Where only echo is to be cancelled, what is heard while nothing sounds passes as it came, bit by bit: the
canceller's high-pass turns the phases of a deep voice, and without an echo there is nothing to gain by that.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from selam_cli.core.pcm import seconds_of
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.sound.reference import RenderReference
from selam_cli.sound.resample import Resampler
from selam_cli.sound.streams import Samples

FRAME: Final = WIRE_RATE_HZ // 100
ECHO_FRAMES: Final = 60
"""For how many frames of 10 ms after the speaker's last sound an echo is looked for: no canceller knows later ones."""

GAP_S: Final = 0.2
"""A microphone that was silent for this long was closed: what is held back of it belongs to the past."""


class Processor(Protocol):
    """What the front end drives; `echo.VoiceProcessor` is one."""

    delay_samples: int
    only_cancels_echo: bool

    def render(self, frame: Samples) -> None:
        """Take a frame of what the speaker was handed."""

    def process(self, frame: Samples) -> Samples:
        """Return a frame of the microphone, changed and `delay_samples` late. Raises AudioError."""


class FrontEnd:
    """Mono int16 at 16 kHz in and out; on the loop's thread."""

    def __init__(self, processor: Processor, reference: RenderReference) -> None:
        self._processor = processor
        self._reference = reference
        self._resampler: tuple[int, Resampler] | None = None
        self._rendered = np.zeros(0, np.int16)
        self._echo_frames = 0
        self._touched = False
        self._fade_in = np.linspace(0.0, 1.0, FRAME)
        self._heard_until = float("-inf")
        self._waiting = self._late = np.zeros(0, np.int16)
        self._to_skip = 0
        self._start_over()

    def process(self, samples: Samples, ended_at: float) -> tuple[Samples, float]:
        """Take a block and the monotonic time of its last sample; return what is ready, and the time of its last.

        Raises AudioError where the processor fails.
        """
        if ended_at - seconds_of(len(samples)) - self._heard_until > GAP_S:
            self._start_over()
        self._heard_until = ended_at
        waiting = np.concatenate((self._waiting, samples))
        whole = len(waiting) // FRAME * FRAME
        frames = [
            self._frame(waiting[at : at + FRAME], ended_at - seconds_of(len(waiting) - at - FRAME))
            for at in range(0, whole, FRAME)
        ]
        self._waiting = waiting[whole:]
        ready = np.concatenate(frames) if frames else np.zeros(0, np.int16)
        skipped = min(self._to_skip, len(ready))
        self._to_skip -= skipped
        return ready[skipped:], ended_at - seconds_of(len(self._waiting) + self._processor.delay_samples)

    def _start_over(self) -> None:
        delay = self._processor.delay_samples
        self._waiting = np.zeros(0, np.int16)
        self._late = np.zeros(delay, np.int16)
        self._to_skip = delay  # the first samples that come out are the delay's own, not the microphone's

    def _frame(self, frame: Samples, ended_at: float) -> Samples:
        self._take_rendered(ended_at)
        changed = self._processor.process(frame)
        late = np.concatenate((self._late, frame))
        self._late = late[FRAME:]
        touch = not self._processor.only_cancels_echo or self._echo_frames > 0
        self._echo_frames = max(0, self._echo_frames - 1)
        before, self._touched = self._touched, touch
        if before == touch:
            return changed if touch else late[:FRAME]
        old, new = (late[:FRAME], changed) if touch else (changed, late[:FRAME])
        mixed: Samples = np.rint(old * (1.0 - self._fade_in) + new * self._fade_in).astype(np.int16)
        return mixed

    def _take_rendered(self, moment: float) -> None:
        for block, rate_hz in self._reference.until(moment):
            if self._resampler is None or self._resampler[0] != rate_hz:
                self._resampler = (rate_hz, Resampler(rate_hz, WIRE_RATE_HZ))
            self._rendered = np.concatenate((self._rendered, self._resampler[1].process(block)))
        whole = len(self._rendered) // FRAME * FRAME
        for at in range(0, whole, FRAME):
            frame = self._rendered[at : at + FRAME]
            self._processor.render(frame)
            if frame.any():
                self._echo_frames = ECHO_FRAMES
        self._rendered = self._rendered[whole:]
