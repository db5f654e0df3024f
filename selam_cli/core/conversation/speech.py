"""What becomes of what is said, from the microphone to the connection."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from selam_cli.core.conversation import effects, notices
from selam_cli.core.conversation.context import ConversationContext
from selam_cli.core.conversation.inputs import Completed, Fed, Grew, MicrophoneClosed, Sent, SoundDropped
from selam_cli.core.conversation.ledger import Place
from selam_cli.core.conversation.user import microphone_closed
from selam_cli.core.protocol import AudioChunk
from selam_cli.core.session import Trigger, TurnStage

DROPPED_TOLD_S: Final = 10.0
"""How many more seconds have to be dropped before it is reported again."""

QUEUE_TOLD_S: Final = 0.25
"""By how many seconds the queue has to change before a state is emitted because of it."""


def grew(context: ConversationContext, growth: Grew) -> None:
    """More was said."""
    if context.ledger.get(growth.turn) is None:
        return
    utterance = context.ledger.grow(growth.turn, growth.samples)
    context.feed(utterance)
    if utterance.seconds > context.rules.max_talk_s and context.state.stage is TurnStage.TALKING:
        context.emit(notices.too_long(context.rules.max_talk_s))
        microphone_closed(context, MicrophoneClosed())


def completed(context: ConversationContext, completion: Completed) -> None:
    """All was said."""
    utterance = context.ledger.get(completion.turn)
    if utterance is None:
        return
    if context.state.stage is TurnStage.TALKING:
        context.apply(Trigger.RELEASE)
    opening = context.state.microphone.opening
    context.tell_end_of(utterance)
    context.cue("off")
    if not utterance.samples:
        context.emit(notices.NOT_OPENED if opening else notices.NO_SOUND)
        context.ledger.move(utterance.turn, Place.DISCARDED)
        context.do(effects.ReleaseReply())
        context.turn = replace(context.turn, outcome="discarded")
        context.end_turn()
        return
    context.feed(context.ledger.complete(utterance.turn, completion.loudest, context.now))


def fed(context: ConversationContext, feeding: Fed) -> None:
    """The connection took something of what was said, or had no room for it."""
    utterance = context.ledger.get(feeding.turn)
    if utterance is None:
        return
    context.ledger.handed_over(feeding.turn, feeding.sent_samples, context.session)
    if feeding.whole and utterance.place is Place.SENDING:
        utterance = context.ledger.move(feeding.turn, Place.UNCONFIRMED)
        if utterance.turn != context.current:
            context.doubt(utterance)  # the rest of one whose answer came early
    if utterance.complete and utterance.turn == context.current and not context.turn.said_whole:
        context.turn = replace(context.turn, said_whole=True)
        _said_whole(context)


def _said_whole(context: ConversationContext) -> None:
    """Nothing more will be said in this turn: go on with what came of an answer, or wait for one."""
    context.do(effects.ReleaseReply())
    utterance = context.utterance
    if context.around.reply_held and context.around.reply_active:
        context.turn = replace(context.turn, answered_early=True)
        context.around = replace(context.around, reply_held=False, reply_sounding=True, reply_drained=False)
        context.apply(Trigger.ANSWER)
        context.answering()
    elif context.turn.answer_is_over:
        context.turn = replace(context.turn, answered_early=True)
        context.end_turn()
    elif utterance is not None and context.around.up:
        context.await_answer(utterance)
    else:
        context.keep_in_time()


def sent(context: ConversationContext, sending: Sent) -> None:
    """A message has left this machine: there may be room for more."""
    if isinstance(sending.message, AudioChunk) and context.latency.first_chunk_sent(context.now):
        context.emit(context.latency.event())
    context.controls.on_sent(sending.message, context.now)
    for utterance in context.ledger.at(Place.RECORDING, Place.SENDING):
        context.feed(utterance)


def sound_dropped(context: ConversationContext, drop: SoundDropped) -> None:
    """An open microphone's sound was dropped, because the connection is slower than speech."""
    before_s = context.state.dropped_seconds
    after_s = round(before_s + drop.seconds, 3)
    context.update(dropped_seconds=after_s)
    if before_s == 0.0 or int(after_s / DROPPED_TOLD_S) > int(before_s / DROPPED_TOLD_S):
        context.emit(notices.dropped(after_s))


def tell_figures(context: ConversationContext) -> None:
    """Keep the state's figures of what waits to be sent and of what is kept true, without emitting each change."""
    queued_s = round(context.around.queued_s + context.ledger.unsent_s, 2)
    told_s = context.state.queued_seconds
    if abs(queued_s - told_s) >= QUEUE_TOLD_S or queued_s == 0.0 < told_s:
        context.update(queued_seconds=queued_s)
    context.update(kept_seconds=round(context.ledger.kept_s, 3))
