"""What the connection does: it opens, breaks, rests, ends."""

from __future__ import annotations

from dataclasses import replace

from selam_cli.core.conversation import effects, notices
from selam_cli.core.conversation.context import ConversationContext
from selam_cli.core.conversation.inputs import (
    Closed,
    LinkLost,
    Reconnecting,
    ResendAsked,
    Rested,
    SessionOpened,
    Stalled,
)
from selam_cli.core.conversation.ledger import Place, Utterance
from selam_cli.core.conversation.user import resend_asked
from selam_cli.core.session import LinkState, Trigger, TurnStage


def session_opened(context: ConversationContext, _: SessionOpened) -> None:
    """A session is open: send what was said before it was."""
    context.keep_what_was_on_its_way()  # the session before may have been ended for other settings
    context.replies.reset()  # this session has not heard what was thrown away
    context.controls.reset()
    context.session += 1
    context.keep_at = None
    utterance = context.undelivered
    late = utterance is not None and utterance.complete and context.waited_s(utterance) > context.rules.resend_within_s
    context.lost_at = None
    if utterance is None:
        if context.resend_wanted:
            resend_asked(context, ResendAsked())
    elif late:
        context.keep_current()
    else:
        _send_from_its_beginning(context, utterance)


def _send_from_its_beginning(context: ConversationContext, utterance: Utterance) -> None:
    utterance = context.ledger.start_over(utterance.turn)
    context.do(effects.StartOver(utterance.turn))
    context.turn = replace(context.turn, understood=False, said_whole=False)
    # In this session the server will say again what it understood of it in the last one.
    context.update(user_text="", user_final="", reply_text="")
    if utterance.resent:
        context.emit(notices.RESENT)
    context.feed(utterance)


def link_lost(context: ConversationContext, _: LinkLost) -> None:
    """The connection broke: what sounds may sound to its end, what is being said is still recorded."""
    was_up = context.state.link is LinkState.UP
    if context.lost_at is None:
        context.lost_at = context.now
    context.controls.reset()
    context.answer_due_at = None
    context.keep_what_was_on_its_way()
    context.apply(Trigger.LOSE)
    if context.state.stage is TurnStage.ANSWERING:
        context.turn = replace(context.turn, outcome="failed")
        context.do(effects.PutReply(None))
    elif was_up and context.undelivered is not None:
        context.emit(notices.recorded(context.rules.resend_within_s))
    if was_up and context.rules.open_microphone and not context.state.muted:
        # Nothing tells where in it an utterance begins and ends, and half an hour of a room is no utterance.
        context.emit(notices.UNHEARD)
    context.keep_in_time()


def reconnecting(context: ConversationContext, _: Reconnecting) -> None:
    """A connection is tried, because the user did something."""
    context.apply(Trigger.CONNECT)
    context.update_connection(ended_for="")


def rested(context: ConversationContext, rest: Rested) -> None:
    """There is no connection, and none is tried until the user does something."""
    context.keep_at = None
    context.apply(Trigger.REST)
    context.update_connection(ended_for=rest.why)
    context.keep_in_time()


def stalled(context: ConversationContext, stall: Stalled) -> None:
    """The server has stopped reading what it is sent, or reads again."""
    context.update_connection(stalled=stall.on)
    if stall.on:
        context.emit(notices.STALLED)


def closed(context: ConversationContext, _: Closed) -> None:
    """The conversation is over."""
    abandoned = context.utterance
    context.do(effects.AbandonCapture())
    context.keep_at = None
    context.withdraw()
    if abandoned is not None and abandoned.place in {Place.RECORDING, Place.SENDING}:
        if abandoned.place is Place.RECORDING:
            context.tell_end_of(abandoned)
        context.ledger.move(abandoned.turn, Place.DISCARDED)
        context.close_turn("discarded")
    context.ledger.discard_kept()
    context.silence()
    context.do(effects.ReleaseReply())
    context.answer_due_at = None
    context.controls.reset()
    context.apply(Trigger.CLOSE)
    context.close_turn("failed")
