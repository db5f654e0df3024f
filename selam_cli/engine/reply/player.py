"""The agent's side of a turn: its sound from the wire to the speaker, and how much of it was heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from selam_cli.core import pcm
from selam_cli.core.heard_text import VoicedTime
from selam_cli.core.jitter_buffer import PlayoutBuffer
from selam_cli.core.jitter_delay import PlayoutDelay
from selam_cli.core.pcm import Samples
from selam_cli.core.protocol import WIRE_RATE_HZ, ReplyChunk
from selam_cli.errors import AudioError
from selam_cli.sound.cues import Cues
from selam_cli.sound.decode import Pcm, ReplyDecoder
from selam_cli.sound.reference import RenderReference
from selam_cli.sound.resample import Resampler

MAX_REPLY_S: Final = 600
"""Seconds of a reply that are taken at most: an endless one must not fill the memory."""

TINY_S: Final = 0.01
"""A piece shorter than this is kept with the one before it: alone, its object would take more memory than its sound."""

MAX_KEPT_S: Final = 600
"""Seconds of the last reply that are kept for `replay`."""


class ReplyPlayer:
    """Decodes a reply as it streams and plays it; one reply after another, the next one begins by itself.

    While `held` the sound of a reply is kept back: the agent does not speak while the user talks.
    """

    def __init__(self, *, keep: Callable[[Pcm], None] | None = None) -> None:
        """`keep` is given every decoded piece at the reply's own rate, for a caller that writes it to a file."""
        self._keep = keep
        self._buffer: PlayoutBuffer | None = None
        self._learned = PlayoutDelay()
        self._decoder: ReplyDecoder | None = None
        self._resampler: tuple[int, Resampler] | None = None
        self._held: list[Samples] | None = None
        self._last: list[Pcm] = []
        """The reply so far, each piece at the rate of its speaker, for `replay` and for another speaker."""
        self._last_s = 0.0
        self._heard_before_s = 0.0
        """How much of the reply was heard from the speaker before this one."""
        self._complete = False
        self._gain = self._sounding_gain = 1.0
        self._sounding_block: Samples = np.zeros(0, np.int16)
        self.voiced = VoicedTime()
        """Where in the reply there is voice."""
        self._replaying = False
        self.cues = Cues()
        self.rate_hz = WIRE_RATE_HZ
        self.reference = RenderReference()
        self.delay: Callable[[], float] = lambda: 0.0
        """Asks the speaker for the time in seconds from the pull to the ear; it may change with its block length."""
        self.active = False
        self.chunks = 0
        self.decoded_s = 0.0

    # --- the speaker's side -------------------------------------------------------------------------------------------

    def make_pull(self, rate_hz: int) -> Callable[[int], Samples]:
        """Return what a speaker of this rate calls for sound: frames → that many mono int16 samples.

        A reply that sounds, or is held, moves to this speaker, and goes on there from what was heard of it.
        """
        self._buffer = buffer = self._handed_over(PlayoutBuffer(rate_hz, self._learned), rate_hz)
        self.cues.make_for(rate_hz)

        def pull(frames: int) -> Samples:
            block = buffer.pull(frames)
            if buffer is not self._buffer:  # a speaker that is being replaced may call for a last time
                return self._at_volume(block)
            self._sounding_block = block = self._at_volume(self.cues.mixed_into(block))
            self.reference.rendered(block, rate_hz)
            return block

        return pull

    def _handed_over(self, buffer: PlayoutBuffer, rate_hz: int) -> PlayoutBuffer:
        rest = self._kept_for_replay(self._drained_resampler())
        before, heard_s, sounding = self._buffer, self.heard_s, self.sounding
        if sounding:
            buffer.begin()
        if self._held is not None:
            self._held = at_rate([Pcm(samples, self.rate_hz) for samples in (*self._held, rest)], rate_hz)
        elif sounding and before is not None:
            buffer.write_kept(at_rate(self._last, rate_hz, since_s=heard_s))
            if self._complete:
                buffer.finish()
        if before is not None:
            before.stop()  # its speaker may live on for a moment
        self._heard_before_s = heard_s if self.active else 0.0
        self.rate_hz = rate_hz
        return buffer

    def set_volume(self, volume: int) -> None:
        """Set the loudness, 0 to 100; the scale is squared, as hearing is nearer to that than to a straight line."""
        self._gain = (volume / 100) ** 2

    def _at_volume(self, block: Samples) -> Samples:
        """Another volume comes as a slope over one block: a step would click."""
        before, gain = self._sounding_gain, self._gain
        self._sounding_gain = gain
        if before == gain == 1.0:
            return block
        slope = np.linspace(before, gain, len(block), dtype=np.float32)
        return (block * slope).astype(np.int16)

    @property
    def level_dbfs(self) -> float:
        """RMS in dBFS of what was handed to the speaker last."""
        return pcm.dbfs(pcm.rms(self._sounding_block))

    # --- the wire's side ----------------------------------------------------------------------------------------------

    def feed(self, chunk: ReplyChunk, *, goes_on: bool = False) -> None:
        """Take a chunk of the reply. Raises AudioError where it cannot be decoded, once a reply.

        `goes_on`: it is more of the chunk before, with which it came.
        """
        if not self.active or self._complete:
            self._begin()
        if not goes_on:
            self.chunks += 1
        if self._decoder is not None:
            try:
                pieces = self._converted(self._decoder.feed(chunk.audio, chunk.format, chunk.sample_rate))
                self._play(pieces, goes_on=goes_on)
            except AudioError:
                self._decoder = None  # reported by the caller; what follows of this reply is only counted
                raise

    def finish(self) -> None:
        """The reply's sound is complete. Raises AudioError where its end cannot be decoded."""
        if not self.active or self._complete:
            return
        self._complete = True
        rest: list[Samples] = []
        try:
            if self._decoder is not None:
                rest = [*self._converted(self._decoder.finish()), *self._drained_resampler()]
        finally:
            self._finish(rest)

    def stop(self) -> float:
        """Silence the reply now and forget the rest; return how many seconds of it were heard."""
        heard_s = self.heard_s
        if self._buffer is not None:
            self._buffer.stop()
        self._decoder = None
        self._held = [] if self._held is not None else None
        self.active = False
        return heard_s

    def hold(self) -> None:
        """Keep back what comes: the user is talking."""
        if self._held is None:
            self._held = []

    def let_go(self) -> bool:
        """Play what was kept back; False where nothing was."""
        held, self._held = self._held, None
        if not held or not self.active:
            return False
        if self._buffer is not None:
            self._buffer.write_kept(held)
            if self._complete:
                self._buffer.finish()
        return True

    def replay(self) -> bool:
        """Play the last reply again from its beginning; False where there is none."""
        if not self._last or self._buffer is None:
            return False
        self._heard_before_s = 0.0
        self._buffer.begin()
        self._buffer.write_kept(at_rate(self._last, self.rate_hz))
        self._buffer.finish()
        self.active = self._complete = self._replaying = True
        return True

    @property
    def holds_sound(self) -> bool:
        """Whether sound of the reply was kept back."""
        return bool(self._held)

    @property
    def complete(self) -> bool:
        """Whether all of the reply's sound has come."""
        return self._complete

    @property
    def replaying(self) -> bool:
        """Whether what sounds is a reply that was played before."""
        return self.active and self._replaying

    @property
    def drained(self) -> bool:
        """Whether the reply is complete and has been played to its end."""
        return self._complete and self._held is None and (self._buffer is None or self._buffer.drained)

    @property
    def heard_s(self) -> float:
        """Seconds of the reply that have left the speaker."""
        if self._buffer is None:
            return 0.0
        rendered_s = self._heard_before_s + self._buffer.rendered_samples / self.rate_hz
        late_s = 0.0 if self._buffer.drained else self.delay()
        return max(0.0, min(self.decoded_s, rendered_s - late_s))

    @property
    def has_gaps(self) -> bool:
        """Whether the reply comes with gaps that lie in the way it was encoded."""
        return self._decoder is not None and self._decoder.has_gaps

    @property
    def sounding(self) -> bool:
        """Whether a reply is being played or about to be."""
        return self.active and not self.drained

    @property
    def audible(self) -> bool:
        """Whether there is a reply and a speaker for it."""
        return self.active and self._buffer is not None

    @property
    def fading(self) -> bool:
        """Whether a reply that was stopped has yet to be handed to the speaker to the end of its fade."""
        return self._buffer is not None and self._buffer.fading

    @property
    def playout(self) -> tuple[float, float, int]:
        """Buffered ms, target ms and breaks: how the playing goes."""
        if self._buffer is None:
            return 0.0, 0.0, 0
        return self._buffer.buffered_ms, float(self._buffer.target_ms), self._buffer.breaks

    def _begin(self) -> None:
        self._decoder = ReplyDecoder()
        self._resampler = None
        self._last, self._last_s, self._heard_before_s = [], 0.0, 0.0
        self.active, self._complete, self._replaying = True, False, False
        self.chunks, self.decoded_s, self.voiced = 0, 0.0, VoicedTime()
        if self._held is not None:
            self._held = []
        if self._buffer is not None:
            self._buffer.begin()

    def _converted(self, pieces: list[Pcm]) -> list[Samples]:
        """Return pieces at the speaker's rate."""
        converted: list[Samples] = []
        for piece in self._in_bounds(pieces):
            self.decoded_s += len(piece.samples) / piece.rate_hz
            self.voiced.feed(piece.samples, piece.rate_hz)
            if self._keep is not None:
                self._keep(piece)
            if self._resampler is None or self._resampler[0] != piece.rate_hz:
                converted += self._drained_resampler()
                self._resampler = (piece.rate_hz, Resampler(piece.rate_hz, self.rate_hz))
            converted.append(self._resampler[1].process(piece.samples))
        return converted

    def _in_bounds(self, pieces: list[Pcm]) -> Iterator[Pcm]:
        for piece in pieces:
            left = max(0, round((MAX_REPLY_S - self.decoded_s) * piece.rate_hz))
            yield piece if len(piece.samples) <= left else Pcm(piece.samples[:left], piece.rate_hz)
            if len(piece.samples) > left:
                raise AudioError(
                    f"The reply's sound is longer than {MAX_REPLY_S // 60} minutes.", "It is played no further."
                )

    def _drained_resampler(self) -> list[Samples]:
        resampler, self._resampler = self._resampler, None
        return [] if resampler is None else [resampler[1].flush()]

    def _play(self, pieces: list[Samples], *, goes_on: bool) -> None:
        # In one: for the buffer, what is written at a time has arrived at a time.
        samples = self._kept_for_replay(pieces)
        if self._held is not None:
            self._held += [samples] if len(samples) else []
        elif self._buffer is not None:
            (self._buffer.write_on if goes_on else self._buffer.write)(samples)

    def _finish(self, rest: list[Samples]) -> None:
        samples = self._kept_for_replay(rest)
        if self._held is not None:
            self._held += [samples] if len(samples) else []
        elif self._buffer is not None:
            self._buffer.finish(samples)

    def _kept_for_replay(self, pieces: list[Samples]) -> Samples:
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        if len(samples) and self._last_s < MAX_KEPT_S:
            self._keep_for_replay(samples)
            self._last_s += len(samples) / self.rate_hz
        return samples

    def _keep_for_replay(self, samples: Samples) -> None:
        last = self._last[-1] if self._last else None
        tiny = int(TINY_S * self.rate_hz)
        if last is not None and last.rate_hz == self.rate_hz and len(samples) < tiny and len(last.samples) < tiny:
            self._last[-1] = Pcm(np.concatenate((last.samples, samples)), self.rate_hz)
        else:
            self._last.append(Pcm(samples, self.rate_hz))


def at_rate(pieces: list[Pcm], rate_hz: int, *, since_s: float = 0.0) -> list[Samples]:
    """Return sound that was made for one speaker, or several, for another, from `since_s` after its beginning."""
    converted: list[Samples] = []
    resampler: tuple[int, Resampler] | None = None
    passed_s = 0.0
    for piece in pieces:
        skipped = max(0, round((since_s - passed_s) * piece.rate_hz))
        passed_s += len(piece.samples) / piece.rate_hz
        if resampler is not None and resampler[0] != piece.rate_hz:
            converted.append(resampler[1].flush())
            resampler = None
        if resampler is None:
            resampler = (piece.rate_hz, Resampler(piece.rate_hz, rate_hz))
        converted.append(resampler[1].process(piece.samples[skipped:]))
    if resampler is not None:
        converted.append(resampler[1].flush())
    return [samples for samples in converted if len(samples)]
