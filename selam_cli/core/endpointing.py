"""Turn-taking on 20 ms frames: when the user began to speak, was done, or spoke over the agent.

Pure: loudness and the voice detector's verdict come in with each frame. A frame is speech when its RMS is above
`vad_threshold` and the detector says that it is voiced: either alone is fooled, the first by loud noise, the second by
keyboard clicks. Counting frames of 20 ms, whatever the chunks were, is what makes an `interrupt_threshold` of 8 mean
160 ms of speech.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from selam_cli.core.protocol import WIRE_RATE_HZ

FRAME_MS: Final = 20
FRAME_BYTES: Final = 2 * WIRE_RATE_HZ * FRAME_MS // 1_000
_SILENT_FRAME: Final = bytes(FRAME_BYTES)

START_MS: Final = 60
"""Speech shorter than this begins no turn: a click, a breath."""

END_OF_SPEECH_MS: Final = 700
MAX_UTTERANCE_S: Final = 120
KEPT_TRAIL_MS: Final = 200
"""How much of the silence that ended an utterance stays on it."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user began to speak; `audio` is what was said so far with its pre-roll, PCM16 at 16 kHz."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The user is done; `audio` is PCM16 at 16 kHz with its pre-roll, `reason` silence, closed, or length."""

    audio: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class BargedIn:
    """The user spoke over the agent for long enough to mean it."""


TurnEvent = SpeechStarted | SpeechEnded | BargedIn


class Framer:
    """Cuts PCM16 bytes, in pieces of any length, into frames of 20 ms."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, audio: bytes) -> list[bytes]:
        """Return the frames that are complete."""
        self._rest += audio
        whole = len(self._rest) // FRAME_BYTES * FRAME_BYTES
        frames = [self._rest[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES)]
        self._rest = self._rest[whole:]
        return frames

    def reset(self) -> None:
        """Forget the beginning of a frame."""
        self._rest = b""


class TurnDetector:
    """Follows one session's frames. `agent_speaking` is set from outside: only then can the user barge in."""

    def __init__(
        self,
        vad_threshold: int,
        interrupt_threshold: int,
        *,
        pre_roll_ms: int = 300,
        end_of_speech_ms: int = END_OF_SPEECH_MS,
        closing_silence_ms: int = 500,
    ) -> None:
        self._vad_threshold = vad_threshold
        self._interrupt_threshold = interrupt_threshold
        self._end_frames = end_of_speech_ms // FRAME_MS
        self._closing_frames = closing_silence_ms // FRAME_MS
        self._pre_roll_frames = pre_roll_ms // FRAME_MS
        most_needed = max(START_MS // FRAME_MS, interrupt_threshold)
        self._before: deque[bytes] = deque(maxlen=self._pre_roll_frames + most_needed)
        self._utterance: list[bytes] | None = None
        self._voiced = 0
        self._silent = 0
        self._zeros = 0
        self.agent_speaking = False

    @property
    def speaking(self) -> bool:
        """Whether an utterance is under way."""
        return self._utterance is not None

    def frame(self, frame: bytes, rms: float, *, voiced: bool) -> tuple[TurnEvent, ...]:
        """Take one frame of PCM16 with its RMS in int16 units; return what it means, mostly nothing."""
        speech = voiced and rms > self._vad_threshold
        self._voiced = self._voiced + 1 if speech else 0
        self._silent = 0 if speech else self._silent + 1
        self._zeros = self._zeros + 1 if frame == _SILENT_FRAME else 0
        if self._utterance is None:
            return self._while_quiet(frame)
        self._utterance.append(frame)
        return self._while_speaking()

    def drop(self) -> None:
        """Forget what is being said and what was heard before it."""
        self._utterance = None
        self._before.clear()
        self._voiced = self._silent = self._zeros = 0

    def _while_quiet(self, frame: bytes) -> tuple[TurnEvent, ...]:
        if self._before or frame != _SILENT_FRAME:  # what is left of a closing silence is no pre-roll
            self._before.append(frame)
        needed = self._interrupt_threshold if self.agent_speaking else START_MS // FRAME_MS
        if self._voiced < needed:
            return ()
        self._utterance = list(self._before)[-(self._pre_roll_frames + self._voiced) :]
        self._before.clear()
        started = SpeechStarted(b"".join(self._utterance))
        return (BargedIn(), started) if self.agent_speaking else (started,)

    def _while_speaking(self) -> tuple[TurnEvent, ...]:
        assert self._utterance is not None  # noqa: S101  # the caller has checked
        if self._zeros >= self._closing_frames:
            return (self._ended("closed", self._zeros),)
        if self._silent >= self._end_frames:
            return (self._ended("silence", max(0, self._silent - KEPT_TRAIL_MS // FRAME_MS)),)
        if len(self._utterance) * FRAME_MS >= MAX_UTTERANCE_S * 1_000:
            return (self._ended("length", 0),)
        return ()

    def _ended(self, reason: str, surplus: int) -> SpeechEnded:
        frames = self._utterance or []
        audio = b"".join(frames[: len(frames) - surplus])
        self.drop()
        return SpeechEnded(audio, reason)
