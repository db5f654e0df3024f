"""faster-whisper at work, in a worker process."""

from __future__ import annotations

import numpy as np
from faster_whisper import WhisperModel

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.stt.voicing import has_voice
from selam_cli.agent.stt.whisper import LANGUAGES
from selam_cli.agent.worker.program import Memory


class WhisperRecogniser:
    """Whole utterances. Raises EngineFault for a model that can't be had or read."""

    def __init__(self, model: str) -> None:
        self._model = _loaded(model)
        self._language: str | None = None
        self._sound = bytearray()

    def begin(self, language: str | None, memory: Memory) -> None:
        """Begin an utterance."""
        self._language = language if language in LANGUAGES else None
        self._sound.clear()

    def feed(self, audio: bytes) -> None:
        """Keep it for the end."""
        self._sound += audio

    def finish(self) -> tuple[Heard, Memory]:
        """Hear the whole of it. Whisper makes sentences up without speech, so a voice is looked for first."""
        audio = bytes(self._sound)
        self._sound.clear()
        if not has_voice(audio):
            return Heard("", self._language), None
        sound = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
        segments, found = self._model.transcribe(
            sound, language=self._language, beam_size=5, condition_on_previous_text=False
        )
        text = " ".join(segment.text.strip() for segment in segments)
        return Heard(text.strip(), self._language or (found.language if found.language in LANGUAGES else None)), None

    def drop(self) -> None:
        """Forget the utterance."""
        self._sound.clear()


def _loaded(model: str) -> WhisperModel:
    try:
        return WhisperModel(model, device="auto", compute_type="default")
    except ValueError as error:
        raise EngineFault("session_error", f"faster-whisper knows no model {model!r}: {_first_line(error)}") from None
    except Exception as error:  # the library's and its hub's own kinds, which differ from version to version
        raise EngineFault(
            "session_error",
            f"The model {model!r} of faster-whisper cannot be loaded: {_first_line(error)} Download it once with a "
            "network, or name the folder that holds it.",
        ) from None


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if line.endswith((".", "!", "?")) else f"{line}."
