"""The conversation as a machine: inputs say what happened and when, and it answers with what is to be done.

It reads no clock, waits for nothing and calls nothing: `handle` takes an input, and `deadline` says when
the next one has to be `TimePassed`. The engine carries the effects out; tests drive it in any order, at any speed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from selam_cli.core.conversation import inputs, link, notices, server, speech, user
from selam_cli.core.conversation.context import ConversationContext, Rules
from selam_cli.core.conversation.effects import Effect
from selam_cli.core.conversation.inputs import Input, Surroundings
from selam_cli.core.session import LinkState, SessionState, TurnStage


def _time_passed(context: ConversationContext, _: inputs.TimePassed) -> None:
    for action in context.controls.missed(context.now):
        context.emit(notices.unacknowledged(action))
    if context.keep_at is not None and context.keep_at <= context.now:
        context.keep_current()
    if context.answer_due_at is not None and context.answer_due_at <= context.now:
        context.answer_due_at = None
        if context.state.stage is TurnStage.WAITING:
            context.emit(notices.NO_ANSWER)
            context.fail()
    if context.follow_at is not None and context.follow_at <= context.now:
        context.follow()


def _updated(context: ConversationContext, update: inputs.Updated) -> None:
    context.update(**update.changes)


_HANDLERS: Final[Mapping[type[Input], Callable[[ConversationContext, Any], None]]] = {
    inputs.TimePassed: _time_passed,
    inputs.Updated: _updated,
    inputs.Pressed: user.pressed,
    inputs.Released: user.released,
    inputs.MicrophoneClosed: user.microphone_closed,
    inputs.Discarded: user.discarded,
    inputs.Interrupted: user.interrupted,
    inputs.Asked: user.asked,
    inputs.Muted: user.muted,
    inputs.VolumeSet: user.volume_set,
    inputs.CuesSwitched: user.cues_switched,
    inputs.Replayed: user.replayed,
    inputs.ResendAsked: user.resend_asked,
    inputs.Grew: speech.grew,
    inputs.Completed: speech.completed,
    inputs.Fed: speech.fed,
    inputs.Sent: speech.sent,
    inputs.SoundDropped: speech.sound_dropped,
    inputs.SessionOpened: link.session_opened,
    inputs.LinkLost: link.link_lost,
    inputs.Reconnecting: link.reconnecting,
    inputs.Rested: link.rested,
    inputs.Stalled: link.stalled,
    inputs.Closed: link.closed,
    inputs.ServerSaid: server.server_said,
    inputs.ReplySlice: server.reply_slice,
    inputs.ReplyEnd: server.reply_end,
}


_AFTER_THE_END: Final = (inputs.Pressed, inputs.Updated)
"""What is still handled when the conversation is over: a press is answered with that, and the devices are closed."""


class ConversationMachine:
    """One conversation from the first press to the last word. Times are monotonic seconds."""

    def __init__(self, rules: Rules, state: SessionState, *, cues: bool = False) -> None:
        self._context = ConversationContext(rules, state, cues=cues)

    @property
    def state(self) -> SessionState:
        """The conversation as it stands."""
        return self._context.state

    @property
    def rules(self) -> Rules:
        """How the user wants it to be."""
        return self._context.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._context.rules = rules

    @property
    def unanswered(self) -> bool:
        """Whether an utterance is being said or waits for its answer, and none of it has gone to an earlier session."""
        utterance = self._context.undelivered
        return utterance is not None and not utterance.resent

    @property
    def may_resend(self) -> bool:
        """Whether there is kept speech, and nothing else is going on."""
        return user.may_resend(self._context)

    def handle(self, happened: Input, now: float, around: Surroundings) -> list[Effect]:
        """Take what has happened; return what is to be done, in order."""
        context = self._context
        if context.state.link is LinkState.CLOSED and not isinstance(happened, _AFTER_THE_END):
            return []
        context.now, context.around = now, around
        _HANDLERS[type(happened)](context, happened)
        speech.tell_figures(context)
        return context.take_effects()

    def deadline(self) -> float | None:
        """Return when `TimePassed` is wanted next; None: nothing depends on the time that passes."""
        context = self._context
        if context.state.link is LinkState.CLOSED:
            return None
        due = (context.answer_due_at, context.keep_at, context.follow_at, context.controls.deadline())
        return min((at for at in due if at is not None), default=None)
