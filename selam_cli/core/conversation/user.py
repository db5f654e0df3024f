"""What the user does: talks, throws away, interrupts, asks again."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from selam_cli.core import events
from selam_cli.core.conversation import effects, notices
from selam_cli.core.conversation.context import ConversationContext
from selam_cli.core.conversation.inputs import (
    Asked,
    CuesSwitched,
    Discarded,
    Interrupted,
    MicrophoneClosed,
    Muted,
    Pressed,
    Released,
    Replayed,
    ResendAsked,
    VolumeSet,
)
from selam_cli.core.conversation.ledger import Place
from selam_cli.core.pcm import CLOSING_SILENCE_MS
from selam_cli.core.protocol import Action
from selam_cli.core.session import LinkState, Trigger, TurnStage

COMMAND_S: Final = 0.02
"""How long a command may be on its way that takes an inferred release back at the last moment."""


def pressed(context: ConversationContext, press: Pressed) -> None:
    """Start to talk, or go on with the utterance that was about to end."""
    state = context.state
    if state.link is LinkState.CLOSED:
        context.emit(notices.ENDED)
    elif state.muted:
        context.emit(notices.MUTED)
    elif not context.recording:
        _begin(context, press)
    elif state.stage is not TurnStage.TALKING:
        context.do(effects.ResumeCapture())
        context.apply(Trigger.CONTINUE)


def _begin(context: ConversationContext, press: Pressed) -> None:
    context.silence()
    context.do(effects.HoldReply())
    _leave_turn(context)
    context.replies.begin_turn()
    context.apply(Trigger.PRESS)
    turn = context.state.turn
    context.open_turn(press.at)
    context.emit(events.TalkStarted(turn))
    context.do(effects.Announce(effects.Moment.TALK_BEGINS))
    context.cue("on", with_first_sound=context.rules.microphone_per_turn)
    if context.around.up:
        _let_listen(context)
        context.replies.interrupted(context.now)
        context.request(Action.INTERRUPT)
    context.ledger.open(turn, press.at)
    context.current = turn
    context.do(effects.StartCapture(turn, press.at, press.clean_from))


def _let_listen(context: ConversationContext) -> None:
    if context.state.paused:
        context.request(Action.RESUME)
    if not context.state.listening:
        context.request(Action.START_LISTENING)


def _leave_turn(context: ConversationContext) -> None:
    """The user goes on to a new turn: what is left of this one was cut off, or could not be delivered."""
    context.keep_at = None
    waiting = context.utterance if context.state.stage is TurnStage.WAITING else None
    if waiting is not None and not context.around.up:
        context.keep(waiting, "there is no connection")
        context.close_turn("failed")
        return
    context.doubt_early_answer()
    for rest in context.ledger.at(Place.SENDING):
        if (
            context.around.up
            and context.around.queued_s + rest.unsent_s <= context.rules.backlog_s - CLOSING_SILENCE_MS / 1_000
        ):
            context.feed(rest, whole=True)
            context.doubt(context.ledger.move(rest.turn, Place.UNCONFIRMED))
        else:
            context.keep(rest, "the connection is slower than you speak")
    if waiting is not None and (sent := context.utterance) is not None:
        context.doubt(sent)
    context.settle()
    context.close_turn("interrupted")


def released(context: ConversationContext, release: Released) -> None:
    """Stop talking; the release tail still belongs to the utterance.

    One that is only inferred may be taken back for a while: the utterance ends then, and not before.
    """
    if context.state.stage is not TurnStage.TALKING:
        return
    context.latency.speech_ended(release.at)
    context.apply(Trigger.RELEASE)
    context.do(effects.StopCapture(release.at, release.within_s + COMMAND_S if release.within_s else 0.0))


def microphone_closed(context: ConversationContext, _: MicrophoneClosed) -> None:
    """End what is being said at once, without a tail; it is not thrown away."""
    released(context, Released(context.now))
    if context.recording:
        context.do(effects.EndCapture())


def discarded(context: ConversationContext, _: Discarded) -> None:
    """Throw away what is being said, or an utterance that is kept; the server forgets what it has of it."""
    abandoned = context.ledger.recording
    if abandoned is None:
        context.ledger.discard_kept()
        return
    context.do(effects.AbandonCapture())
    context.cue("thrown away")
    context.silence()
    context.do(effects.ReleaseReply())
    context.replies.discarded()
    context.withdraw()
    if context.around.up:
        context.request(Action.STOP_LISTENING)
        context.request(Action.START_LISTENING)
    context.apply(Trigger.DISCARD)
    context.tell_end_of(abandoned)
    context.ledger.move(abandoned.turn, Place.DISCARDED)
    context.close_turn("discarded")


def interrupted(context: ConversationContext, _: Interrupted) -> None:
    """Silence the agent here at once, then tell the server."""
    if context.state.stage is TurnStage.TALKING:
        return
    if context.recording:
        discarded(context, Discarded())  # the release tail still runs: the whole utterance is taken back
        return
    context.silence()
    if context.state.stage is TurnStage.WAITING:
        _throw_away_undelivered(context)
    if context.around.up:
        context.replies.interrupted(context.now)
        context.request(Action.INTERRUPT)
    context.turn = replace(context.turn, answered_early=False)
    context.settle()
    context.apply(Trigger.INTERRUPT)
    context.close_turn("interrupted")


def _throw_away_undelivered(context: ConversationContext) -> None:
    """The user no longer wants an answer: what could not be delivered is not kept either."""
    context.keep_at = None
    said = context.utterance
    if said is not None and (said.place is Place.SENDING or not context.around.up):
        context.withdraw()
        context.ledger.move(said.turn, Place.DISCARDED)


def asked(context: ConversationContext, ask: Asked) -> None:
    """Ask the server for one of the actions that change how it listens."""
    if context.around.up:
        context.request(ask.action)
    else:
        context.emit(notices.NOT_CONNECTED)


def muted(context: ConversationContext, mute: Muted) -> None:
    """Close the user's microphone to the server, at once and without a tail, or open it again."""
    if mute.on:
        microphone_closed(context, MicrophoneClosed())
    context.update(muted=mute.on)


def volume_set(context: ConversationContext, chosen: VolumeSet) -> None:
    """Set the reply's loudness."""
    context.do(effects.SetVolume(chosen.volume))
    context.update(volume=chosen.volume)


def cues_switched(context: ConversationContext, switch: CuesSwitched) -> None:
    """Mark the beginning and the end of talking by a sound, or don't."""
    context.cues = switch.on


def replayed(context: ConversationContext, _: Replayed) -> None:
    """The last reply sounds again."""
    context.follow()


def may_resend(context: ConversationContext) -> bool:
    """Say whether there is kept speech, and nothing else is going on."""
    return bool(context.ledger.kept_s) and not context.recording and context.state.stage is TurnStage.IDLE


def resend_asked(context: ConversationContext, _: ResendAsked) -> None:
    """Send the speech that was kept, or do so once there is a connection."""
    if not may_resend(context):
        return
    if not context.around.up:
        context.resend_wanted = True
        context.emit(notices.RESEND_LATER)
        return
    context.resend_wanted = False
    context.replies.begin_turn()
    context.apply(Trigger.RESEND)
    context.open_turn(context.now)
    context.latency.speech_ended(context.now)
    whole = context.ledger.merge_kept(context.state.turn, context.session, context.now)
    context.current = whole.turn
    context.turn = replace(context.turn, said_whole=True)
    context.feed(whole)
    context.expect_answer()
