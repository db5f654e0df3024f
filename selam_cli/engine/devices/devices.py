"""The engine's microphone and speaker: what is opened when, and what their sound and their losses mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.core.conversation.effects import Moment
from selam_cli.core.pcm import FlatLine, Samples
from selam_cli.core.protocol import WIRE_RATE_HZ
from selam_cli.core.session import MicrophoneState
from selam_cli.engine.conversation import Conversation
from selam_cli.engine.devices.output import LazySpeaker
from selam_cli.engine.devices.sound_thread import SoundThread
from selam_cli.engine.devices.supervisor import DeviceHandle, DeviceSupervisor
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.errors import DeviceError, SelamError
from selam_cli.sound import devices, microphone, speaker
from selam_cli.sound.device_watch import DeviceList, RosterWatch
from selam_cli.sound.files import NullSpeaker
from selam_cli.sound.microphone import Microphone
from selam_cli.sound.stalled import ANSWER_WITHIN_S, OPEN_WITHIN_S, no_answer
from selam_cli.sound.wav_file import check_not_the_same

SILENT_FOR_S: Final = 2.0
STAND_IN_AFTER_S: Final = 3.0
"""How long a reply waits for a speaker that is gone; then it goes on unheard, so that its turn can end."""

FADE_WITHIN_S: Final = 0.3
"""How long the end waits for a speaker to take the last of a reply that was cut off, and again to sound it."""

LOOK_EVERY_S: Final = 0.005
LEAVE_WITHIN_S: Final = 1.0
"""A sound server that stands still never lets go of a stream."""


class AudioDevices:
    """Holds the microphone open and gated, and the speaker ready, for as long as the conversation lasts.

    With `microphone = "per_turn"` the microphone is open only while the user talks; a file in its place always is.
    """

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
        self._wanted_microphone = settings.input
        self._per_turn = settings.microphone == "per_turn" and settings.ptt != "open"
        self._needed_for: set[str] = set()
        self._thread = SoundThread()
        self._microphone = DeviceSupervisor[Microphone](
            "microphone", settings.input, thread=self._thread, emit=emit,
            is_device=microphone.is_device, open_device=self._open_microphone, on_change=self._on_microphone,
        )  # fmt: skip
        self._speaker = DeviceSupervisor[LazySpeaker](
            "speaker", settings.output, thread=self._thread, emit=emit,
            is_device=speaker.is_device, open_device=self._open_speaker, on_change=self._on_speaker,
        )  # fmt: skip
        self._roster: RosterWatch | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._stand_in: NullSpeaker | None = None
        self._stand_in_soon: asyncio.TimerHandle | None = None
        self._flat = FlatLine()
        self._silence_told_in = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        conversation.listen(self._on_moment)
        self.unwritten: SelamError | None = None
        """Why the file in the speaker's place does not hold all that was heard."""

    # --- life ---------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open both. Raises DeviceError without a microphone; without a speaker the text goes on with a notice."""
        self._loop = asyncio.get_running_loop()
        self._thread.watch(self._loop, self._on_stalled)
        self._player.make_pull(WIRE_RATE_HZ)  # an answer that comes before the speaker is open waits for it
        if self._per_turn and microphone.is_device(self._wanted_microphone):
            await self._look_for_microphone()
        else:
            await self._microphone.open()
        try:
            await self._speaker.open()
        except DeviceError as error:
            self._emit(events.Notice("no_speaker", "warning", error.reason, error.remedy))
            self._use_stand_in()
            self._conversation.update(speaker=NullSpeaker.name)
        self._roster = RosterWatch(self._loop, self._on_roster)

    async def close(self) -> None:
        """Close both."""
        if self._roster is not None:
            self._roster.stop()
        if self._renewing is not None:
            self._renewing.cancel()
        self._microphone.close()
        await self._fade()
        self._speaker.close()
        self._end_stand_in()
        self._conversation.update(microphone=MicrophoneState())
        closed = asyncio.get_running_loop().run_in_executor(self._thread, lambda: None)
        await asyncio.wait({closed}, timeout=0 if self._thread.stalled else LEAVE_WITHIN_S)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _fade(self) -> None:
        """Let a reply that was cut off fade out: a speaker that is closed in mid-sound clicks."""
        if not self._player.fading:
            return
        give_up_at = time.monotonic() + FADE_WITHIN_S
        while self._player.fading and time.monotonic() < give_up_at:  # noqa: ASYNC110  # the callback reports nothing
            await asyncio.sleep(LOOK_EVERY_S)
        on_its_way_s = self._player.reference.sounded_until + self._player.delay() - time.monotonic()
        await asyncio.sleep(min(max(0.0, on_its_way_s), FADE_WITHIN_S))

    # --- from the conversation and the user ---------------------------------------------------------------------------

    def speak(self) -> None:
        """A file in place of a microphone begins to speak."""
        opening = self._microphone.current
        if opening is not None and opening.device is not None and not self._conversation.capture.talking:
            opening.device.speak()

    def _on_moment(self, moment: Moment) -> None:
        if moment is Moment.TALK_BEGINS:
            self._flat = FlatLine()
            self.need_microphone("talking", needed=True)
        elif moment is Moment.TALK_ENDS:
            self.need_microphone("talking", needed=False)

    def need_microphone(self, why: str, *, needed: bool) -> None:
        """Have the microphone open for this, or no longer; where it is open all the time, this changes nothing."""
        (self._needed_for.add if needed else self._needed_for.discard)(why)
        if self._per_turn:
            self._microphone.need(needed=bool(self._needed_for))
            self._tell_microphone()

    def change_microphone(self, name: str) -> Coroutine[Any, Any, None] | None:
        """Use another microphone; what is returned is to be awaited.

        Raises DeviceError or UsageFault, here or there, and keeps the one in use, where it can't be had in time.
        """
        change = self._microphone.change(name)
        return None if change is None else self._in_time(change, self._microphone, name)

    def change_speaker(self, name: str) -> Coroutine[Any, Any, None] | None:
        """Use another speaker; as `change_microphone`."""
        change = self._speaker.change(name)
        return None if change is None else self._in_time(change, self._speaker, name)

    # --- the microphone -----------------------------------------------------------------------------------------------

    async def _look_for_microphone(self) -> None:
        """Make sure, without opening it, that there is one."""
        assert self._loop is not None  # noqa: S101  # it is open
        find = devices.find_device
        _, found = await self._loop.run_in_executor(self._thread, find, self._wanted_microphone, "input")
        self._microphone.expect(found.name)
        self._conversation.update(microphone=MicrophoneState(found.name))

    def _open_microphone(self, opening: DeviceHandle[Microphone]) -> Microphone:
        assert self._loop is not None  # noqa: S101  # it is open
        take = self._conversation.hearing.on_block
        listened_to = microphone.is_device(opening.spec)

        def on_block(samples: Samples, ended_at: float) -> None:
            if self._microphone.is_current(opening):
                self._microphone.sounded(opening)
                if listened_to:
                    self._look_for_silence(samples)
                take(samples, ended_at)

        def on_lost(reason: str) -> None:
            self._microphone.on_lost(opening, reason)

        return microphone.open_microphone(opening.spec, on_block, on_lost, loop=self._loop, no_monitor=opening.in_place)

    def _on_microphone(self, _: DeviceHandle[Microphone] | None) -> None:
        self._tell_microphone()

    def _tell_microphone(self) -> None:
        current = self._microphone.current
        waiting = self._microphone.needed and not self._microphone.lost_name
        if current is None or current.device is None:
            told = replace(self._conversation.state.microphone, open=False, opening=waiting)
        else:
            opening = waiting and not current.sounded
            told = MicrophoneState(current.device.name, current.device.rate_hz, open=True, opening=opening)
        self._conversation.update(microphone=told)

    def _look_for_silence(self, samples: Samples) -> None:
        """Report, once a turn, a microphone that delivers nothing: its own switch is off, or it is the wrong one."""
        self._flat.feed(samples)
        turn = self._conversation.state.turn
        if self._flat.seconds < SILENT_FOR_S or turn == self._silence_told_in or not self._conversation.capture.talking:
            return
        self._silence_told_in = turn
        remedy = "Look for a mute switch on it or in the system's sound settings, or choose another."
        self._emit(
            events.Notice("microphone_silent", "warning", "Your microphone is silent: nothing comes in.", remedy)
        )

    # --- the speaker --------------------------------------------------------------------------------------------------

    def _open_speaker(self, opening: DeviceHandle[LazySpeaker]) -> LazySpeaker:
        loop = self._loop
        assert loop is not None  # noqa: S101  # it is open
        spoken = self._microphone.current
        if opening.spec is not None and spoken is not None and spoken.spec is not None:
            check_not_the_same(opening.spec, spoken.spec)
        return LazySpeaker(
            opening.spec,
            loop=loop,
            thread=self._thread,
            on_first=lambda: self._speaker.sounded(opening),
            on_lost=lambda reason: self._speaker.on_lost(opening, reason),
            on_unwritten=self._on_unwritten,
        )

    def _on_unwritten(self, error: SelamError) -> None:
        """The file in the speaker's place takes no more of what is heard."""
        self.unwritten = error
        self._emit(events.Notice("output_unwritten", "warning", error.reason, error.remedy))

    def _on_speaker(self, opening: DeviceHandle[LazySpeaker] | None) -> None:
        if opening is None or opening.device is None:
            self._conversation.update(speaker="")
            if self._stand_in is None and self._stand_in_soon is None and self._loop is not None:
                self._stand_in_soon = self._loop.call_later(STAND_IN_AFTER_S, self._use_stand_in)
        elif opening.device.silent:
            self._end_stand_in()
            outlet = opening.device
            outlet.play(self._player.make_pull(outlet.rate_hz))
            self._player.delay = lambda: outlet.delay_s
            self._conversation.update(speaker=outlet.name)

    def _use_stand_in(self) -> None:
        self._stand_in_soon = None
        if self._player.sounding:
            self._emit(
                events.Notice("reply_unheard", "warning", "The answer goes on unheard.", "Play it again with replay.")
            )
        self._player.delay = lambda: 0.0
        self._stand_in = NullSpeaker(self._player.make_pull, asyncio.get_running_loop())

    def _end_stand_in(self) -> None:
        if self._stand_in_soon is not None:
            self._stand_in_soon.cancel()
            self._stand_in_soon = None
        if self._stand_in is not None:
            self._stand_in.close()
            self._stand_in = None

    # --- the system's devices -----------------------------------------------------------------------------------------

    def _on_roster(self, roster: DeviceList | None) -> None:
        if roster is not None and self._nothing_is_open():
            # A library keeps what it has learned about a system without its sound server.
            self._renew_soon(only_if=self._nothing_is_open)
        microphone_stays = self._microphone.on_listed(None if roster is None else roster.inputs)
        speaker_stays = self._speaker.on_listed(None if roster is None else roster.outputs)
        if microphone_stays or speaker_stays:
            self._renew_soon()

    def _nothing_is_open(self) -> bool:
        return self._microphone.current is None and self._speaker.current is None

    def _renew_soon(self, only_if: Callable[[], bool] = lambda: True) -> None:
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(only_if))

    async def _renew(self, only_if: Callable[[], bool] = lambda: True) -> None:
        """Close both for a moment: a library that lists its devices only as it starts has to start again."""
        async with self._microphone.lock, self._speaker.lock:
            self._renewing = None
            if not only_if():  # what waited for the locks may have opened them
                return
            self._microphone.drop()
            self._speaker.drop()
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, devices.look_again)
            finally:
                self._microphone.settle_soon()
                self._speaker.settle_soon()

    def _on_stalled(self, stalled: bool) -> None:
        if stalled:
            error = no_answer("its devices are waited for", ANSWER_WITHIN_S)
            self._emit(events.Notice("sound_stalled", "warning", error.reason, error.remedy))
        else:
            self._emit(events.Notice("sound_back", "info", "The sound system answers again."))

    async def _in_time(self, change: Coroutine[Any, Any, None], in_use: DeviceSupervisor[Any], name: str) -> None:
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._with_a_new_list(change, in_use, name)
        except TimeoutError:
            raise no_answer(f"while {name} was opened", OPEN_WITHIN_S) from None

    async def _with_a_new_list(
        self, change: Coroutine[Any, Any, None], in_use: DeviceSupervisor[Any], name: str
    ) -> None:
        try:
            await change
        except DeviceError:
            if not in_use.is_listed(name) or in_use.follows_default:
                raise
            await self._renew()
            again = in_use.change(name)
            if again is not None:
                await again
