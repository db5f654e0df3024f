"""Takes turns: what a press, a release, an interruption and each of the server's messages mean for the conversation.

It owns the session's state, the capture and the player, and speaks to the server through `Wire`. It lives on the
engine's loop and is never called from another thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from selam_cli.core import protocol
from selam_cli.core.late_events import LateEvents
from selam_cli.core.pcm import Samples, loudest_rms
from selam_cli.core.protocol import Action, AudioChunk, ClientMessage, ServerMessage
from selam_cli.core.session import Link, SessionState, Stage, Trigger, apply
from selam_cli.engine import events, notices
from selam_cli.engine.capture import Capture, Utterance
from selam_cli.engine.controls import Controls
from selam_cli.engine.delivery import Delivery, Wire
from selam_cli.engine.hearing import Hearing
from selam_cli.engine.in_slices import InSlices, NoMore, Slice
from selam_cli.engine.latency import LatencyOfTurn
from selam_cli.engine.reply import ReplyPlayer
from selam_cli.engine.reply_course import ReplyCourse
from selam_cli.engine.undelivered import Undelivered
from selam_cli.errors import SelamError, service_error
from selam_cli.settings import Settings
from selam_cli.sound.cues import Cue

NO_ANSWER_S: Final = 30.0
REPLY_STALL_S: Final = 10.0
"""A reply that has played out and brought nothing new for so long will not go on, whatever `audio_end` was to say."""

COMMAND_S: Final = 0.02
"""The way of a command that takes an inferred release back in the last moment."""

TICK_S: Final = 0.05
DROPPED_TOLD_S: Final = 10.0
"""How much more has to be dropped before it is told again."""

QUEUE_TOLD_S: Final = 0.25
"""How much the queue has to change before the state is told for it."""


class Conversation:
    """One conversation from the first press to the last word."""

    def __init__(
        self, settings: Settings, state: SessionState, emit: Callable[[events.Event], None], player: ReplyPlayer
    ) -> None:
        self._settings = settings
        self._emit = emit
        self._player = player
        self._state = state
        self._delivery = Delivery(settings, emit)
        self._late = LateEvents()
        self._controls = Controls(emit, self._delivery.send)
        self._latency = LatencyOfTurn(0)
        self._reply = ReplyCourse(player, emit)
        self._sound = InSlices(self._on_sound)
        self._cues_on = settings.cues
        self._cue_on_sound = False
        self._undelivered = Undelivered(emit, lambda seconds: self.update(kept_seconds=seconds))
        self._resend_wanted = False
        self._lost_at: float | None = None
        self._keeping: asyncio.TimerHandle | None = None
        self._ignoring = False
        self._turn_open = False
        self._understood = False
        """Whether the server has said what it understood of this turn."""
        self._answered_early = False
        """Whether what answers this turn came before all of it was said, so that it says nothing of the rest."""
        self._outcome = "answered"
        self._no_answer: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._last_chunk_at = 0.0
        self.capture = Capture(
            pre_roll_ms=0 if settings.microphone == "per_turn" else settings.pre_roll_ms,
            tail_ms=settings.release_tail_ms,
            on_growth=self._on_growth,
            on_complete=self._on_complete,
        )
        self.gives_up = True
        """Whether a turn ends that has waited `NO_ANSWER_S` for its answer; `ask` has its own clock."""
        self.hearing = Hearing(
            settings, player, self._on_block, emit, on_change=lambda names: self.update(processing=names)
        )
        if settings.ptt == "open":
            self.capture.listen(self.on_open_microphone)
        player.set_volume(state.volume)

    # --- state --------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """The conversation as it stands."""
        return self._state

    def update(self, **changes: object) -> None:
        """Change fields of the state that no turn moves: voice, microphone, volume, …"""
        self._set(replace(self._state, **changes))  # type: ignore[arg-type]  # the callers name fields of the state

    def tell_state(self) -> None:
        """Write the whole truth, whether or not it has changed."""
        self._emit(events.StateChanged.of(self._state))

    def _set(self, state: SessionState) -> None:
        if state != self._state:
            self._state = state
            self.tell_state()

    def _apply(self, event: Trigger | ServerMessage) -> None:
        self._set(apply(self._state, event))

    # --- what the user does -------------------------------------------------------------------------------------------

    def press(self, at: float) -> None:
        """Start to talk, or go on with the utterance that was about to end. `at` is the key's monotonic time."""
        if self._state.link is Link.CLOSED:
            self._emit(notices.ENDED)
            return
        if self._state.muted:
            self._emit(notices.MUTED)
            return
        if self.capture.talking:
            if self.capture.resume():
                self._apply(Trigger.CONTINUE)
            return
        clean_from = self.hearing.clean_from(at, self._state.vad_threshold)
        self._silence()
        self._player.hold()
        self._leave_turn()
        self._ignoring = False
        self._apply(Trigger.PRESS)
        turn = self._state.turn
        self._open_turn(turn, at)
        self._emit(events.TalkStarted(turn))
        self._cue_on_sound = self._settings.microphone == "per_turn"
        if not self._cue_on_sound:
            self._cue(Cue.ON)
        if self._up:
            self._let_listen()
            self._late.interrupted(time.monotonic())
            self._controls.request(Action.INTERRUPT)
        self.capture.start(turn, at, clean_from=clean_from)

    def release(self, at: float, *, within_s: float = 0.0) -> None:
        """Stop talking; the release tail still belongs to the utterance.

        One that is only inferred may be taken back `within_s` seconds: the utterance ends then, and not before.
        """
        if self._state.stage is not Stage.TALKING:
            return
        self._latency.speech_ended(at)
        self._apply(Trigger.RELEASE)
        self.capture.stop(at, at_least_s=within_s + COMMAND_S if within_s else 0.0)

    def discard(self) -> None:
        """Throw away what is being said, or an utterance that is kept; the server forgets what it has of it."""
        if not self.capture.talking:
            self._undelivered.discard()
            return
        abandoned = self.capture.abandon()
        self._cue(Cue.THROWN_AWAY)
        self._silence()
        self._player.let_go()
        self._ignoring = True
        self._withdraw(besides=abandoned)
        if self._up:
            self._controls.request(Action.STOP_LISTENING)
            self._controls.request(Action.START_LISTENING)
        self._apply(Trigger.DISCARD)
        if abandoned is not None:
            self._emit(events.TalkEnded(abandoned.turn, round(abandoned.seconds, 3)))
            self._emit(events.Utterance(abandoned.turn, "discarded", round(abandoned.seconds, 3)))
        self._close_turn("discarded")

    def interrupt(self) -> None:
        """Silence the agent here at once, then tell the server."""
        if self._state.stage is Stage.TALKING:
            return
        if self.capture.talking:
            self.discard()  # the release tail still runs: the whole utterance is taken back
            return
        self._silence()
        if self._state.stage is Stage.WAITING:
            self._throw_away_undelivered()
        if self._up:
            self._late.interrupted(time.monotonic())
            self._controls.request(Action.INTERRUPT)
        self.capture.forget()
        self._apply(Trigger.INTERRUPT)
        self._close_turn("interrupted")

    def control(self, action: Action) -> None:
        """Ask the server for one of the actions that change how it listens."""
        if not self._up:
            self._emit(notices.NOT_CONNECTED)
            return
        self._controls.request(action)

    def mute(self, *, on: bool) -> None:
        """Close the user's microphone to the server, at once and without a tail, or open it again."""
        if on:
            self.close_microphone()
        self.update(muted=on)

    def close_microphone(self) -> None:
        """End what is being said at once, without a tail; it is not thrown away."""
        self.release(time.monotonic())
        self.capture.end_now()

    def set_volume(self, volume: int) -> None:
        """Set the reply's loudness, 0 to 100."""
        self._player.set_volume(volume)
        self.update(volume=volume)

    def switch_cues(self, *, on: bool) -> None:
        """Tell the beginning and the end of talking by a sound, or don't."""
        self._cues_on = on

    def replay(self) -> bool:
        """Play the last reply again; False where there is none, or somebody is speaking."""
        if self._state.stage is not Stage.IDLE or not self._player.replay():
            return False
        self._tick()
        return True

    def resend(self) -> bool:
        """Send the speech that was kept, or do so once there is a connection; False where none is, or it cannot be."""
        if not self._undelivered or self.capture.talking or self._state.stage is not Stage.IDLE:
            return False
        if not self._up:
            self._resend_wanted = True
            self._emit(notices.RESEND_LATER)
            return True
        kept = self._undelivered.take(self._delivery.session)
        if kept is None:
            return False
        self._resend_wanted = self._ignoring = False
        self._apply(Trigger.RESEND)
        kept.turn = self._state.turn
        self._open_turn(kept.turn, time.monotonic())
        self._latency.speech_ended(time.monotonic())
        self.capture.current = kept
        self._delivery.pump(kept)
        self._expect_answer()
        return True

    def on_open_microphone(self, samples: Samples, ended_at: float) -> None:
        """Send what an open microphone hears of the user; the agent's own voice would interrupt it."""
        state = self._state
        if self._up and state.listening and not state.paused and not state.muted:
            self._delivery.stream(self.hearing.only_the_user(samples, ended_at))

    def _on_block(self, samples: Samples, ended_at: float) -> None:
        """Take a block from the microphone, which hears the speaker, too: its cues are no part of what is said."""
        if self._cue_on_sound:  # a microphone that was closed hears nothing before this
            self._cue_on_sound = False
            self._cue(Cue.ON)
        self.capture.on_block(self._player.cues.kept_out(samples, ended_at), ended_at)

    # --- what the connection does -------------------------------------------------------------------------------------

    def attach(self, wire: Wire) -> None:
        """Use this way to the server from now on."""
        self._delivery.attach(wire)

    def on_up(self) -> None:
        """A session is open: send what was said before it was."""
        self._keep_what_was_on_its_way()  # the session before may have been ended for other settings
        self._late.reset()
        self._ignoring = False  # what was thrown away, this session has not heard
        self._controls.reset()
        self._delivery.begin_session()
        self._keep_no_more()
        utterance = self._undelivered_now
        late = (
            utterance is not None and utterance.complete and self._waited_s(utterance) > self._settings.resend_within_s
        )
        self._lost_at = None
        if utterance is None:
            if self._resend_wanted:
                self.resend()
        elif late:
            self._keep_current()
        else:
            self._send_from_its_beginning(utterance)

    def _send_from_its_beginning(self, utterance: Utterance) -> None:
        utterance.start_over()
        self._understood = False
        # What the last session understood of it, this one will say again.
        self.update(user_text="", user_final="", reply_text="")
        if utterance.resent:
            self._emit(notices.RESENT)
        self._delivery.pump(utterance)
        if utterance.complete:
            self._await_answer(utterance)

    def on_lost(self) -> None:
        """The connection broke: what sounds may sound to its end, what is being said is still recorded."""
        was_up = self._state.link is Link.UP
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        self._controls.reset()
        self._stop_waiting()
        self._keep_what_was_on_its_way()
        self._apply(Trigger.LOSE)
        if self._state.stage is Stage.ANSWERING:
            self._outcome = "failed"
            self._sound.put(NoMore())
        elif was_up and self._undelivered_now is not None:
            self._emit(notices.recorded(self._settings.resend_within_s))
        if was_up and self._settings.ptt == "open" and not self._state.muted:
            # Nobody can tell where in it an utterance begins and ends, and half an hour of a room is none.
            self._emit(notices.UNHEARD)
        self._keep_in_time()

    def on_connecting_again(self) -> None:
        """A connection is tried, for the user did something."""
        self._apply(Trigger.CONNECT)
        self.update(connection=replace(self._state.connection, ended_for=""))

    def rest(self, why: str) -> None:
        """There is no connection, and none is tried until the user does something."""
        self._keep_no_more()
        self._apply(Trigger.REST)
        self.update(connection=replace(self._state.connection, ended_for=why))
        self._keep_in_time()

    @property
    def unanswered(self) -> bool:
        """Whether somebody is talking or waits for an answer, and it was not in vain once already."""
        utterance = self._undelivered_now
        return utterance is not None and not utterance.resent

    def on_stalled(self, stalled: bool) -> None:  # what the link's callback carries
        """The server has stopped reading what it is sent, or reads again."""
        self.update(connection=replace(self._state.connection, stalled=stalled))
        if stalled:
            self._emit(notices.STALLED)

    def on_dropped(self, dropped_s: float) -> None:
        """So much of an open microphone's sound was dropped, for the connection is slower than speech."""
        before_s, after_s = self._state.dropped_seconds, round(self._state.dropped_seconds + dropped_s, 3)
        self.update(dropped_seconds=after_s)
        if before_s == 0.0 or int(after_s / DROPPED_TOLD_S) > int(before_s / DROPPED_TOLD_S):
            self._emit(notices.dropped(after_s))

    def on_sent(self, message: ClientMessage) -> None:
        """A message has left this machine."""
        if isinstance(message, AudioChunk) and self._latency.first_chunk_sent():
            self._emit(self._latency.event())
        self._controls.on_sent(message)
        self._delivery.pump(self._delivery.feeding)  # there may be room for more
        self._tell_queue()

    def _tell_queue(self) -> None:
        queued = round(self._delivery.queued_s(self.capture.current), 2)
        if abs(queued - self._state.queued_seconds) >= QUEUE_TOLD_S or (queued == 0.0 < self._state.queued_seconds):
            self.update(queued_seconds=queued)

    def close(self) -> None:
        """The conversation is over."""
        talking = self.capture.talking
        abandoned = self.capture.abandon()
        self._keep_no_more()
        self._withdraw(besides=abandoned)
        if abandoned is not None and not abandoned.closed:
            if talking:
                self._emit(events.TalkEnded(abandoned.turn, round(abandoned.seconds, 3)))
            self._emit(events.Utterance(abandoned.turn, "discarded", round(abandoned.seconds, 3)))
            self._close_turn("discarded")
        self._undelivered.discard()
        self._silence()
        self._stop_waiting()
        self._controls.reset()
        self._apply(Trigger.CLOSE)
        self._close_turn("failed")

    # --- what the server says -----------------------------------------------------------------------------------------

    def on_message(self, message: ServerMessage) -> None:
        """Take a message of the server's, unless it belongs to a reply that was cut off."""
        if not self._late.admits(message, time.monotonic()):
            return
        match message:
            case protocol.Transcription() if not self._ignoring:
                self._on_transcription(message)
            case protocol.Response() if not self._ignoring:
                self._on_response(message)
            case protocol.ReplyChunk() if not self._ignoring:
                self._on_reply_chunk(message)
            case protocol.AudioEnd() if not self._ignoring:
                self._sound.put(message)
            case protocol.ControlAck():
                self._on_control_ack(message)
            case protocol.ErrorReport():
                self._on_error(service_error(message.type, message.message))
            case protocol.Connected() | protocol.SessionStarted() | protocol.SessionEnded():
                self._apply(message)

    def _on_transcription(self, message: protocol.Transcription) -> None:
        if self._settings.ptt == "open" and self._state.stage in {Stage.IDLE, Stage.ANSWERING} and message.text:
            self._silence()
            self._close_turn("interrupted")
            self._apply(Trigger.HEARD)
            self._open_turn(self._state.turn, time.monotonic())
        self._apply(message)
        # What comes before the interruption is acknowledged was understood of the turn before it.
        asked, answered = (figures[Action.INTERRUPT] for figures in (self._controls.asked, self._controls.answered))
        if not answered or answered >= asked:
            self._understood = True
            self._undelivered.all_arrived()
        if message.is_final and self._latency.transcribed():
            self._emit(self._latency.event())
        self._emit(events.Transcription(self._state.turn, message.text, message.is_final))
        if self._state.stage is Stage.WAITING and self._no_answer is None and not self.capture.talking:
            self._expect_answer()

    def _on_response(self, message: protocol.Response) -> None:
        self._apply(message)
        self._answering()
        if self._latency.responded():
            self._emit(self._latency.event())
        self._emit(events.Response(self._state.turn, self._state.reply_text))

    def _on_reply_chunk(self, message: protocol.ReplyChunk) -> None:
        self._apply(message)
        self._answering()
        self._last_chunk_at = time.monotonic()
        if self._latency.sounded():
            self._emit(self._latency.event())
        self._sound.put(message)

    def _on_sound(self, sound: Slice | protocol.AudioEnd | NoMore) -> None:
        match sound:
            case Slice():
                self._reply.feed(sound.part, self._state, goes_on=sound.goes_on)
            case protocol.AudioEnd():
                self._on_audio_end(sound)
            case NoMore():
                self._reply.finish(self._state)

    def _on_audio_end(self, message: protocol.AudioEnd) -> None:
        if not self._player.active and not self._state.user_final and not self._state.reply_text:
            return  # nothing of this turn's answer has come: it ends a reply that was cut off before
        self._reply.complete(message.total_chunks, self._state)
        if not self._player.active and self._state.stage in {Stage.WAITING, Stage.ANSWERING}:
            self._end_turn()

    def _on_control_ack(self, message: protocol.ControlAck) -> None:
        rtt_ms = self._controls.acknowledged(message)
        self._undelivered.arrived(self._controls.answered[Action.INTERRUPT])
        self._apply(message)
        if rtt_ms is not None:
            self.update(connection=replace(self._state.connection, rtt_ms=round(rtt_ms, 1)))
            if self._latency.round_trip(rtt_ms):
                self._emit(self._latency.event())
        self._emit(events.ControlAck(message.action, message.status))

    def _on_error(self, error: SelamError) -> None:
        self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
        if self._state.stage is Stage.WAITING and not self.capture.talking:
            self._outcome = "failed"
            self._end_turn()

    # --- turns --------------------------------------------------------------------------------------------------------

    def _open_turn(self, turn: int, pressed_at: float) -> None:
        self._turn_open = True
        self._understood = self._answered_early = False
        self._outcome = "answered"
        self._latency = LatencyOfTurn(turn, pressed_at)
        self._reply.begin_turn()

    def _leave_turn(self) -> None:
        """The user goes on to a new turn: what is left of this one was cut off, or could not be delivered."""
        self._keep_no_more()
        said = self.capture.current
        waiting = said if self._state.stage is Stage.WAITING else None
        if waiting is not None and not self._up:
            self._undelivered.keep(waiting, "there is no connection")
            self._close_turn("failed")
            return
        self._doubt_early_answer()
        rest = self._delivery.feeding
        if rest is not None and not self._delivery.finish():
            self._delivery.feeding = None
            self._undelivered.keep(rest, "the connection is slower than you speak")
        elif waiting is not None:
            self._undelivered.doubt(waiting, self._controls.asked[Action.INTERRUPT] + 1)
        self._close_turn("interrupted")

    def _close_turn(self, outcome: str) -> None:
        self._stop_waiting()
        if self._turn_open:
            self._turn_open = False
            self._emit(events.TurnEnded(self._state.turn, outcome))

    def _end_turn(self) -> None:
        self._doubt_early_answer()
        self.capture.forget()
        if self._outcome == "answered":
            self._reply.heard_whole(self._state)
        self._player.active = False
        self._apply(Trigger.FINISH)
        self._close_turn(self._outcome)

    def _doubt_early_answer(self) -> None:
        said, early = self.capture.current, self._answered_early
        self._answered_early = False
        if early and said is not None and said is not self._delivery.feeding:
            self._undelivered.doubt(said, self._controls.asked[Action.INTERRUPT] + 1)

    def _answering(self) -> None:
        self._stop_waiting()
        if self._player.replaying:
            self._player.stop()  # the new answer is what counts
        if not self._turn_open and self._state.stage is Stage.ANSWERING:
            self._open_turn(self._state.turn, time.monotonic())  # the agent speaks without being asked
        self._last_chunk_at = time.monotonic()
        self._tick()

    def _silence(self) -> None:
        """Cut the agent off: its sound, or a text whose sound has not come yet."""
        self._sound.clear()
        self._reply.cut_off(self._state, is_text_due=self._state.stage is Stage.ANSWERING)

    def _tick(self) -> None:
        """Follow a reply while it sounds; the one timer that asks instead of being told, for the speaker can't tell."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self._reply.tell_playout(self._state)
        if self._state.stage is Stage.ANSWERING:
            self._end_if_over()
        if self._state.stage is Stage.ANSWERING or self._player.sounding:
            self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        elif self._player.replaying:
            self._player.stop()

    def _end_if_over(self) -> None:
        if self._player.active and self._player.drained:
            self._end_turn()
        elif self._sound:
            return
        elif time.monotonic() - self._last_chunk_at > REPLY_STALL_S and self._player.playout[0] == 0.0:
            self._reply.finish(self._state)
            self._end_turn()

    def _expect_answer(self) -> None:
        self._stop_waiting()
        if self.gives_up:
            self._no_answer = asyncio.get_running_loop().call_later(NO_ANSWER_S, self._give_up)

    def _give_up(self) -> None:
        self._no_answer = None
        if self._state.stage is not Stage.WAITING:
            return
        self._emit(notices.NO_ANSWER)
        self._outcome = "failed"
        self._end_turn()

    def _stop_waiting(self) -> None:
        if self._no_answer is not None:
            self._no_answer.cancel()
            self._no_answer = None

    # --- utterances ---------------------------------------------------------------------------------------------------

    def _on_growth(self, utterance: Utterance) -> None:
        self._delivery.pump(utterance)
        self._tell_queue()
        if utterance.seconds > self._settings.max_talk_s and self._state.stage is Stage.TALKING:
            self._emit(notices.too_long(self._settings.max_talk_s))
            self.close_microphone()

    def _on_complete(self, utterance: Utterance) -> None:
        if self._state.stage is Stage.TALKING:
            self._apply(Trigger.RELEASE)
        opening = self._state.microphone.opening
        self._emit(events.TalkEnded(utterance.turn, round(utterance.seconds, 3)))
        self._cue(Cue.OFF)
        if not utterance.audio:
            self._emit(notices.NOT_OPENED if opening else notices.NO_SOUND)
            self._emit(events.Utterance(utterance.turn, "discarded", 0.0))
            self._outcome = "discarded"
            self._end_turn()
            return
        self._delivery.pump(utterance)
        self._tell_queue()
        if self._player.let_go():
            self._answered_early = True
            self._apply(Trigger.ANSWER)
            self._answering()
        elif self._up:
            self._await_answer(utterance)
        else:
            self._keep_in_time()

    def _await_answer(self, utterance: Utterance) -> None:
        loudest = loudest_rms(utterance.audio)
        if self._understood or loudest > self._state.vad_threshold:
            self._expect_answer()
            return
        # No frame reached the level that counts as speech: nobody need wait for an answer to that.
        self._emit(notices.too_quiet(loudest, self._state.vad_threshold))
        self._outcome = "failed"
        self._end_turn()

    # --- what the connection does not carry ---------------------------------------------------------------------------

    @property
    def _undelivered_now(self) -> Utterance | None:
        """What is being said, or was said and is not answered."""
        return self.capture.current if self._state.stage in {Stage.TALKING, Stage.WAITING} else None

    def _waited_s(self, utterance: Utterance) -> float:
        """For how long an utterance has been without a connection: since the loss that cut it, else since its end."""
        if self._lost_at is None:
            return 0.0
        cut = self._lost_at > utterance.pressed_at
        return time.monotonic() - (self._lost_at if cut else utterance.ended_at)

    def _keep_in_time(self) -> None:
        """Keep what was said once it is too late to send it unasked, at once where no connection is tried."""
        utterance = self._undelivered_now
        if utterance is None or not utterance.complete or self._up or self._keeping is not None:
            return
        resting = self._state.link is Link.RESTING
        if self._lost_at is None and not resting:
            return  # the first connection is still being made
        left_s = 0.0 if resting else max(0.0, self._settings.resend_within_s - self._waited_s(utterance))
        self._keeping = asyncio.get_running_loop().call_later(left_s, self._keep_current)

    def _keep_no_more(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    def _keep_current(self) -> None:
        self._keep_no_more()
        utterance = self._undelivered_now
        if utterance is None or not utterance.complete:
            return
        within_s = self._settings.resend_within_s
        resting = self._state.link is Link.RESTING
        self._undelivered.keep(
            utterance, "there is no session" if resting else f"the connection was away for more than {within_s} s"
        )
        self._outcome = "failed"
        self._end_turn()
        self._tell_queue()  # what is kept does not wait to be sent

    def _keep_what_was_on_its_way(self) -> None:
        """Keep what turns before this one said, where the server gave no sign that it has it."""
        self._doubt_early_answer()
        lost = self._undelivered.lose()
        cut = self._delivery.withdraw()
        if cut is not None:
            lost.append(cut)
        for utterance in lost:
            if utterance is not self._undelivered_now:
                self._undelivered.keep(utterance, "the session was over before it had all arrived")

    def _withdraw(self, *, besides: Utterance | None) -> None:
        """Take back all audio that has not left; `besides` is accounted for by whoever asks."""
        cut = self._delivery.withdraw()
        if cut is not None and cut is not besides:
            self._emit(events.Utterance(cut.turn, "discarded", round(cut.seconds, 3)))

    def _throw_away_undelivered(self) -> None:
        """The user no longer wants an answer: what could not be delivered is not kept either."""
        said = self.capture.current
        self._keep_no_more()
        if said is not None and not (said.closed and self._up):
            self._withdraw(besides=said)
            self._emit(events.Utterance(said.turn, "discarded", round(said.seconds, 3)))

    # --- small things -------------------------------------------------------------------------------------------------

    @property
    def _up(self) -> bool:
        return self._delivery.up

    def _let_listen(self) -> None:
        if self._state.paused:
            self._controls.request(Action.RESUME)
        if not self._state.listening:
            self._controls.request(Action.START_LISTENING)

    def _cue(self, cue: Cue) -> None:
        if self._cues_on and self._state.volume:
            self._player.cues.play(cue, time.monotonic(), self._player.delay())
