"""Where the answer to a single question sounds: opened in time, and stood in for once it is gone."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from selam_cli.engine.devices.sound_thread import SoundThread, opened_in
from selam_cli.errors import DeviceError, SelamError
from selam_cli.sound.files import NullSpeaker
from selam_cli.sound.speaker import is_device, open_speaker
from selam_cli.sound.stalled import OPEN_WITHIN_S, no_answer

if TYPE_CHECKING:
    from selam_cli.engine.reply.player import ReplyPlayer
    from selam_cli.sound.speaker import Speaker


class AskSpeaker:
    """The speaker that `--output` names; without one nothing sounds, and the answer is there at once."""

    def __init__(self, spec: str | None, player: ReplyPlayer) -> None:
        self._spec = None if spec == "null" else spec
        self._player = player
        self._thread = SoundThread()
        self._speaker: Speaker | NullSpeaker | None = None
        self.failure: DeviceError | None = None
        """Why the answer was not heard to its end."""

        self.unwritten: SelamError | None = None
        """Why a file in its place does not hold all that was heard."""

    async def open(self) -> None:
        """Open it. Raises DeviceError where it can't be had, in time or at all."""
        if self._spec is None:
            return
        loop = asyncio.get_running_loop()
        open_it = partial(
            open_speaker, self._spec, self._player.make_pull, self._on_lost, loop=loop, on_unwritten=self._on_unwritten
        )
        if not is_device(self._spec):
            self._speaker = open_it()
            return
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                opening = partial(open_it, thread=self._thread)
                speaker = await opened_in(self._thread, opening, lambda late: late.close())
        except TimeoutError:
            raise no_answer("while the speaker was opened", OPEN_WITHIN_S) from None
        if self.failure is not None:  # it was lost on its way here
            self._thread.submit(speaker.close)
            return
        self._speaker = speaker
        self._player.delay = lambda: speaker.delay_s

    async def close(self) -> None:
        """Close it, where the sound system still answers."""
        if self._speaker is None:
            return
        if isinstance(self._speaker, NullSpeaker):
            self._speaker.close()
            return
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._speaker.close)
        await asyncio.wait({closing}, timeout=1.0)

    def _on_unwritten(self, error: SelamError) -> None:
        self.unwritten = error

    def _on_lost(self, reason: str) -> None:
        """Let the answer go on unheard: its text is not lost with its sound."""
        self.failure = DeviceError(f"The speaker is gone: {reason}", "The answer above is whole; its sound is not.")
        if self._speaker is not None:
            self._thread.submit(self._speaker.close)
        self._player.delay = lambda: 0.0
        self._speaker = NullSpeaker(self._player.make_pull, asyncio.get_running_loop())
