"""A spoken level: whether what the user says into the microphone is loud enough, and the room quiet enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from selam_cli.core import pcm
from selam_cli.doctor.case import Case
from selam_cli.doctor.finding import Finding, failed, ok, warning
from selam_cli.doctor.sound import SILENT_REMEDY
from selam_cli.doctor.sound_process import OPENING_WITHIN_S, sound_process
from selam_cli.errors import DeviceError

ASK: Final = "Say a sentence now, as you would to the agent."
LISTEN_S: Final = 5.0
VOICE_S: Final = 2.0
"""Seconds of voice that are enough, and end the listening early."""

FRAME_S: Final = 0.02
FULL_SCALE: Final = 32_700
LEAST_VOICE_S: Final = 0.3
ABOVE_ROOM: Final = 2.0
"""A voice that is less than 6 dB above the room cannot be told from it."""

LOWEST_THRESHOLD: Final = 100
SOFT_DBFS, LOUD_DBFS = -36.0, -10.0


@dataclass(slots=True)
class Take:
    """What was heard, in frames of 20 ms."""

    loudness: list[float] = field(default_factory=list)
    voiced: list[bool] = field(default_factory=list)
    peak: int = 0
    flat_s: float = 0.0

    def add(self, line: Mapping[str, Any]) -> None:
        """Take a line of the listening process."""
        self.loudness += line["rms"]
        self.voiced += line["voiced"]
        self.peak = max(self.peak, line["peak"])
        self.flat_s = line["flat_s"]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.loudness) * FRAME_S

    @property
    def room(self) -> float:
        """How loud it is without speech, as RMS: a user who speaks pauses between words."""
        return float(np.percentile(self.loudness, 10)) if self.loudness else 0.0

    @property
    def speech(self) -> list[float]:
        """The loudness of the frames that are a voice."""
        floor = ABOVE_ROOM * self.room
        return [rms for rms, voice in zip(self.loudness, self.voiced, strict=True) if voice and rms > floor]

    @property
    def is_enough(self) -> bool:
        """Whether more sound would say no more."""
        return self.seconds >= LISTEN_S or len(self.speech) * FRAME_S >= VOICE_S


async def spoken_level(case: Case) -> Finding:
    """Ask for a sentence and judge it."""
    take = Take()
    asked = False
    async with sound_process("level", case.settings) as listening:
        try:
            while not take.is_enough:
                line = await listening.line(OPENING_WITHIN_S)
                if line is None:
                    break
                if "reason" in line:
                    return failed("sound.level", DeviceError(line["reason"], line["remedy"]))
                if "rms" in line:
                    if asked:
                        take.add(line)
                    else:
                        case.ask(ASK, LISTEN_S)
                        asked = True
        except TimeoutError:
            pass
    return judged(take, case.settings.vad_threshold)


def judged(take: Take, vad_threshold: int) -> Finding:
    """Say in plain words what a take is worth at a threshold."""
    if not take.loudness:
        return failed("sound.level", DeviceError("The microphone delivered no sound.", "Choose another with --input."))
    if take.flat_s >= take.seconds / 2:
        reason = "The microphone is silent: nothing comes in, however loud one speaks."
        return failed("sound.level", DeviceError(reason, SILENT_REMEDY))
    if len(take.speech) * FRAME_S < LEAST_VOICE_S:
        told = f"No voice was heard, only the room at {pcm.dbfs(take.room):.0f} dBFS."
        return warning("sound.level", told, f"If you spoke: {_LOUDER}, or choose another with --input.")
    return _judged_voice(take, vad_threshold)


_LOUDER: Final = "speak nearer to the microphone, turn it up in the system's sound settings"


def _judged_voice(take: Take, vad_threshold: int) -> Finding:
    voice = float(np.percentile(take.speech, 75))
    told = f"Your voice is at {pcm.dbfs(voice):.0f} dBFS, the room at {pcm.dbfs(take.room):.0f}"
    limit = f"vad_threshold = {vad_threshold} ({pcm.dbfs(vad_threshold):.0f} dBFS)"
    heard = sum(rms > vad_threshold for rms in take.speech) / len(take.speech)
    if heard < 0.5:
        return warning("sound.level", f"{told}: too quiet for {limit}.", _quiet_remedy(take, voice))
    if take.peak >= FULL_SCALE:
        return warning("sound.level", f"{told}, and clips.", "Speak less close, or turn the microphone down.")
    if take.room > vad_threshold:
        remedy = "Use a headset or a quieter room, or raise vad_threshold in the settings (s, then measure the room)."
        return warning("sound.level", f"{told}: the room itself counts as speech at {limit}.", remedy)
    if pcm.dbfs(voice) < SOFT_DBFS:
        return ok("sound.level", f"{told}: soft, and heard.", f"For a better level, {_LOUDER}.")
    loud = "loud, near to clipping" if pcm.dbfs(voice) > LOUD_DBFS else "good"
    return ok("sound.level", f"{told}: {loud}.")


def _quiet_remedy(take: Take, voice: float) -> str:
    proposal = max(LOWEST_THRESHOLD, int(voice / 3 // 10 * 10))
    if proposal < ABOVE_ROOM * take.room:
        return f"{_LOUDER[0].upper()}{_LOUDER[1:]}; a lower threshold would take the room for speech."
    return f"{_LOUDER[0].upper()}{_LOUDER[1:]}, or set vad_threshold = {proposal}."
