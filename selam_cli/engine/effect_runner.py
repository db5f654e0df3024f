"""Carries out what the conversation's machine wants done: with the wire, the microphone's side and the speaker's."""

from __future__ import annotations

import time
from collections.abc import Callable

from selam_cli.core import events
from selam_cli.core.conversation import effects, inputs
from selam_cli.core.conversation.effects import Effect, Moment
from selam_cli.core.conversation.inputs import Input
from selam_cli.core.protocol import AudioEnd
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.reply.reporter import ReplyReporter
from selam_cli.engine.reply.slicer import ChunkSlicer, NoMore, Slice
from selam_cli.engine.uplink.capture import Capture, Recording
from selam_cli.engine.uplink.delivery import Delivery
from selam_cli.sound.cues import Cue


class EffectRunner:
    """Holds the recordings and the reply, about which the machine knows figures alone."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        happened: Callable[[Input], None],
        delivery: Delivery,
        capture: Capture,
        player: ReplyPlayer,
    ) -> None:
        """`happened` is given the inputs that come of an effect."""
        self._emit = emit
        self._happened = happened
        self._delivery = delivery
        self._capture = capture
        self._player = player
        self._reply = ReplyReporter(player, emit)
        self._slices = ChunkSlicer(self._on_slice)
        self._cue_with_first_sound: Cue | None = None
        self.listeners: list[Callable[[Moment], None]] = []
        self.recordings: dict[int, Recording] = {}
        """The sound of each utterance that something may yet become of, by its turn."""

    @property
    def reply_queued(self) -> bool:
        """Whether messages of a reply have not reached the player."""
        return bool(self._slices)

    def on_first_sound(self) -> None:
        """The microphone is heard: one that was closed hears nothing before this."""
        if self._cue_with_first_sound is not None:
            self._play(self._cue_with_first_sound)

    def run(self, effect: Effect) -> None:
        """Carry an effect out."""
        match effect:
            case effects.Emit():
                self._emit(effect.event)
            case effects.Announce():
                for listener in self.listeners:
                    listener(effect.moment)
            case effects.Send():
                self._delivery.send(effect.message)
            case effects.Feed():
                self._feed(effect)
            case effects.Withdraw():
                self._delivery.withdraw()
            case effects.StartOver():
                self.recordings[effect.turn].start_over()
            case effects.Merge():
                self._merge(effect)
            case effects.Drop():
                self._drop(effect)
            case effects.SetVolume():
                self._player.set_volume(effect.volume)
            case effects.PlayCue():
                self._play_cue(effect)
            case _:
                self._run_on_microphone(effect)

    def _run_on_microphone(self, effect: Effect) -> None:
        match effect:
            case effects.StartCapture():
                recording = self._capture.start(effect.turn, effect.pressed_at, clean_from=effect.clean_from)
                self.recordings[effect.turn] = recording
            case effects.StopCapture():
                self._capture.stop(effect.released_at, at_least_s=effect.at_least_s)
            case effects.ResumeCapture():
                self._capture.resume()
            case effects.EndCapture():
                self._capture.end_now()
            case effects.AbandonCapture():
                self._cue_with_first_sound = None
                self._capture.abandon()
            case _:
                self._run_on_reply(effect)

    def _run_on_reply(self, effect: Effect) -> None:
        match effect:
            case effects.BeginReply():
                self._reply.begin_turn()
            case effects.PutReply():
                self._slices.put(NoMore() if effect.message is None else effect.message)
            case effects.PlayReply():
                self._reply.feed(effect.part, effect.state, goes_on=effect.goes_on)
            case effects.FinishReply(total_chunks=None):
                self._reply.finish(effect.state)
            case effects.FinishReply(total_chunks=int(total_chunks)):
                self._reply.complete(total_chunks, effect.state)
            case effects.EndReply():
                if effect.heard_whole:
                    self._reply.heard_whole(effect.state)
                self._player.active = False
            case effects.CutReply():
                self._slices.clear()
                self._reply.cut_off(effect.state, is_text_due=effect.is_text_due)
            case effects.StopReply():
                self._player.stop()
            case effects.HoldReply():
                self._player.hold()
            case effects.ReleaseReply():
                self._player.let_go()
            case effects.TellPlayout():
                self._reply.tell_playout(effect.state)

    def _feed(self, effect: effects.Feed) -> None:
        recording = self.recordings[effect.turn]
        self._delivery.feed(recording, whole=effect.whole)
        self._happened(inputs.Fed(effect.turn, recording.sent_bytes // 2, recording.closed))

    def _merge(self, effect: effects.Merge) -> None:
        whole = Recording(effect.turn, complete=True)
        for turn, heard_samples in effect.parts:
            whole.audio += self.recordings[turn].audio[2 * heard_samples :]
        self.recordings[effect.turn] = whole

    def _drop(self, effect: effects.Drop) -> None:
        dropped = self.recordings.pop(effect.turn, None)
        if dropped is not None and dropped is self._capture.current:
            self._capture.forget()

    def _on_slice(self, sliced: Slice | AudioEnd | NoMore) -> None:
        match sliced:
            case Slice():
                self._happened(inputs.ReplySlice(sliced.part, sliced.goes_on))
            case AudioEnd():
                self._happened(inputs.ReplyEnd(sliced))
            case NoMore():
                self._happened(inputs.ReplyEnd(None))

    def _play_cue(self, effect: effects.PlayCue) -> None:
        if effect.with_first_sound:
            self._cue_with_first_sound = Cue(effect.cue)
        else:
            self._play(Cue(effect.cue))

    def _play(self, cue: Cue) -> None:
        self._cue_with_first_sound = None
        self._player.cues.play(cue, time.monotonic(), self._player.delay())
