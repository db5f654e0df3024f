"""How loud a room is without speech, and which `vad_threshold` follows from that."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_cli.core import pcm
from selam_cli.core.events import Notice
from selam_cli.core.pcm import FlatLine, Samples

LISTEN_S: Final = 2.0
WARM_UP_S: Final = 0.2
"""A microphone that has just been opened begins with silence, or with a click."""

GIVE_UP_S: Final = 5.0
FRAME_MS: Final = 20
LOWEST: Final = 200
HIGHEST: Final = 4_000
ABOVE_NOISE: Final = 3
"""Speech at a hand's breadth is 10 dB and more above a room in which one can talk."""

SPREAD_DB: Final = 15.0
"""Steady noise stays within a few dB; a voice, a door or a keyboard does not."""


class NoiseMeter:
    """Listens to the room for a moment."""

    def __init__(self) -> None:
        self._heard: list[Samples] = []
        self._heard_s = 0.0
        self._flat = FlatLine()
        self._enough = asyncio.Event()
        self._disturbance = ""

    def start_over(self) -> None:
        """Let go of what was heard: another microphone listens from now on."""
        self._heard.clear()
        self._heard_s = 0.0
        self._flat = FlatLine()

    def disturb(self, by: str) -> None:
        """End without a result, because of what is heard besides the room: `you talk`, `the agent speaks`."""
        self._disturbance = by
        self._enough.set()

    def feed(self, samples: Samples, _ended_at: float) -> None:
        """Take a block of the room's sound."""
        before, self._heard_s = self._heard_s, self._heard_s + pcm.seconds_of(len(samples))
        if before >= WARM_UP_S and not self._enough.is_set():
            self._heard.append(samples)
            self._flat.feed(samples)
        if self._heard_s >= WARM_UP_S + LISTEN_S:
            self._enough.set()

    async def listen(self) -> None:
        """Wait until enough was heard, by the microphone's own time, or it is clear that nothing comes."""
        try:
            await asyncio.wait_for(self._enough.wait(), GIVE_UP_S)
        except TimeoutError:
            return

    @property
    def verdict(self) -> Notice:
        """What to tell the user; the remedy of a measurement that worked is the command that takes it over."""
        if self._disturbance:
            return _failed(f"The room is not measured while {self._disturbance}.", "Try again.")
        frames = self._frames()
        if not len(frames):
            return _failed("The microphone delivered no sound.", "Choose another.")
        if self._flat.seconds >= LISTEN_S / 2:
            return _failed("The microphone is silent: nothing comes in.", "Look for a mute switch, or choose another.")
        noise = float(np.percentile(frames, 95))
        proposal = max(LOWEST, round(noise * ABOVE_NOISE, -1))
        told = f"This room's noise is {pcm.dbfs(noise):.0f} dBFS"
        spread_db = pcm.dbfs(noise) - pcm.dbfs(float(np.percentile(frames, 20)))
        if spread_db > SPREAD_DB and proposal > LOWEST:
            return _failed(f"{told}, but not steadily: somebody spoke, or something clattered.", "Try again in quiet.")
        if proposal > HIGHEST:
            return _failed(f"{told}: too loud to tell speech from it.", "Use a headset, or turn the microphone down.")
        proposal = int(proposal)
        message = f"{told}: a vad_threshold of {proposal} keeps it out."
        return Notice("calibrated", "info", message, f"vad-threshold {proposal}")

    def _frames(self) -> NDArray[np.float64]:
        """Return the RMS of each whole frame."""
        heard = np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)
        size = pcm.samples_in(FRAME_MS)
        whole = heard[: len(heard) // size * size].reshape(-1, size)
        loudness: NDArray[np.float64] = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1))
        return loudness


def _failed(message: str, remedy: str) -> Notice:
    return Notice("calibrated", "warning", message, remedy)
