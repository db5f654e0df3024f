"""The command `calibrate`: has the microphone listen to the room for a moment and reports what follows from it.

The room is measured once at a time. A request that comes meanwhile gets the answer of the measurement that runs: it is
the newest that can be had, and starting anew at each request would put the answer off for as long as requests come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from selam_cli.core import events
from selam_cli.core.conversation.effects import Moment
from selam_cli.core.pcm import Samples
from selam_cli.engine.conversation import Conversation
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.uplink.noise_meter import NoiseMeter


class NeedMicrophone(Protocol):
    """`Devices.need_microphone`."""

    def __call__(self, why: str, *, needed: bool) -> None:
        """Have the microphone open for this, or no longer."""


class Calibration:
    """Measures the room on request, beside what else listens to the microphone."""

    def __init__(
        self,
        conversation: Conversation,
        player: ReplyPlayer,
        need_microphone: NeedMicrophone,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._conversation = conversation
        self._player = player
        self._need_microphone = need_microphone
        self._emit = emit
        self._room: NoiseMeter | None = None
        self._microphone = ""
        self._measuring: asyncio.Task[None] | None = None
        conversation.listen(self._on_moment)

    def begin(self) -> None:
        """Measure, where that is not being done already; the notice `calibrated` tells the result."""
        if self._measuring is None:
            self._measuring = asyncio.create_task(self._measure())

    def _on_moment(self, moment: Moment) -> None:
        """Give up where the user begins to talk: what is said then is no noise of the room."""
        if moment is Moment.TALK_BEGINS and self._room is not None:
            self._room.disturb("you talk")

    def close(self) -> None:
        """Stop measuring, and emit nothing."""
        if self._measuring is not None:
            self._measuring.cancel()

    async def _measure(self) -> None:
        capture, self._room = self._conversation.capture, NoiseMeter()
        if capture.talking:
            self._room.disturb("you talk")
        self._look_at_speaker()
        stop_listening = capture.listen(self._hear)
        self._need_microphone("measuring", needed=True)
        try:
            await self._room.listen()
            self._emit(self._room.verdict)
        finally:
            stop_listening()
            self._room = self._measuring = None
            self._need_microphone("measuring", needed=False)

    def _hear(self, samples: Samples, ended_at: float) -> None:
        assert self._room is not None  # noqa: S101  # it listens for as long as there is one
        self._look_at_speaker()
        before, self._microphone = self._microphone, self._conversation.state.microphone.name
        if before != self._microphone:
            self._room.start_over()
        self._room.feed(samples, ended_at)

    def _look_at_speaker(self) -> None:
        if self._player.sounding and self._room is not None:
            self._room.disturb("the agent speaks")
