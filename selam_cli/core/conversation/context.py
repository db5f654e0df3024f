"""All that a conversation knows, and the steps that several inputs share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from selam_cli.core import events
from selam_cli.core.conversation import effects, notices
from selam_cli.core.conversation.controls import Controls
from selam_cli.core.conversation.inputs import Surroundings
from selam_cli.core.conversation.latency import LatencyOfTurn
from selam_cli.core.conversation.ledger import Place, Utterance, UtteranceLedger
from selam_cli.core.conversation.stale_reply import StaleReplyFilter
from selam_cli.core.conversation.turn import Turn
from selam_cli.core.protocol import Action, ServerMessage
from selam_cli.core.session import LinkState, SessionState, Trigger, TurnStage, apply

NO_ANSWER_S: Final = 30.0
REPLY_STALL_S: Final = 10.0
"""A reply that has played out and brought nothing new for this long will not go on, whatever `audio_end` was to say."""

FOLLOW_EVERY_S: Final = 0.05
"""How often a reply that sounds is looked at, because a loudspeaker cannot tell that it has come to an end."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the user wants the conversation to be, and what the connection takes; times in seconds."""

    open_microphone: bool = False
    """Whether the microphone is heard without a key."""
    microphone_per_turn: bool = False
    """Whether the microphone is opened by the key, so that it is heard some time after it."""
    resend_within_s: int = 30
    max_talk_s: int = 300
    backlog_s: float = 30.0
    """How much sound the connection takes at most."""
    gives_up: bool = True
    """Whether a turn ends that has waited `NO_ANSWER_S` for its answer, or something else sees to that."""


class ConversationContext:
    """What the conversation's handlers work on. All times are monotonic seconds."""

    def __init__(self, rules: Rules, state: SessionState, *, cues: bool) -> None:
        self.rules = rules
        self.state = state
        self.cues = cues
        self.turn = Turn()
        self.current: int | None = None
        """The turn whose utterance is being said, or waits for its answer."""
        self.ledger = UtteranceLedger(self.do)
        self.controls = Controls()
        self.replies = StaleReplyFilter()
        self.latency = LatencyOfTurn(0)
        self.session = 0
        """Counts sessions."""
        self.lost_at: float | None = None
        """Since when there is no connection, where there was one."""
        self.resend_wanted = False
        """Whether what is kept goes out as soon as there is a session."""
        self.answer_due_at: float | None = None
        self.keep_at: float | None = None
        """When it is too late to send unasked what was said."""
        self.follow_at: float | None = None
        """When the reply is looked at next."""
        self.last_chunk_at = 0.0
        self.now = 0.0
        self.around = Surroundings()
        self._effects: list[effects.Effect] = []

    # --- what comes out -----------------------------------------------------------------------------------------------

    def do(self, effect: effects.Effect) -> None:
        """Have something done, after all that was asked for before."""
        self._effects.append(effect)

    def take_effects(self) -> list[effects.Effect]:
        """Hand over what is to be done."""
        taken, self._effects = self._effects, []
        return taken

    def emit(self, event: events.Event) -> None:
        """Emit an event to the user's side."""
        self.do(effects.Emit(event))

    def update(self, **changes: object) -> None:
        """Change fields of the state that no trigger moves."""
        if any(getattr(self.state, name) != value for name, value in changes.items()):
            self._set(replace(self.state, **changes))  # type: ignore[arg-type]  # the callers name fields of the state

    def update_connection(self, **changes: object) -> None:
        """Change what is known of the connection."""
        self.update(connection=replace(self.state.connection, **changes))  # type: ignore[arg-type]  # as above

    def apply(self, event: Trigger | ServerMessage) -> None:
        """Move the state."""
        self._set(apply(self.state, event))

    def _set(self, state: SessionState) -> None:
        if state != self.state:
            self.state = state
            self.emit(events.StateChanged.of(state))

    def request(self, action: Action) -> None:
        """Ask the server for an action."""
        self.do(effects.Send(self.controls.request(action, self.now)))

    def cue(self, cue: str, *, with_first_sound: bool = False) -> None:
        """Play a cue, where the user wants any and hears them."""
        if self.cues and self.state.volume:
            self.do(effects.PlayCue(cue, with_first_sound))

    # --- what is being said -------------------------------------------------------------------------------------------

    @property
    def utterance(self) -> Utterance | None:
        """What is being said in this turn, or was, as long as something may become of it."""
        return self.ledger.get(self.current)

    @property
    def undelivered(self) -> Utterance | None:
        """What is being said, or was said and is not answered."""
        return self.utterance if self.state.stage in {TurnStage.TALKING, TurnStage.WAITING} else None

    @property
    def recording(self) -> bool:
        """Whether something is being said, the release tail included."""
        return self.ledger.recording is not None

    def tell_end_of(self, utterance: Utterance) -> None:
        """The microphone is no longer heard for it."""
        self.emit(events.TalkEnded(utterance.turn, round(utterance.seconds, 3)))
        self.do(effects.Announce(effects.Moment.TALK_ENDS))

    def feed(self, utterance: Utterance, *, whole: bool = False) -> None:
        """Hand the connection what is due of an utterance."""
        self.do(effects.Feed(utterance.turn, whole))

    # --- the turn -----------------------------------------------------------------------------------------------------

    def open_turn(self, pressed_at: float) -> None:
        """The turn that the state has moved to begins."""
        self.turn = Turn(open=True)
        self.latency = LatencyOfTurn(self.state.turn, pressed_at)
        self.do(effects.BeginReply())

    def close_turn(self, outcome: str) -> None:
        """Emit the turn's end, once."""
        self.answer_due_at = None
        if self.turn.open:
            self.turn = replace(self.turn, open=False)
            self.emit(events.TurnEnded(self.state.turn, outcome))
            self.do(effects.Announce(effects.Moment.TURN_ENDS))

    def fail(self) -> None:
        """Nothing more comes of this turn."""
        self.turn = replace(self.turn, outcome="failed")
        self.end_turn()

    def end_turn(self) -> None:
        """The turn has had its answer, or will have none."""
        self.settle()
        self.do(effects.EndReply(self.turn.outcome == "answered", self.state))
        self.around = replace(self.around, reply_active=False, reply_sounding=False, replaying=False)
        self.apply(Trigger.FINISH)
        self.close_turn(self.turn.outcome)

    def settle(self) -> None:
        """Let go of the turn's utterance: it has its answer, or none is waited for any longer."""
        said = self.utterance
        if said is None or not said.complete:
            return
        self.doubt_early_answer()
        self.current = None
        if said.place is Place.UNCONFIRMED and self.ledger[said.turn].confirmed_by is None:
            self.ledger.move(said.turn, Place.CONFIRMED)

    def doubt_early_answer(self) -> None:
        """An answer that came before all was said proves nothing about the rest."""
        said, early = self.utterance, self.turn.answered_early
        self.turn = replace(self.turn, answered_early=False)
        if early and said is not None and said.place is Place.UNCONFIRMED:
            self.doubt(said)

    def doubt(self, utterance: Utterance) -> None:
        """It is lost if the connection is, before the interruption that comes next is acknowledged."""
        self.ledger.doubt(utterance.turn, self.controls.asked(Action.INTERRUPT) + 1)

    # --- the reply ----------------------------------------------------------------------------------------------------

    def silence(self) -> None:
        """Cut the agent off: its sound, or a text whose sound has not come yet."""
        self.do(effects.CutReply(self.state.stage is TurnStage.ANSWERING, self.state))
        sounding = self.around.reply_sounding
        self.around = replace(
            self.around,
            reply_active=self.around.reply_active and not sounding,
            reply_sounding=False,
            replaying=self.around.replaying and not sounding,
            reply_queued=False,
        )

    def answering(self) -> None:
        """Something of an answer has come."""
        self.answer_due_at = None
        if self.around.replaying:
            self.stop_replay()  # the new answer is what counts
        if not self.turn.open and self.state.stage is TurnStage.ANSWERING:
            self.open_turn(self.now)  # the agent speaks without being asked
        self.last_chunk_at = self.now
        self.follow()

    def follow(self) -> None:
        """Look at how the reply goes: it may be over."""
        self.do(effects.TellPlayout(self.state))
        if self.state.stage is TurnStage.ANSWERING:
            self._end_if_over()
        self.follow_at = None
        if self.state.stage is TurnStage.ANSWERING or self.around.reply_sounding:
            self.follow_at = self.now + FOLLOW_EVERY_S
        elif self.around.replaying:
            self.stop_replay()

    def stop_replay(self) -> None:
        """End what was played again."""
        self.do(effects.StopReply())
        self.around = replace(self.around, reply_active=False, reply_sounding=False, replaying=False)

    def _end_if_over(self) -> None:
        around = self.around
        if around.reply_active and around.reply_drained:
            self.end_turn()
        elif around.reply_queued:
            return
        elif self.now - self.last_chunk_at > REPLY_STALL_S and around.buffered_ms == 0.0:
            self.do(effects.FinishReply(None, self.state))
            self.end_turn()

    def expect_answer(self) -> None:
        """From now on an answer is due."""
        self.answer_due_at = self.now + NO_ANSWER_S if self.rules.gives_up else None

    def await_answer(self, utterance: Utterance) -> None:
        """All of it is said: an answer is due, unless the server has taken no moment of it for speech."""
        if self.turn.understood or utterance.loudest > self.state.vad_threshold:
            self.expect_answer()
            return
        self.emit(notices.too_quiet(utterance.loudest, self.state.vad_threshold))
        self.fail()

    # --- what the connection does not carry ---------------------------------------------------------------------------

    def waited_s(self, utterance: Utterance) -> float:
        """For how long it has been without a connection: since the loss that cut it, else since its end."""
        if self.lost_at is None:
            return 0.0
        cut = self.lost_at > utterance.pressed_at
        return self.now - (self.lost_at if cut else utterance.ended_at)

    def keep_in_time(self) -> None:
        """Keep what was said once it is too late to send it unasked, at once where no connection is tried."""
        utterance = self.undelivered
        if utterance is None or not utterance.complete or self.around.up or self.keep_at is not None:
            return
        resting = self.state.link is LinkState.RESTING
        if self.lost_at is None and not resting:
            return  # the first connection is still being made
        left_s = 0.0 if resting else max(0.0, self.rules.resend_within_s - self.waited_s(utterance))
        self.keep_at = self.now + left_s

    def keep_current(self) -> None:
        """It is too late: the turn fails, and what was said is kept."""
        self.keep_at = None
        utterance = self.undelivered
        if utterance is None or not utterance.complete:
            return
        within_s = self.rules.resend_within_s
        resting = self.state.link is LinkState.RESTING
        self.keep(
            utterance, "there is no session" if resting else f"the connection was away for more than {within_s} s"
        )
        self.fail()

    def keep(self, utterance: Utterance, why: str) -> None:
        """Put it by until the user sends it or throws it away."""
        if utterance.turn == self.current:
            self.current = None
        self.ledger.move(utterance.turn, Place.KEPT, why)

    def keep_what_was_on_its_way(self) -> None:
        """The session is over: keep what turns before this one said, where the server gave no sign of it."""
        self.doubt_early_answer()
        self.do(effects.Withdraw())
        undelivered = self.undelivered
        for utterance in (*self.ledger.doubtful, *self.ledger.at(Place.SENDING)):
            if undelivered is None or utterance.turn != undelivered.turn:
                self.keep(utterance, "the session was over before it had all arrived")

    def withdraw(self) -> None:
        """Take back all sound that has not left; what becomes of this turn's utterance is decided elsewhere."""
        self.do(effects.Withdraw())
        for utterance in self.ledger.at(Place.SENDING):
            if utterance.turn != self.current:
                self.ledger.move(utterance.turn, Place.DISCARDED)
