"""What the server says: what it understood, what it answers, and what it does as it was asked."""

from __future__ import annotations

from dataclasses import replace

from selam_cli.core import events, protocol
from selam_cli.core.conversation import effects
from selam_cli.core.conversation.context import ConversationContext
from selam_cli.core.conversation.inputs import ReplyEnd, ReplySlice, ServerSaid
from selam_cli.core.protocol import Action
from selam_cli.core.session import Trigger, TurnStage
from selam_cli.errors import service_error


def server_said(context: ConversationContext, said: ServerSaid) -> None:
    """Take a message of the server's, unless it belongs to a reply that was cut off."""
    if not context.replies.admits(said.message, context.now):
        return
    match said.message:
        case protocol.Transcription() as message:
            _on_transcription(context, message)
        case protocol.Response() as message:
            _on_response(context, message)
        case protocol.ReplyChunk() as message:
            _on_reply_chunk(context, message)
        case protocol.AudioEnd() as message:
            context.do(effects.PutReply(message))
        case protocol.ControlAck() as message:
            _on_control_ack(context, message)
        case protocol.ErrorReport() as message:
            _on_error(context, message)
        case protocol.Connected() | protocol.SessionStarted() | protocol.SessionEnded() as message:
            context.apply(message)


def _on_transcription(context: ConversationContext, message: protocol.Transcription) -> None:
    unasked = context.state.stage in {TurnStage.IDLE, TurnStage.ANSWERING}
    if context.rules.open_microphone and unasked and message.text and not context.recording:
        context.silence()
        context.settle()
        context.close_turn("interrupted")
        context.apply(Trigger.HEARD)
        context.open_turn(context.now)
    context.apply(message)
    # What comes before the interruption is acknowledged was understood of the turn before it.
    answered = context.controls.answered(Action.INTERRUPT)
    if not answered or answered >= context.controls.asked(Action.INTERRUPT):
        context.turn = replace(context.turn, understood=True)
        context.ledger.all_arrived()
    if message.is_final and context.latency.transcribed(context.now):
        context.emit(context.latency.event())
    context.emit(events.Transcription(context.state.turn, message.text, message.is_final))
    if context.state.stage is TurnStage.WAITING and context.answer_due_at is None and not context.recording:
        context.expect_answer()


def _on_response(context: ConversationContext, message: protocol.Response) -> None:
    context.apply(message)
    context.answering()
    if context.latency.responded(context.now):
        context.emit(context.latency.event())
    context.emit(events.Response(context.state.turn, context.state.reply_text))


def _on_reply_chunk(context: ConversationContext, message: protocol.ReplyChunk) -> None:
    context.apply(message)
    context.answering()
    if context.latency.sounded(context.now):
        context.emit(context.latency.event())
    context.do(effects.PutReply(message))


def reply_slice(context: ConversationContext, piece: ReplySlice) -> None:
    """A part of a reply's sound is due."""
    context.do(effects.PlayReply(piece.part, piece.goes_on, context.state))


def reply_end(context: ConversationContext, end: ReplyEnd) -> None:
    """All of the reply's sound has come."""
    if end.message is None:
        context.do(effects.FinishReply(None, context.state))
        return
    state, active = context.state, context.around.reply_active
    if not active and not state.user_final and not state.reply_text:
        return  # nothing of this turn's answer has come: it ends a reply that was cut off before
    context.do(effects.FinishReply(end.message.total_chunks, state))
    if active or state.stage not in {TurnStage.WAITING, TurnStage.ANSWERING}:
        return
    if context.recording:
        context.turn = replace(context.turn, answer_is_over=True)
    else:
        context.end_turn()


def _on_control_ack(context: ConversationContext, message: protocol.ControlAck) -> None:
    rtt_ms = context.controls.acknowledged(message, context.now)
    context.ledger.acknowledged(context.controls.answered(Action.INTERRUPT))
    context.apply(message)
    if rtt_ms is not None:
        context.update_connection(rtt_ms=round(rtt_ms, 1))
        if context.latency.round_trip(rtt_ms):
            context.emit(context.latency.event())
    context.emit(events.ControlAck(message.action, message.status))


def _on_error(context: ConversationContext, message: protocol.ErrorReport) -> None:
    error = service_error(message.type, message.message)
    context.emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
    if context.state.stage is TurnStage.WAITING and not context.recording:
        context.fail()
