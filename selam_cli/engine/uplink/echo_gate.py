"""From the microphone to the capture, knowing what the speaker plays: the agent must not hear itself.

With echo cancellation the agent's voice is taken out of the sound. Without it, an open microphone is deaf while the
agent sounds (half duplex), and an utterance leaves out the pre-roll where that holds the agent's voice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.core.pcm import Samples, rms, seconds_of
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.errors import AudioError
from selam_cli.sound.front_end import FrontEnd

log = logging.getLogger(__name__)

TAIL_S: Final = 0.25
"""How long the room goes on sounding after the speaker, the microphone's own delay included."""

REMEDY: Final = "Install it: pip install 'selam-voice[aec]'."


class EchoGate:
    """Takes the microphone's blocks and hands them to `deliver`, the agent's voice taken out where that can be done."""

    def __init__(
        self,
        settings: Settings,
        player: ReplyPlayer,
        deliver: Callable[[Samples, float], None],
        emit: Callable[[events.Event], None],
        on_change: Callable[[tuple[str, ...]], None],
    ) -> None:
        """`on_change` is called with what is in force, whenever that changes."""
        self._settings = settings
        self._player = player
        self._deliver = deliver
        self._emit = emit
        self._on_change = on_change
        self._front_end: FrontEnd | None = None
        self._leak = EchoLeak()
        self.in_force: tuple[str, ...] = ()
        """What is done to the sound, by the names of the settings."""

    async def load(self) -> None:
        """Put in force what the settings want and this machine has; report what is wanted and missing."""
        wanted = _wanted(self._settings)
        if not wanted:
            return
        try:
            self._front_end = await asyncio.to_thread(self._loaded, wanted)
        except ImportError as failure:
            log.info("no processing of the microphone: %s", failure)
            self._tell_of_missing()
            return
        self.in_force = wanted
        self._on_change(wanted)

    @property
    def full_duplex(self) -> bool:
        """Whether the user can be heard while the agent speaks."""
        return "echo_cancellation" in self.in_force

    def on_block(self, samples: Samples, ended_at: float) -> None:
        """Take a block from the microphone; `ended_at` is the monotonic time of its last sample."""
        if not self.full_duplex and ended_at - seconds_of(len(samples)) < self._quiet_from:
            self._leak.heard(rms(samples), ended_at)
        if self._front_end is not None:
            try:
                samples, ended_at = self._front_end.process(samples, ended_at)
            except AudioError as failure:  # unprocessed sound is better than none
                self._give_up(failure)
        if len(samples):
            self._deliver(samples, ended_at)

    def only_the_user(self, samples: Samples, ended_at: float) -> Samples:
        """Return a block of an open microphone, or as much silence where the agent may be heard in it.

        Silence, because time goes on: the server's detector has to see that an utterance has ended.
        """
        if self.full_duplex:
            return samples
        heard_alone = not self._player.sounding and ended_at - seconds_of(len(samples)) >= self._quiet_from
        return samples if heard_alone else np.zeros_like(samples)

    def clean_from(self, pressed_at: float, vad_threshold: int) -> float:
        """Return from when on the microphone holds no agent's voice that counts as speech; at the latest `pressed_at`.

        What comes after the key is always the user's, and a headset's user keeps the whole pre-roll.
        """
        if self.full_duplex or not self._leak.loud(vad_threshold, pressed_at):
            return float("-inf")
        return min(pressed_at, self._quiet_from)

    @property
    def _quiet_from(self) -> float:
        return self._player.reference.sounded_until + self._player.delay() + TAIL_S

    def _loaded(self, wanted: tuple[str, ...]) -> FrontEnd:
        from selam_cli.sound.webrtc_apm import VoiceProcessor  # an extra, and slow to load

        processor = VoiceProcessor(
            echo_cancellation="echo_cancellation" in wanted,
            noise_suppression="noise_suppression" in wanted,
            gain_control="gain_control" in wanted,
        )
        return FrontEnd(processor, self._player.reference)

    def _give_up(self, failure: AudioError) -> None:
        log.warning("the processing of the microphone failed: %s", failure)
        self._front_end, self.in_force = None, ()
        sentence = "Echo cancellation and what belongs to it failed; the microphone is heard as it is."
        self._emit(events.Notice("aec_failed", "warning", sentence, "Use a headset, or start again."))
        self._on_change(())

    def _tell_of_missing(self) -> None:
        asked_for = [name for name in _wanted(self._settings) if getattr(self._settings, name)]
        if asked_for:
            sentence = f"The settings switch {' and '.join(asked_for)} on, and what that needs is not installed."
            self._emit(events.Notice("aec_missing", "warning", sentence, REMEDY))


def _wanted(settings: Settings) -> tuple[str, ...]:
    """Return the switches that are on; echo cancellation is unless the user switched it off."""
    switches = {
        "echo_cancellation": settings.echo_cancellation is not False,
        "noise_suppression": settings.noise_suppression,
        "gain_control": settings.gain_control,
    }
    return tuple(name for name, on in switches.items() if on)


class EchoLeak:
    """How loud the microphone was while the agent sounded: whether it hears the speaker, or is a headset's."""

    KEPT: Final = 250
    BEFORE_PRESS_S: Final = 0.5
    """The user may have begun to talk before the key; that is no echo."""

    FEWEST: Final = 10
    LOUD_SHARE: Final = 0.2
    """A voice is loud in more than half of its time; a cough is not."""

    def __init__(self) -> None:
        self._levels: deque[tuple[float, float]] = deque(maxlen=self.KEPT)

    def heard(self, level: float, ended_at: float) -> None:
        """Take the RMS of a block that may hold the agent's voice."""
        self._levels.append((level, ended_at))

    def loud(self, vad_threshold: int, pressed_at: float) -> bool:
        """Say whether what was heard before a press would count as speech."""
        levels = [level for level, ended_at in self._levels if ended_at < pressed_at - self.BEFORE_PRESS_S]
        loud = sum(level > vad_threshold for level in levels)
        return len(levels) >= self.FEWEST and loud >= self.LOUD_SHARE * len(levels)
