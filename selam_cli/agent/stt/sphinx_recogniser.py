"""pocketsphinx at work, in a worker process: streaming, and an utterance depends on its own speaker alone.

What decides its errors is the cepstral mean that the acoustic model wants taken off: with the library's own start value
one word in eight of a first sentence is wrong, and its running mean would carry one speaker's sound into the next one's
words. So the mean is measured: of a speaker's first utterance on 1.5 s before any of it is decoded, then four times a
second; after that there is what was measured before.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from selam_cli.agent.providers import Heard
from selam_cli.agent.stt.voicing import has_voice
from selam_cli.agent.worker.program import Memory
from selam_cli.core.protocol import WIRE_RATE_HZ

_BYTES_A_SECOND: Final = 2 * WIRE_RATE_HZ
FIRST_HELD_BYTES: Final = _BYTES_A_SECOND * 3 // 2
HELD_BYTES: Final = _BYTES_A_SECOND // 2
MEASURED_EVERY_BYTES: Final = _BYTES_A_SECOND // 4
KEPT_ZEROS_BYTES: Final = _BYTES_A_SECOND // 5
"""Exact zeros are no sound of a microphone: of a run of them at most this much is decoded, at the end none."""
SHORTEST_BYTES: Final = _BYTES_A_SECOND // 10

ANYBODYS_MEAN: Final = np.array([53.1, -0.6, -3.4, 5.5, -1.5, -0.1, -5.6, -3.8, -4.3, -1.0, -3.0, -0.8, 0.7])
"""The mean over the recordings of people that pocketsphinx is tested with, each speaker counting alike."""
ANYBODYS_FRAMES: Final = 30
SPEAKERS_FRAMES: Final = 150
"""How much ANYBODYS_MEAN, and the speaker's own earlier mean, count against what is measured now."""
REMEMBERED_FRAMES: Final = 400
_LIVE_WINDOW_FRAMES: Final = 500
"""The frames for which a mean that is set counts in pocketsphinx' running mean (CMN_WIN)."""
_NO_WORD: Final = re.compile(r"\(\d+\)|<[^>]*>|\[[^\]]*\]|\+\+\w+\+\+")


class SphinxRecogniser:
    """English, with partials."""

    def __init__(self) -> None:
        # More Gaussians (topn) cost a tenth of the time. With a second pass over the words (fwdflat, which is the
        # default) the end takes some 80 ms longer, and one wrong word in five is put right.
        self._decoder = Decoder(loglevel="ERROR", topn=8)
        self._mean = MeanMeter()
        self._memory: Memory = None
        self._clear()

    def begin(self, language: str | None, memory: Memory) -> None:
        """Begin an utterance; `memory` is the speaker's mean."""
        self.drop()
        self._memory = memory
        self._decoder.reinit_feat()  # the front end follows the noise, and would go on from the last speaker's
        self._held_bytes = FIRST_HELD_BYTES if memory is None else HELD_BYTES
        self._mean.begin(memory)

    def feed(self, audio: bytes) -> str | None:
        """Decode what there is of it."""
        self._zeros += audio
        if not self._zeros.strip(b"\0"):
            return None
        self._take_sound()
        if len(self._sound) < self._held_bytes:
            return None
        words = self._decode()
        # A partial result cuts the agent's reply off, so a cough that looks like words must not be reported either.
        return words if words and self._is_voiced() else None

    def finish(self) -> tuple[Heard, Memory]:
        """Decode the rest; a sound without a voice is no words, whatever the decoder made of it."""
        if len(self._sound) < SHORTEST_BYTES or not self._is_voiced():
            self.drop()
            return Heard("", "en"), self._memory
        self._decode()
        self._end_utterance()
        text = self._words()
        memory = self._mean.remembered() if text else self._memory
        self._clear()
        return Heard(text, "en"), memory

    def drop(self) -> None:
        """Forget the utterance."""
        self._end_utterance()
        self._clear()

    def _clear(self) -> None:
        self._sound = bytearray()
        self._zeros = bytearray()
        self._decoded_bytes = 0
        self._measured_bytes = 0
        self._decoding = False
        self._voiced = False

    def _take_sound(self) -> None:
        """Move on what has come, with runs of zeros cut short; zeros at its end wait for what follows them."""
        come = bytes(self._zeros)
        sound_ends = 2 * -(-len(come.rstrip(b"\0")) // 2)
        sound_begins = 2 * ((len(come) - len(come.lstrip(b"\0"))) // 2)
        self._sound += come[max(0, sound_begins - KEPT_ZEROS_BYTES) : sound_ends]
        self._zeros = bytearray(come[sound_ends:])

    def _decode(self) -> str:
        if not self._decoding:
            self._decoder.start_utt()
            self._decoding = True
        if self._decoded_bytes == 0 or len(self._sound) - self._measured_bytes >= MEASURED_EVERY_BYTES:
            self._decoder.set_cmn(self._mean.with_more(bytes(self._sound[self._measured_bytes :])))
            self._measured_bytes = len(self._sound)
        piece = bytes(self._sound[self._decoded_bytes :])
        self._decoded_bytes = len(self._sound)
        if piece:
            self._decoder.process_raw(piece, False, False)  # noqa: FBT003  # its parameters have no names in C
        return self._words()

    def _is_voiced(self) -> bool:
        self._voiced = self._voiced or has_voice(bytes(self._sound))
        return self._voiced

    def _words(self) -> str:
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else " ".join(_NO_WORD.sub("", hypothesis.hypstr).split())

    def _end_utterance(self) -> None:
        if self._decoding:
            self._decoder.end_utt()
            self._decoding = False


class MeanMeter:
    """Measures an utterance's cepstral mean with pocketsphinx' own front end, piece by piece."""

    def __init__(self) -> None:
        # It searches for one keyword, the least that a decoder can be made to do.
        self._front_end = Decoder(loglevel="ERROR", lm=None, keyphrase="hello", kws_threshold=0.1, bestpath=False)
        self.begin(None)

    def begin(self, memory: Memory) -> None:
        """Another utterance begins; `memory` is what `remembered` returned after the speaker's last one."""
        self._front_end.reinit_feat()
        self._memory = None if memory is None else np.array(memory)
        self._frames = 0
        self._sum = np.zeros(len(ANYBODYS_MEAN))

    def with_more(self, audio: bytes) -> str:
        """Return the mean with this piece counted in, as pocketsphinx wants it."""
        self._front_end.set_cmn(_written(np.zeros(len(ANYBODYS_MEAN))))
        self._front_end.start_utt()
        if audio:
            self._front_end.process_raw(audio, False, False)  # noqa: FBT003  # its parameters have no names in C
        diluted = np.array([float(part) for part in self._front_end.get_cmn(True).split(",")])  # noqa: FBT003
        frames = self._front_end.n_frames()
        self._front_end.end_utt()
        self._sum = self._sum + diluted * (_LIVE_WINDOW_FRAMES + frames)
        self._frames += frames
        if self._memory is None:
            return _written(self._with(ANYBODYS_MEAN, ANYBODYS_FRAMES))
        return _written(self._with(self._memory, SPEAKERS_FRAMES))

    def remembered(self) -> Memory:
        """Return what is known of the speaker after this utterance."""
        if self._memory is None:
            mean = self._with(ANYBODYS_MEAN, ANYBODYS_FRAMES)
        else:
            mean = self._with(self._memory, REMEMBERED_FRAMES)
        return [round(float(value), 3) for value in mean]

    def _with(self, mean: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
        return (self._sum + frames * mean) / (self._frames + frames)


def _written(mean: NDArray[np.float64]) -> str:
    return ",".join(f"{value:.4f}" for value in mean)
