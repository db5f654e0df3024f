"""sherpa-onnx at work as a voice, in a worker process: it ends its process where a model is not what it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import sherpa_onnx

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.tts import sherpa


class SherpaSpeaker:
    """One voice, whole sentences. Raises EngineFault for a model that can't be used."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        model, tokens = sherpa.model_in(self._folder), self._folder / sherpa.TOKENS_NAME
        if model is None or not tokens.read_bytes().strip():  # without a letter the library is silent
            raise EngineFault("session_error", sherpa.unusable(self._folder))
        lexicon, dictionaries = self._folder / "lexicon.txt", self._folder / sherpa.DICTIONARIES_NAME
        vits = sherpa_onnx.OfflineTtsVitsModelConfig(
            model=str(model),
            tokens=str(tokens),
            lexicon=str(lexicon) if lexicon.is_file() else "",
            data_dir=str(dictionaries) if dictionaries.is_dir() else "",
        )
        config = sherpa_onnx.OfflineTtsConfig(model=sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=2))
        try:
            self._voice = sherpa_onnx.OfflineTts(config)
            # A model of another kind is noticed at its first use: better here than in a user's turn.
            self.speak("a")
        except (RuntimeError, ValueError, IndexError):
            raise EngineFault("session_error", sherpa.unusable(self._folder)) from None

    def speak(self, text: str) -> tuple[bytes, int]:
        """Return a sentence's sound; none where the model knows no letter of it."""
        made = self._voice.generate(text)
        samples = np.asarray(made.samples, dtype=np.float32)
        pcm = np.clip(np.rint(samples * 32_767), -32_768, 32_767).astype("<i2")
        return pcm.tobytes(), int(made.sample_rate or self._voice.sample_rate)

    def drop(self) -> None:
        """Nothing is kept of a sentence."""
