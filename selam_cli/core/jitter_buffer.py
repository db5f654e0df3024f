"""The playout buffer: evens out the arrival of a reply's sound, and knows what has been played, to the sample.

Driven by samples alone: the event loop writes, the speaker's callback pulls, and neither waits for the other. Each side
owns its own counters, and a new reply is a new object put in place of the old one, so that no lock is needed: a
callback that waits for a lock is a break in the sound.

A buffer that runs dry in mid-reply fades out on its last samples and fades in again once there is enough: a gap is
heard, a click never. Better than a gap: where the lead has become too small, the pauses of the speech are stretched.
Nothing is ever left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.core.jitter_delay import PlayoutDelay

Samples = NDArray[np.int16]

FADE_MS: Final = 5.0

QUIET: Final = 100
"""The greatest amplitude, about −50 dBFS, of a pause: to silence it is no click."""

PAUSE_MS: Final = 20
"""This much has to be quiet, and is played, before a block of silence is put in."""

_NOTHING: Final = np.zeros(0, np.int16)


class _Reply:
    """One reply's sound. The writer appends and counts `written`; the reader takes and counts `taken` and `waited`."""

    __slots__ = (
        "breaks", "dry_at", "fade_in", "fading", "fastest", "finished", "gaps", "gaps_told", "head", "leaving",
        "offset", "playing", "queue", "quiet", "ramp", "resumes_at", "taken", "waited", "written",
    )  # fmt: skip

    def __init__(self, leaving: _Reply | None = None) -> None:
        self.leaving = leaving
        """The reply before, which has yet to fade out. It travels with its successor, so that both change at once."""
        self.queue: deque[Samples] = deque()
        # The writer's:
        self.written = 0
        self.finished = False
        self.fastest = 0
        """The lateness of the fastest chunk, in samples."""
        self.gaps_told = 0
        self.resumes_at = 0
        """How long there has to be silence before what came after a gap may sound."""
        # The reader's:
        self.head: Samples = _NOTHING
        self.offset = 0
        self.taken = 0
        self.waited = 0
        """Silence since the first sound arrived: before the reply, in its gaps, and put in its pauses."""
        self.playing = False
        self.fading = 0
        """How much is left to be played before a gap; its end is faded out over `ramp` samples."""
        self.ramp = 0
        self.fade_in = 0
        """How much of what comes is still to be faded in."""
        self.quiet = 0
        self.gaps = 0
        self.dry_at = 0
        """The lead, in samples, that the last gap began with."""
        self.breaks = 0

    @property
    def queued(self) -> int:
        return self.written - self.taken

    @property
    def now(self) -> int:
        """The time since its first sound arrived, in the samples that the speaker has taken."""
        return self.waited + self.taken

    @property
    def lead(self) -> int:
        """By how much a chunk may be later than the fastest one."""
        return self.waited - self.fastest

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

    def __init__(self, rate_hz: int, delay: PlayoutDelay | None = None, *, fade_ms: float = FADE_MS) -> None:
        """`delay` is what was learned with other replies and speakers; it learns on."""
        self._rate_hz = rate_hz
        self._delay = delay or PlayoutDelay()
        self._target = self._samples(self._delay.target_ms)
        self._fade = max(1, self._samples(fade_ms))
        self._pause = self._samples(PAUSE_MS)
        self._reply = _Reply()
        self._reply.finished = True

    # --- the writer's side --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A new reply starts: it sounds once its lead has reached the target, or it is complete."""
        self.stop()
        self._delay.begin()
        self._reply.finished = False

    def write(self, chunk: Samples) -> None:
        """Add a chunk that has arrived just now; how late it is teaches how long to wait."""
        if not len(chunk):
            return
        reply = self._reply
        late = reply.now - reply.written
        dry_at_lead_ms = None
        if reply.gaps != reply.gaps_told:
            reply.gaps_told = reply.gaps
            reply.resumes_at = late + self._samples(self._delay.resume_ms)
            dry_at_lead_ms = self._ms(reply.dry_at)
        self._delay.arrived(self._ms(late), self._ms(len(chunk)), dry_at_lead_ms=dry_at_lead_ms)
        self._target = self._samples(self._delay.target_ms)
        reply.fastest = self._samples(self._delay.fastest_ms)
        self._append(reply, chunk)

    def write_on(self, rest: Samples) -> None:
        """Add what came with the chunk that was written last: it teaches nothing more."""
        self._append(self._reply, rest)

    def write_kept(self, pieces: Sequence[Samples]) -> None:
        """Add what has arrived before: it may sound at once, and its coming now teaches nothing."""
        reply = self._reply
        reply.fastest = reply.now - reply.written - sum(map(len, pieces))
        for piece in pieces:
            self._append(reply, piece)

    def finish(self, rest: Samples = _NOTHING) -> None:
        """The reply is complete, with what its decoding had kept back: all may start, and its end is no break."""
        self._append(self._reply, rest)
        self._reply.finished = True

    def stop(self) -> None:
        """Forget what is queued; what sounds now fades out within the fade time, then there is exact silence."""
        old = self._reply
        silent = _Reply(leaving=old if old.playing else old.leaving)
        silent.finished = True
        self._reply = silent

    @staticmethod
    def _append(reply: _Reply, samples: Samples) -> None:
        if len(samples):
            reply.queue.append(samples)
            reply.written += len(samples)

    # --- the reader's side --------------------------------------------------------------------------------------------

    def pull(self, frames: int) -> Samples:
        """Return exactly `frames` samples, silence where there is nothing to play."""
        out = np.zeros(frames, np.int16)
        reply = self._reply
        begun = reply.written > 0  # its time begins with its first sound
        silent = frames if self._leaves(reply, out) or not begun else self._silence(reply, frames)
        if begun:
            reply.waited += silent
        if silent < frames:
            self._play(reply, out[silent:])
        return out

    def _leaves(self, reply: _Reply, out: Samples) -> bool:
        """Fade out the reply before; False where there is none that sounds."""
        leaving = reply.leaving
        # Two replies may name the same predecessor where they followed within one pull; it leaves once.
        if leaving is None or not leaving.playing:
            reply.leaving = None
            return False
        if not leaving.fading:
            self._start_to_fade(leaving)
        leaving.fading = min(leaving.fading, self._fade)
        self._take(leaving, out)
        return True

    def _silence(self, reply: _Reply, frames: int) -> int:
        """Return how many of the next frames are silent, before there is sound."""
        if reply.playing:
            return self._stretch(reply, frames)
        finished = reply.finished  # before it is asked how much there is: the writer may say so between the two
        if finished and reply.queued:
            return 0
        # A device that takes more at a time than the target would otherwise run dry at once.
        target = max(self._target, frames + self._fade)
        silent = max(0, target - reply.lead, reply.resumes_at - reply.waited)
        return silent if silent < frames and reply.queued >= frames - silent + self._fade else frames

    def _stretch(self, reply: _Reply, frames: int) -> int:
        """Put silence in a pause where the lead is too small: a pause a little longer is not heard, a gap is."""
        missing = self._target - reply.lead
        if missing <= 0 or reply.quiet < self._pause or reply.finished or not self._delay.stretches_pauses:
            return 0
        reply.quiet = 0
        return min(missing, frames)

    def _play(self, reply: _Reply, out: Samples) -> None:
        # Before it is asked how much there is: the writer may say `finish` between the two.
        finished = reply.finished
        if not reply.playing:
            self._start(reply, finished=finished)
        # A fade's length is always kept back, so that a gap has something to fade out on.
        if not finished and not reply.fading and reply.queued < len(out) + self._fade:
            reply.dry_at = reply.lead
            reply.gaps += 1
            self._start_to_fade(reply)
        filled = self._take(reply, out)
        reply.waited += len(out) - filled
        if finished and reply.queued == 0:
            reply.playing = False

    def _start(self, reply: _Reply, *, finished: bool) -> None:
        reply.playing = True
        reply.quiet = 0
        if reply.gaps:
            reply.fade_in = self._fade
            # What a decoder holds back to the end is shorter than a fade: that it comes late is no break.
            if not finished or reply.queued > self._fade:
                reply.breaks += 1

    def _start_to_fade(self, reply: _Reply) -> None:
        reply.fading = reply.queued
        reply.ramp = min(self._fade, reply.fading)

    def _take(self, reply: _Reply, out: Samples) -> int:
        """Take sound into `out`, faded in after a gap and out before one; return how many samples."""
        if reply.fading:
            out = out[: reply.fading]
        filled = reply.take_into(out)
        sound = out[:filled]
        if reply.fade_in:
            head = sound[: reply.fade_in]
            done = self._fade - reply.fade_in
            head[:] = head * (np.arange(done, done + len(head)) / self._fade)
            reply.fade_in -= len(head)
        if reply.fading:
            left = np.arange(reply.fading, reply.fading - filled, -1)
            sound[:] = sound * np.minimum(1.0, left / reply.ramp)
            reply.fading -= filled
            reply.playing = reply.fading > 0
        loud = filled and max(int(sound.max()), -int(sound.min())) > QUIET
        reply.quiet = 0 if loud else reply.quiet + filled
        return filled

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def rendered_samples(self) -> int:
        """Samples of this reply that were handed to the device."""
        return self._reply.taken

    @property
    def buffered_ms(self) -> float:
        """How much of the reply waits to be played."""
        return self._ms(self._reply.queued)

    @property
    def target_ms(self) -> int:
        """The lead that is aimed at: what the next reply waits for, if it comes no faster than it sounds."""
        return self._delay.target_ms

    @property
    def breaks(self) -> int:
        """How often this reply went on after it had run dry."""
        return self._reply.breaks

    @property
    def sounding(self) -> bool:
        """Whether sound is being handed out."""
        return self._reply.playing

    @property
    def fading(self) -> bool:
        """Whether a reply that was stopped has yet to be handed out to the end of its fade."""
        leaving = self._reply.leaving
        return leaving is not None and leaving.playing

    @property
    def drained(self) -> bool:
        """Whether the reply is complete and all of it was handed out, or there is none."""
        return self._reply.finished and self._reply.queued == 0

    def _samples(self, ms: float) -> int:
        return round(ms * self._rate_hz / 1_000)

    def _ms(self, samples: int) -> float:
        return samples * 1_000 / self._rate_hz
