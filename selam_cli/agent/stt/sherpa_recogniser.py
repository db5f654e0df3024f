"""sherpa-onnx at work, in a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sherpa_onnx

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.stt import sherpa
from selam_cli.agent.stt.stretches import Sound, stretches
from selam_cli.agent.stt.voicing import has_voice
from selam_cli.agent.worker.program import Memory
from selam_cli.core.protocol import WIRE_RATE_HZ


class SherpaRecogniser:
    """Any language, whole utterances. Raises EngineFault for a model that can't be used."""

    def __init__(self, folder: str) -> None:
        place = Path(folder)
        if (why_not := sherpa.available(place)) is not None:
            raise EngineFault("session_error", why_not)
        self._language: str | None = None
        self._sound = bytearray()
        with _the_models_fault(place):
            self._recognizer = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
                model=str(sherpa.model_in(place)), tokens=str(place / sherpa.TOKENS_NAME), num_threads=2
            )
            # A sound model of another kind is noticed at its first use: better here than in a user's turn.
            self._heard(np.zeros(WIRE_RATE_HZ // 2, np.float32))
        self._folder = place

    def begin(self, language: str | None, memory: Memory) -> None:
        """Begin an utterance."""
        self._language = language
        self._sound.clear()

    def feed(self, audio: bytes) -> None:
        """Keep it for the end."""
        self._sound += audio

    def finish(self) -> tuple[Heard, Memory]:
        """Hear the whole of it."""
        audio = bytes(self._sound)
        self._sound.clear()
        with _the_models_fault(self._folder):
            texts = [self._heard(stretch) for stretch in stretches(audio)] if has_voice(audio) else []
        return Heard(" ".join(text for text in texts if text), self._language), None

    def drop(self) -> None:
        """Forget the utterance."""
        self._sound.clear()

    def _heard(self, stretch: Sound) -> str:
        stream = self._recognizer.create_stream()
        stream.accept_waveform(WIRE_RATE_HZ, stretch)
        self._recognizer.decode_stream(stream)
        return str(stream.result.text).strip()


@contextmanager
def _the_models_fault(folder: Path) -> Iterator[None]:
    """What the library fails with is the model's doing: a file is damaged, or does not belong to the other."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError):
        raise EngineFault("session_error", sherpa.unusable(folder)) from None
