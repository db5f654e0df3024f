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
from selam_cli.core.pcm import Samples, dbfs, loudest_rms
from selam_cli.core.protocol import Action, AudioChunk, ClientMessage, ServerMessage
from selam_cli.core.push_to_talk import RESUME_WITHIN_S
from selam_cli.core.session import Link, SessionState, Stage, Trigger, apply
from selam_cli.engine import events
from selam_cli.engine.capture import Capture, Utterance
from selam_cli.engine.controls import Controls
from selam_cli.engine.delivery import Delivery, Wire
from selam_cli.engine.latency import LatencyOfTurn
from selam_cli.engine.reply import ReplyPlayer
from selam_cli.errors import SelamError, service_error
from selam_cli.settings import Settings

NO_ANSWER_S: Final = 30.0
REPLY_STALL_S: Final = 10.0
"""A reply that has played out and brought nothing new for so long will not go on, whatever `audio_end` was to say."""

INFERRED_TAIL_S: Final = RESUME_WITHIN_S + 0.02
"""The tail of an inferred release: the time in which it may be taken back, and the way of that command."""

TICK_S: Final = 0.05
AUDIO_EVENT_EVERY_S: Final = 0.125
"""Eight a second, so that with the last one, which is told at once, there are never more than ten."""

PLAYOUT_EVENT_EVERY_S: Final = 0.1
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
        self._kept: Utterance | None = None
        self._lost_at: float | None = None
        self._ignoring = False
        self._turn_open = False
        self._outcome = "answered"
        self._no_answer: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._last_chunk_at = 0.0
        self._audio_told_at = 0.0
        self._playout_told_at = 0.0
        self.capture = Capture(
            pre_roll_ms=settings.pre_roll_ms,
            tail_ms=settings.release_tail_ms,
            on_growth=self._on_growth,
            on_complete=self._on_complete,
        )
        if settings.ptt == "open":
            self.capture.on_open = self.on_open_microphone
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
            self._notice("ended", "warning", "The conversation has ended.", "Quit and start again.")
            return
        if self._state.muted:
            self._notice("muted", "warning", "The microphone is muted.", "Switch it on again to talk.")
            return
        if self.capture.talking:
            if self.capture.resume():
                self._apply(Trigger.CONTINUE)
            return
        self._silence()
        self._player.hold()
        self._leave_turn()
        self._ignoring = False
        self._apply(Trigger.PRESS)
        turn = self._state.turn
        self._open_turn(turn, at)
        self._emit(events.TalkStarted(turn))
        if self._up:
            self._let_listen()
            self._late.interrupted(time.monotonic())
            self._controls.request(Action.INTERRUPT)
        self.capture.start(turn, at)

    def release(self, at: float, *, inferred: bool = False) -> None:
        """Stop talking; the release tail still belongs to the utterance.

        One that is only inferred ends the utterance when a resumption can no more be expected, and not before.
        """
        if self._state.stage is not Stage.TALKING:
            return
        self._latency.speech_ended(at)
        self._apply(Trigger.RELEASE)
        self.capture.stop(at, at_least_s=INFERRED_TAIL_S if inferred else 0.0)

    def discard(self) -> None:
        """Throw away what is being said, or an utterance that is kept; the server forgets what it has of it."""
        if not self.capture.talking:
            self._discard_kept()
            return
        abandoned = self.capture.abandon()
        self._player.stop()
        self._player.let_go()
        self._ignoring = True
        if self._up:
            self._delivery.withdraw()
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
        if self._up:
            self._late.interrupted(time.monotonic())
            self._controls.request(Action.INTERRUPT)
        self.capture.forget()
        self._apply(Trigger.INTERRUPT)
        self._close_turn("interrupted")

    def control(self, action: Action) -> None:
        """Ask the server for one of the actions that change how it listens."""
        if not self._up:
            self._notice("not_connected", "warning", "There is no session to control yet.", "Wait for the connection.")
            return
        self._controls.request(action)

    def mute(self, *, on: bool) -> None:
        """Close the user's microphone to the server, at once and without a tail, or open it again."""
        if on:
            self.close_microphone()
        self.update(muted=on)

    def close_microphone(self) -> None:
        """End what is being said at once, without a tail; it is not thrown away."""
        if self._state.stage is Stage.TALKING:
            self.release(time.monotonic())
            self.capture.end_now()

    def set_volume(self, volume: int) -> None:
        """Set the reply's loudness, 0 to 100."""
        self._player.set_volume(volume)
        self.update(volume=volume)

    def replay(self) -> bool:
        """Play the last reply again; False where there is none, or somebody is speaking."""
        if self._state.stage is not Stage.IDLE or not self._player.replay():
            return False
        self._tick()
        return True

    def resend(self) -> bool:
        """Send the utterance that was kept; False where none is, or it cannot be sent now."""
        if self._kept is None or not self._up or self.capture.talking or self._state.stage is not Stage.IDLE:
            return False
        kept, self._kept = self._kept, None
        self._apply(Trigger.RESEND)
        kept.turn = self._state.turn
        kept.start_over()
        self._open_turn(kept.turn, time.monotonic())
        self._latency.speech_ended(time.monotonic())
        self.capture.current = kept
        self.update(kept_seconds=0.0)
        self._delivery.pump(kept)
        self._expect_answer()
        return True

    def on_open_microphone(self, samples: Samples) -> None:
        """Send what an open microphone hears; not while the agent speaks, or it would interrupt itself."""
        state = self._state
        if self._up and state.listening and not state.paused and not state.muted and not self._player.sounding:
            self._delivery.stream(samples)

    # --- what the connection does -------------------------------------------------------------------------------------

    def attach(self, wire: Wire) -> None:
        """Use this way to the server from now on."""
        self._delivery.attach(wire)

    def on_up(self) -> None:
        """A session is open: send what was said before it was."""
        self._late.reset()
        self._controls.reset()
        utterance = self.capture.current
        if utterance is None or self._state.stage not in {Stage.TALKING, Stage.WAITING}:
            return
        lost_for_s = 0.0 if self._lost_at is None else time.monotonic() - self._lost_at
        if utterance.complete and lost_for_s > self._settings.resend_within_s:
            self._keep(utterance)
            self._outcome = "failed"
            self._end_turn()
            return
        utterance.start_over()
        self._delivery.pump(utterance)
        if utterance.complete:
            self._expect_answer()

    def on_lost(self) -> None:
        """The connection broke: what sounds may sound to its end, what is being said is still recorded."""
        if self._lost_at is None or self._state.link is Link.UP:
            self._lost_at = time.monotonic()
        self._controls.reset()
        self._stop_waiting()
        self._apply(Trigger.LOSE)
        if self._state.stage is Stage.ANSWERING:
            self._outcome = "failed"
            self._finish_reply()

    def on_sent(self, message: ClientMessage) -> None:
        """A message has left this machine."""
        if isinstance(message, AudioChunk) and self._latency.first_chunk_sent():
            self._emit(self._latency.event())
        self._controls.on_sent(message)
        queued = round(self._delivery.queued_s(self.capture.current), 2)
        if abs(queued - self._state.queued_seconds) >= QUEUE_TOLD_S or (queued == 0.0 < self._state.queued_seconds):
            self.update(queued_seconds=queued)

    def close(self) -> None:
        """The conversation is over."""
        talking = self.capture.talking
        abandoned = self.capture.abandon()
        if abandoned is not None and not abandoned.closed:
            if talking:
                self._emit(events.TalkEnded(abandoned.turn, round(abandoned.seconds, 3)))
            self._emit(events.Utterance(abandoned.turn, "discarded", round(abandoned.seconds, 3)))
            self._close_turn("discarded")
        self._discard_kept()
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
                self._on_audio_end(message)
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
        try:
            self._player.feed(message)
        except SelamError as error:
            self._on_undecodable(error)
        if self._last_chunk_at - self._audio_told_at >= AUDIO_EVENT_EVERY_S:
            self._audio_told_at = self._last_chunk_at
            self._emit(events.Audio(self._state.turn, self._player.chunks))

    def _on_audio_end(self, message: protocol.AudioEnd) -> None:
        if not self._player.active and not self._state.user_final and not self._state.reply_text:
            return  # nothing of this turn's answer has come: it ends a reply that was cut off before
        self._finish_reply()
        decoded_s = self._player.decoded_s if self._player.active else 0.0
        self._emit(events.AudioEnd(self._state.turn, message.total_chunks, round(decoded_s, 3)))
        if not self._player.active and self._state.stage in {Stage.WAITING, Stage.ANSWERING}:
            self._end_turn()

    def _on_control_ack(self, message: protocol.ControlAck) -> None:
        rtt_ms = self._controls.acknowledged(message)
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

    def _on_undecodable(self, error: SelamError) -> None:
        self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))

    # --- turns --------------------------------------------------------------------------------------------------------

    def _open_turn(self, turn: int, pressed_at: float) -> None:
        self._turn_open = True
        self._outcome = "answered"
        self._latency = LatencyOfTurn(turn, pressed_at)
        self._audio_told_at = 0.0

    def _leave_turn(self) -> None:
        """The user goes on to a new turn: what is left of this one was cut off, or could not be delivered."""
        said = self.capture.current
        if said is not None and said.complete and not said.closed:
            self._keep(said)
            self._close_turn("failed")
        else:
            self._close_turn("interrupted")

    def _close_turn(self, outcome: str) -> None:
        self._stop_waiting()
        if self._turn_open:
            self._turn_open = False
            self._emit(events.TurnEnded(self._state.turn, outcome))

    def _end_turn(self) -> None:
        self.capture.forget()
        self._player.active = False
        self._apply(Trigger.FINISH)
        self._close_turn(self._outcome)

    def _answering(self) -> None:
        self._stop_waiting()
        if not self._turn_open and self._state.stage is Stage.ANSWERING:
            self._open_turn(self._state.turn, time.monotonic())  # the agent speaks without being asked
        self._last_chunk_at = time.monotonic()
        self._tick()

    def _silence(self) -> None:
        if not self._player.sounding:
            return
        heard_s = self._player.stop()
        self._emit(events.Interrupted(self._state.turn, round(heard_s, 3)))

    def _finish_reply(self) -> None:
        try:
            self._player.finish()
        except SelamError as error:
            self._on_undecodable(error)
        if self._player.chunks:
            self._emit(events.Audio(self._state.turn, self._player.chunks))

    def _tick(self) -> None:
        """Follow a reply while it sounds; the one timer that asks instead of being told, for the speaker can't tell."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self._tell_playout()
        if self._state.stage is Stage.ANSWERING:
            self._end_if_over()
        if self._state.stage is Stage.ANSWERING or self._player.sounding:
            self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tell_playout(self) -> None:
        now = time.monotonic()
        if not self._player.audible or now - self._playout_told_at < PLAYOUT_EVENT_EVERY_S:
            return
        self._playout_told_at = now
        buffered_ms, target_ms, breaks = self._player.playout
        heard_s = round(self._player.heard_s, 3)
        self._emit(events.Playout(self._state.turn, heard_s, round(buffered_ms, 1), target_ms, breaks))

    def _end_if_over(self) -> None:
        if self._player.active and self._player.drained:
            self._end_turn()
        elif time.monotonic() - self._last_chunk_at > REPLY_STALL_S and self._player.playout[0] == 0.0:
            self._finish_reply()
            self._end_turn()

    def _expect_answer(self) -> None:
        self._stop_waiting()
        self._no_answer = asyncio.get_running_loop().call_later(NO_ANSWER_S, self._give_up)

    def _give_up(self) -> None:
        self._no_answer = None
        if self._state.stage is not Stage.WAITING:
            return
        self._notice("no_answer", "warning", "No answer came in 30 seconds.", "Say it again, or check the microphone.")
        self._outcome = "failed"
        self._end_turn()

    def _stop_waiting(self) -> None:
        if self._no_answer is not None:
            self._no_answer.cancel()
            self._no_answer = None

    # --- utterances ---------------------------------------------------------------------------------------------------

    def _on_growth(self, utterance: Utterance) -> None:
        self._delivery.pump(utterance)
        if utterance.seconds >= self._settings.max_talk_s and self._state.stage is Stage.TALKING:
            longest = f"{self._settings.max_talk_s} seconds are the most that one utterance may last."
            self._notice("too_long", "warning", longest, "It was sent; press again to go on.")
            self.close_microphone()

    def _on_complete(self, utterance: Utterance) -> None:
        if self._state.stage is Stage.TALKING:
            self._apply(Trigger.RELEASE)
        self._emit(events.TalkEnded(utterance.turn, round(utterance.seconds, 3)))
        if not utterance.audio:
            self._notice(
                "nothing_heard", "warning", "The microphone delivered no sound.", "Check it with selam-voice devices."
            )
            self._emit(events.Utterance(utterance.turn, "discarded", 0.0))
            self._outcome = "discarded"
            self._end_turn()
            return
        self._delivery.pump(utterance)
        if self._player.let_go():
            self._apply(Trigger.ANSWER)
            self._answering()
        elif self._up and not self._state.user_text and loudest_rms(utterance.audio) <= self._state.vad_threshold:
            self._tell_of_silence(utterance)
        elif self._up:
            self._expect_answer()

    def _tell_of_silence(self, utterance: Utterance) -> None:
        """No frame reached the level that counts as speech: nobody need wait for an answer to that."""
        heard, needed = dbfs(loudest_rms(utterance.audio)), dbfs(self._state.vad_threshold)
        sentence = f"What you said was too quiet for the agent: {heard:.0f} dBFS, and it takes {needed:.0f}."
        self._notice(
            "too_quiet", "warning", sentence, "Speak closer, choose another microphone, or lower the VAD threshold."
        )
        self._outcome = "failed"
        self._end_turn()

    def _keep(self, utterance: Utterance) -> None:
        """Put by what could not be delivered; what is kept already comes before it."""
        self._emit(events.Utterance(utterance.turn, "kept", round(utterance.seconds, 3)))
        if self._kept is not None:
            utterance.audio[:0] = self._kept.audio
        self._kept = utterance
        self.update(kept_seconds=round(utterance.seconds, 3))
        self._notice("kept", "info", f"{utterance.seconds:.1f} s of speech are kept.", "Send them with resend.")

    def _discard_kept(self) -> None:
        if self._kept is not None:
            self._emit(events.Utterance(self._kept.turn, "discarded", round(self._kept.seconds, 3)))
            self._kept = None
            self.update(kept_seconds=0.0)

    # --- small things -------------------------------------------------------------------------------------------------

    @property
    def _up(self) -> bool:
        return self._delivery.up

    def _let_listen(self) -> None:
        if self._state.paused:
            self._controls.request(Action.RESUME)
        if not self._state.listening:
            self._controls.request(Action.START_LISTENING)

    def _notice(self, code: str, severity: str, message: str, remedy: str = "") -> None:
        self._emit(events.Notice(code, severity, message, remedy))
