"""The agent's side of a turn: its sound from the wire to the speaker, and how much of it was heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from selam_cli.core import pcm
from selam_cli.core.pcm import Samples
from selam_cli.core.playout import PlayoutBuffer
from selam_cli.core.protocol import WIRE_RATE_HZ, ReplyChunk
from selam_cli.errors import AudioError
from selam_cli.sound.decode import Pcm, ReplyDecoder
from selam_cli.sound.resample import Resampler

MAX_KEPT_S: Final = 600
"""Seconds of the last reply that are kept for `replay`."""


class ReplyPlayer:
    """Decodes a reply as it streams and plays it; one reply after another, the next one begins by itself.

    While `held` the sound of a reply is kept back: nobody is spoken to while talking.
    """

    def __init__(self, *, keep: Callable[[Pcm], None] | None = None) -> None:
        """`keep` is given every decoded piece at the reply's own rate, for whoever writes it to a file."""
        self._keep = keep
        self._buffer: PlayoutBuffer | None = None
        self._decoder: ReplyDecoder | None = None
        self._resampler: tuple[int, Resampler] | None = None
        self._held: list[Samples] | None = None
        self._last: list[Samples] = []
        self._last_samples = 0
        self._complete = False
        self._gain = 1.0
        self._sounding_block: Samples = np.zeros(0, np.int16)
        self.rate_hz = WIRE_RATE_HZ
        self.delay: Callable[[], float] = lambda: 0.0
        """Asks the speaker for the time in seconds from the pull to the ear; it may change with its block length."""
        self.active = False
        self.chunks = 0
        self.decoded_s = 0.0

    # --- the speaker's side -------------------------------------------------------------------------------------------

    def make_pull(self, rate_hz: int) -> Callable[[int], Samples]:
        """Return what a speaker of this rate calls for sound: frames → that many mono int16 samples."""
        self._buffer = buffer = PlayoutBuffer(rate_hz)
        self._resampler = None
        self._last = []  # made for the rate of the speaker before
        self.rate_hz = rate_hz

        def pull(frames: int) -> Samples:
            block = buffer.pull(frames)
            if self._gain != 1.0:
                block = (block * self._gain).astype(np.int16)
            self._sounding_block = block
            return block

        return pull

    def set_volume(self, volume: int) -> None:
        """Set the loudness, 0 to 100; the scale is squared, as hearing is nearer to that than to a straight line."""
        self._gain = (volume / 100) ** 2

    @property
    def level_dbfs(self) -> float:
        """RMS in dBFS of what was handed to the speaker last."""
        return pcm.dbfs(pcm.rms(self._sounding_block))

    # --- the wire's side ----------------------------------------------------------------------------------------------

    def feed(self, chunk: ReplyChunk) -> None:
        """Take a chunk of the reply. Raises AudioError where it cannot be decoded, once a reply."""
        if not self.active or self._complete:
            self._begin()
        self.chunks += 1
        if self._decoder is not None:
            try:
                self._take(self._decoder.feed(chunk.audio, chunk.format, chunk.sample_rate))
            except AudioError:
                self._decoder = None  # reported by whoever calls; what follows of this reply is only counted
                raise

    def finish(self) -> None:
        """The reply's sound is complete. Raises AudioError where its end cannot be decoded."""
        if not self.active or self._complete:
            return
        self._complete = True
        try:
            if self._decoder is not None:
                self._take(self._decoder.finish())
                self._drain_resampler()
        finally:
            if self._buffer is not None and self._held is None:
                self._buffer.finish()

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
            for samples in held:
                self._buffer.write(samples)
            if self._complete:
                self._buffer.finish()
        return True

    def replay(self) -> bool:
        """Play the last reply again from its beginning; False where there is none."""
        if not self._last or self._buffer is None:
            return False
        self._buffer.begin()
        for samples in self._last:
            self._buffer.write(samples)
        self._buffer.finish()
        self.active = self._complete = True
        return True

    @property
    def drained(self) -> bool:
        """Whether the reply is complete and has been played to its end."""
        return self._complete and self._held is None and (self._buffer is None or self._buffer.drained)

    @property
    def heard_s(self) -> float:
        """Seconds of the reply that have left the speaker."""
        if self._buffer is None:
            return 0.0
        rendered_s = self._buffer.rendered_samples / self.rate_hz
        late_s = 0.0 if self._buffer.drained else self.delay()
        return max(0.0, min(self.decoded_s, rendered_s - late_s))

    @property
    def sounding(self) -> bool:
        """Whether a reply is being played or about to be."""
        return self.active and not self.drained

    @property
    def audible(self) -> bool:
        """Whether there is a reply and a speaker for it."""
        return self.active and self._buffer is not None

    @property
    def playout(self) -> tuple[float, float, int]:
        """Buffered ms, target ms and breaks, for whoever asks how the playing goes."""
        if self._buffer is None:
            return 0.0, 0.0, 0
        return self._buffer.buffered_ms, self._buffer.target_ms, self._buffer.breaks

    def _begin(self) -> None:
        self._decoder = ReplyDecoder()
        self._resampler = None
        self._last, self._last_samples = [], 0
        self.active, self._complete = True, False
        self.chunks, self.decoded_s = 0, 0.0
        if self._held is not None:
            self._held = []
        if self._buffer is not None:
            self._buffer.begin()

    def _take(self, pieces: list[Pcm]) -> None:
        for piece in pieces:
            self.decoded_s += len(piece.samples) / piece.rate_hz
            if self._keep is not None:
                self._keep(piece)
            if self._resampler is None or self._resampler[0] != piece.rate_hz:
                self._drain_resampler()
                self._resampler = (piece.rate_hz, Resampler(piece.rate_hz, self.rate_hz))
            self._play(self._resampler[1].process(piece.samples))

    def _drain_resampler(self) -> None:
        if self._resampler is not None:
            self._play(self._resampler[1].flush())
            self._resampler = None

    def _play(self, samples: Samples) -> None:
        if not len(samples):
            return
        if self._last_samples < MAX_KEPT_S * self.rate_hz:
            self._last.append(samples)
            self._last_samples += len(samples)
        if self._held is not None:
            self._held.append(samples)
        elif self._buffer is not None:
            self._buffer.write(samples)
