"""The engine's microphone and speaker: opening, changing, and coming back after a loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from selam_cli.core.session import MicrophoneState
from selam_cli.engine import events
from selam_cli.engine.conversation import Conversation
from selam_cli.engine.reply import ReplyPlayer
from selam_cli.errors import DeviceError, SelamError
from selam_cli.settings import Settings
from selam_cli.sound.microphone import Microphone, open_microphone
from selam_cli.sound.speaker import Speaker, open_speaker

TRY_AGAIN_S: Final = 0.5


class Devices:
    """Holds the microphone open and gated, and the speaker ready, for as long as the conversation lasts."""

    def __init__(
        self,
        conversation: Conversation,
        player: ReplyPlayer,
        emit: Callable[[events.Event], None],
        settings: Settings,
    ) -> None:
        self._conversation = conversation
        self._player = player
        self._emit = emit
        self._input = settings.input
        self._output = settings.output
        self._microphone: Microphone | None = None
        self._speaker: Speaker | None = None
        self._again: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(self) -> None:
        """Open both. Raises DeviceError without a microphone; without a speaker the text goes on with a notice."""
        self._open_microphone()
        try:
            self._open_speaker()
        except DeviceError as error:
            self._emit(events.Notice("no_speaker", "warning", error.reason, error.remedy))
            self._output = "null"
            self._open_speaker()

    def close(self) -> None:
        """Close both."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        for device in (self._microphone, self._speaker):
            if device is not None:
                device.close()
        self._conversation.update(microphone=MicrophoneState())

    def speak(self) -> None:
        """A file in place of a microphone begins to speak."""
        if self._microphone is not None and not self._conversation.capture.talking:
            self._microphone.speak()

    def change_microphone(self, name: str) -> None:
        """Use another microphone. Raises DeviceError or UsageFault, and keeps the one in use, where it can't be had."""
        before, self._input = self._input, name
        try:
            self._open_microphone()
        except SelamError:
            self._input = before
            raise

    def change_speaker(self, name: str) -> None:
        """Use another speaker. Raises DeviceError or UsageFault, and keeps the one in use, where it can't be had."""
        before, self._output = self._output, name
        try:
            self._open_speaker()
        except SelamError:
            self._output = before
            raise

    def _open_microphone(self) -> None:
        opened = open_microphone(
            self._input,
            self._conversation.capture.on_block,
            self._on_microphone_lost,
            loop=asyncio.get_running_loop(),
        )
        if self._microphone is not None:
            self._microphone.close()
        self._microphone = opened
        self._conversation.update(microphone=MicrophoneState(opened.name, opened.rate_hz, open=True))

    def _open_speaker(self) -> None:
        opened = open_speaker(
            self._output, self._player.make_pull, self._on_speaker_lost, loop=asyncio.get_running_loop()
        )
        if self._speaker is not None:
            self._speaker.close()
        self._speaker = opened
        self._player.delay = lambda: opened.delay_s
        self._conversation.update(speaker=opened.name)

    def _on_microphone_lost(self, reason: str) -> None:
        if self._closed:
            return
        state = self._conversation.state.microphone
        self._conversation.update(microphone=MicrophoneState(state.name, state.rate_hz, open=False))
        self._emit(
            events.Notice("microphone_lost", "warning", f"The microphone is gone: {reason}", "It is tried again.")
        )
        self._try_again()

    def _on_speaker_lost(self, reason: str) -> None:
        if self._closed:
            return
        self._conversation.update(speaker="")
        self._emit(
            events.Notice("speaker_lost", "warning", f"The speaker is gone: {reason}", "It is tried again by itself.")
        )
        self._try_again()

    def _try_again(self) -> None:
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(TRY_AGAIN_S, self._reopen)

    def _reopen(self) -> None:
        self._again = None
        if self._closed:
            return
        if not self._conversation.state.microphone.open:
            with contextlib.suppress(SelamError):
                self._open_microphone()
                self._emit(events.Notice("microphone_back", "info", "The microphone is back."))
        if not self._conversation.state.speaker:
            with contextlib.suppress(SelamError):
                self._open_speaker()
                self._emit(events.Notice("speaker_back", "info", "The speaker is back."))
        if not self._conversation.state.microphone.open or not self._conversation.state.speaker:
            self._try_again()
