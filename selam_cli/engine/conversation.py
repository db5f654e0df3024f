"""The shell round the conversation's machine: turns calls into inputs, and carries its effects out.

It lives on the engine's loop and is never called from another thread. What a press, a loss or a message means is
decided in `core.conversation`; the sound and the connection are here.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.core.conversation import inputs
from selam_cli.core.conversation.context import Rules
from selam_cli.core.conversation.effects import Moment
from selam_cli.core.conversation.inputs import Input, Surroundings
from selam_cli.core.conversation.machine import ConversationMachine
from selam_cli.core.pcm import Samples, loudest_rms
from selam_cli.core.protocol import Action, ClientMessage, ServerMessage
from selam_cli.core.session import SessionState, TurnStage
from selam_cli.engine.effect_runner import EffectRunner
from selam_cli.engine.link.outbox import AUDIO_AT_MOST_S
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.uplink.capture import Capture, Recording
from selam_cli.engine.uplink.delivery import Delivery, Wire
from selam_cli.engine.uplink.echo_gate import EchoGate


class Conversation:
    """One conversation from the first press to the last word."""

    def __init__(
        self, settings: Settings, state: SessionState, emit: Callable[[events.Event], None], player: ReplyPlayer
    ) -> None:
        self._emit = emit
        self._player = player
        self._machine = ConversationMachine(_rules(settings), state, cues=settings.cues)
        self._happened: deque[Input] = deque()
        self._is_handling = False
        self._timer: asyncio.TimerHandle | None = None
        self._delivery = Delivery(settings)
        self.capture = Capture(
            pre_roll_ms=0 if settings.microphone == "per_turn" else settings.pre_roll_ms,
            tail_ms=settings.release_tail_ms,
            on_growth=self._on_growth,
            on_complete=self._on_complete,
        )
        self._runner = EffectRunner(emit, self._handle, self._delivery, self.capture, player)
        self.hearing = EchoGate(
            settings, player, self._on_block, emit, on_change=lambda names: self.update(processing=names)
        )
        if settings.ptt == "open":
            self.capture.listen(self.on_open_microphone)
        player.set_volume(state.volume)

    @property
    def state(self) -> SessionState:
        """The conversation as it stands."""
        return self._machine.state

    @property
    def unanswered(self) -> bool:
        """Whether an utterance is being said or waits for its answer, and none of it has gone to an earlier session."""
        return self._machine.unanswered

    def listen(self, listener: Callable[[Moment], None]) -> None:
        """Call a listener whenever the user begins to talk or ends, and whenever a turn ends."""
        self._runner.listeners.append(listener)

    def give_up_never(self) -> None:
        """Wait for an answer as long as it takes: `ask` has its own clock."""
        self._machine.rules = replace(self._machine.rules, gives_up=False)

    def tell_state(self) -> None:
        """Emit the whole state, whether or not it has changed."""
        self._emit(events.StateChanged.of(self.state))

    # --- what happens -------------------------------------------------------------------------------------------------

    def update(self, **changes: object) -> None:
        """Change fields of the state that no turn moves: voice, microphone, …"""
        self._handle(inputs.Updated(changes))

    def press(self, at: float) -> None:
        """Start to talk, or go on with the utterance that was about to end. `at` is the key's monotonic time."""
        self._handle(inputs.Pressed(at, self.hearing.clean_from(at, self.state.vad_threshold)))

    def release(self, at: float, *, within_s: float = 0.0) -> None:
        """Stop talking; the release tail still belongs to the utterance.

        One that is only inferred may be taken back `within_s` seconds: the utterance ends then, and not before.
        """
        self._handle(inputs.Released(at, within_s))

    def discard(self) -> None:
        """Throw away what is being said, or an utterance that is kept; the server forgets what it has of it."""
        self._handle(inputs.Discarded())

    def interrupt(self) -> None:
        """Silence the agent here at once, then tell the server."""
        self._handle(inputs.Interrupted())

    def control(self, action: Action) -> None:
        """Ask the server for one of the actions that change how it listens."""
        self._handle(inputs.Asked(action))

    def mute(self, *, on: bool) -> None:
        """Close the user's microphone to the server, at once and without a tail, or open it again."""
        self._handle(inputs.Muted(on))

    def close_microphone(self) -> None:
        """End what is being said at once, without a tail; it is not thrown away."""
        self._handle(inputs.MicrophoneClosed())

    def set_volume(self, volume: int) -> None:
        """Set the reply's loudness, 0 to 100."""
        self._handle(inputs.VolumeSet(volume))

    def switch_cues(self, *, on: bool) -> None:
        """Mark the beginning and the end of talking by a sound, or don't."""
        self._handle(inputs.CuesSwitched(on))

    def replay(self) -> bool:
        """Play the last reply again; False where there is none, or something else is going on."""
        if self.state.stage is not TurnStage.IDLE or not self._player.replay():
            return False
        self._handle(inputs.Replayed())
        return True

    def resend(self) -> bool:
        """Send the speech that was kept, or do so once there is a connection; False where none is, or it cannot be."""
        if not self._machine.may_resend:
            return False
        self._handle(inputs.ResendAsked())
        return True

    def attach(self, wire: Wire) -> None:
        """Use this way to the server from now on."""
        self._delivery.attach(wire)

    def on_up(self) -> None:
        """A session is open."""
        self._handle(inputs.SessionOpened())

    def on_lost(self) -> None:
        """The connection broke."""
        self._handle(inputs.LinkLost())

    def on_connecting_again(self) -> None:
        """A connection is tried, because the user did something."""
        self._handle(inputs.Reconnecting())

    def rest(self, why: str) -> None:
        """There is no connection, and none is tried until the user does something."""
        self._handle(inputs.Rested(why))

    def on_stalled(self, stalled: bool) -> None:  # what the link's callback carries
        """The server has stopped reading what it is sent, or reads again."""
        self._handle(inputs.Stalled(stalled))

    def on_dropped(self, dropped_s: float) -> None:
        """This much of an open microphone's sound was dropped."""
        self._handle(inputs.SoundDropped(dropped_s))

    def on_sent(self, message: ClientMessage) -> None:
        """A message has left this machine."""
        self._handle(inputs.Sent(message))

    def on_message(self, message: ServerMessage) -> None:
        """The server has said something."""
        self._handle(inputs.ServerSaid(message))

    def close(self) -> None:
        """The conversation is over."""
        self._handle(inputs.Closed())

    def on_open_microphone(self, samples: Samples, ended_at: float) -> None:
        """Send what an open microphone hears of the user; the agent's own voice would interrupt it."""
        state = self.state
        if self._delivery.up and state.listening and not state.paused and not state.muted:
            self._delivery.stream(self.hearing.only_the_user(samples, ended_at))

    def _on_block(self, samples: Samples, ended_at: float) -> None:
        """Take a block from the microphone, which hears the speaker, too: its cues are no part of what is said."""
        self._runner.on_first_sound()
        self.capture.on_block(self._player.cues.kept_out(samples, ended_at), ended_at)

    def _on_growth(self, recording: Recording) -> None:
        self._runner.recordings[recording.turn] = recording  # its pre-roll lets it grow before its start has returned
        self._handle(inputs.Grew(recording.turn, len(recording.audio) // 2))

    def _on_complete(self, recording: Recording) -> None:
        self._handle(inputs.Completed(recording.turn, loudest_rms(recording.audio)))

    def _on_time(self) -> None:
        self._timer = None
        self._handle(inputs.TimePassed())

    # --- one thing after another --------------------------------------------------------------------------------------

    def _handle(self, happened: Input) -> None:
        """Handle an input; one that comes of an effect is handled when all effects before it were carried out."""
        self._happened.append(happened)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._happened:
                wanted = self._machine.handle(self._happened.popleft(), time.monotonic(), self._surroundings())
                for effect in wanted:
                    self._runner.run(effect)
        finally:
            self._is_handling = False
        self._set_timer()

    def _surroundings(self) -> Surroundings:
        player = self._player
        return Surroundings(
            up=self._delivery.up,
            queued_s=self._delivery.queued_s,
            reply_active=player.active,
            reply_sounding=player.sounding,
            reply_drained=player.drained,
            reply_held=player.holds_sound,
            replaying=player.replaying,
            buffered_ms=player.playout[0],
            reply_queued=self._runner.reply_queued,
        )

    def _set_timer(self) -> None:
        deadline = self._machine.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            wait_s = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)


def _rules(settings: Settings) -> Rules:
    return Rules(
        open_microphone=settings.ptt == "open",
        microphone_per_turn=settings.microphone == "per_turn",
        resend_within_s=settings.resend_within_s,
        max_talk_s=settings.max_talk_s,
        backlog_s=AUDIO_AT_MOST_S,
    )
