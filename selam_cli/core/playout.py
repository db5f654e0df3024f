"""The playout buffer: evens out the arrival of a reply's sound, and knows what has been played, to the sample.

Driven by samples alone: the event loop writes, the speaker's callback pulls, and neither waits for the other. Each side
owns its own counters, and a new reply is a new object put in place of the old one, so that no lock is needed: a
callback that waits for a lock is a break in the sound.

A buffer that runs dry in mid-reply fades out on its last samples and fades in again once there is enough: a gap is
heard, a click never.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

START_MS: Final = 120
GROWTH_MS: Final = 60
MAX_TARGET_MS: Final = 400
FADE_MS: Final = 5.0


class _Reply:
    """One reply's sound. The writer appends and counts `written`; the reader takes and counts `taken`."""

    __slots__ = ("breaks", "finished", "head", "leaving", "offset", "playing", "queue", "taken", "written")

    def __init__(self, leaving: _Reply | None = None) -> None:
        self.leaving = leaving
        """The reply before, which has yet to fade out. It travels with its successor, so that both change at once."""
        self.queue: deque[Samples] = deque()
        self.head: Samples = np.zeros(0, np.int16)
        self.offset = 0
        self.written = 0
        self.taken = 0
        self.finished = False
        self.playing = False
        self.breaks = 0

    @property
    def queued(self) -> int:
        return self.written - self.taken

    def take_into(self, out: Samples) -> int:
        """Fill `out` from the front, as far as there is sound; return how many samples."""
        filled = 0
        while filled < len(out):
            if self.offset >= len(self.head):
                if not self.queue:
                    break
                self.head, self.offset = self.queue.popleft(), 0
            count = min(len(out) - filled, len(self.head) - self.offset)
            out[filled : filled + count] = self.head[self.offset : self.offset + count]
            self.offset += count
            filled += count
        self.taken += filled
        return filled


class PlayoutBuffer:
    """Mono int16 at the speaker's rate; `write` from the loop, `pull` from the speaker's callback."""

    def __init__(self, rate_hz: int, *, start_ms: int = START_MS, fade_ms: float = FADE_MS) -> None:
        self._rate_hz = rate_hz
        self._target = rate_hz * start_ms // 1_000
        self._fade = max(1, round(rate_hz * fade_ms / 1_000))
        self._fade_in = np.linspace(0.0, 1.0, self._fade, dtype=np.float32)
        self._reply = _Reply()
        self._reply.finished = True

    # --- the writer's side --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A new reply starts: it sounds once the target's worth of it is there, or it is complete."""
        self.stop()
        self._reply.finished = False

    def write(self, samples: Samples) -> None:
        """Add samples to the reply."""
        if len(samples):
            reply = self._reply
            reply.queue.append(samples)
            reply.written += len(samples)

    def finish(self) -> None:
        """The reply is complete: what is there may start, and its end is no break."""
        self._reply.finished = True

    def stop(self) -> None:
        """Forget what is queued; what sounds now fades out within the fade time, then there is exact silence."""
        old = self._reply
        silent = _Reply(leaving=old if old.playing else old.leaving)
        silent.finished = True
        self._reply = silent

    # --- the reader's side --------------------------------------------------------------------------------------------

    def pull(self, frames: int) -> Samples:
        """Return exactly `frames` samples, silence where there is nothing to play."""
        out = np.zeros(frames, np.int16)
        reply = self._reply
        leaving, reply.leaving = reply.leaving, None
        # Two replies may name the same predecessor where they followed within one pull; it leaves once.
        if leaving is not None and leaving.playing:
            leaving.playing = False
            tail = out[: self._fade]
            self._fade_out(tail[: leaving.take_into(tail)])
        elif reply.playing or self._may_start(reply, frames):
            self._play(reply, out)
        return out

    def _may_start(self, reply: _Reply, frames: int) -> bool:
        # A device that takes more at a time than the target would otherwise run dry at once.
        return reply.queued > 0 and (reply.finished or reply.queued >= max(self._target, frames + self._fade))

    def _play(self, reply: _Reply, out: Samples) -> None:
        resuming = not reply.playing and reply.breaks > 0
        reply.playing = True
        # Before it is asked how much there is: the writer may say `finish` between the two.
        finished = reply.finished
        # A fade's length is always kept back, so that a break has something to fade out on.
        if finished or reply.queued >= len(out) + self._fade:
            filled = reply.take_into(out)
            if finished and reply.queued == 0:
                reply.playing = False
        else:
            filled = reply.take_into(out)
            self._fade_out(out[max(0, filled - self._fade) : filled])
            reply.playing = False
            reply.breaks += 1
            self._target = min(
                self._target + self._rate_hz * GROWTH_MS // 1_000, self._rate_hz * MAX_TARGET_MS // 1_000
            )
        if resuming:
            head = out[: min(self._fade, filled)]
            head[:] = (head * self._fade_in[: len(head)]).astype(np.int16)

    def _fade_out(self, tail: Samples) -> None:
        if len(tail):
            ramp = np.linspace(1.0, 0.0, len(tail), dtype=np.float32)
            tail[:] = (tail * ramp).astype(np.int16)

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def rendered_samples(self) -> int:
        """Samples of this reply that were handed to the device."""
        return self._reply.taken

    @property
    def buffered_ms(self) -> float:
        """How much of the reply waits to be played."""
        return self._reply.queued * 1_000 / self._rate_hz

    @property
    def target_ms(self) -> float:
        """How much of a reply has to be there before it sounds."""
        return self._target * 1_000 / self._rate_hz

    @property
    def breaks(self) -> int:
        """How often this reply ran dry before its end."""
        return self._reply.breaks

    @property
    def sounding(self) -> bool:
        """Whether sound is being handed out."""
        return self._reply.playing

    @property
    def drained(self) -> bool:
        """Whether the reply is complete and all of it was handed out, or there is none."""
        return self._reply.finished and self._reply.queued == 0
