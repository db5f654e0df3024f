"""Whole conversations in microseconds: single stories, and any order of presses, losses and messages."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.core import events, protocol
from selam_cli.core.conversation import inputs
from selam_cli.core.conversation.context import Rules
from selam_cli.core.protocol import Action, AudioEnd, ReplyChunk, Response, Transcription
from selam_cli.core.session import LinkState, TurnStage
from tests.core.conversation.driven import Driven

SOAK = os.environ.get("SELAM_SOAK") == "1"
SOUND = ReplyChunk(b"\1\0" * 1_600, "pcm16", 16_000)


def answered(talk: Driven) -> None:
    talk.hear(Transcription("hello", is_final=True))
    talk.hear(Response("You said hello."))
    talk.hear(SOUND)
    talk.hear(AudioEnd(1))


def test_a_turn_from_press_to_answer():
    talk = Driven()
    talk.utter()
    talk.send()
    talk.acknowledge()
    answered(talk)
    talk.listen()
    assert talk.outcomes(1) == ["sent"]
    assert talk.received[1] == [(1, n) for n in range(10)]
    assert talk.of(events.TurnEnded) == [events.TurnEnded(1, "answered")]
    assert talk.said == {}, "nothing of it is kept any longer"
    assert talk.machine.deadline() is None


def test_what_was_cut_by_a_loss_is_sent_again_from_its_beginning():
    talk = Driven()
    talk.press()
    talk.say()
    talk.send()
    talk.lose()
    talk.say()
    talk.open()
    talk.release()
    talk.complete()
    talk.send()
    assert talk.received[2] == [(1, n) for n in range(10)]
    assert talk.outcomes(1) == ["resent"]
    assert "resent" in talk.codes


def test_what_waits_too_long_for_a_connection_is_kept_and_goes_out_when_it_is_asked_for():
    talk = Driven(Rules(resend_within_s=5))
    talk.lose()
    talk.utter()
    talk.pass_time(6.0)
    assert talk.outcomes(1) == ["kept"]
    assert talk.machine.state.kept_seconds == 1.0
    talk.open()
    talk.do(inputs.ResendAsked())
    talk.send()
    assert talk.received[2] == [(1, n) for n in range(10)]
    assert talk.outcomes(2) == ["sent"]
    assert talk.machine.state.kept_seconds == 0.0


def test_kept_speech_goes_out_in_the_order_in_which_it_was_said():
    talk = Driven(Rules(resend_within_s=0))
    talk.lose()
    for _ in range(3):
        talk.utter(0.2)
        talk.pass_time(0.1)
    talk.open()
    talk.do(inputs.ResendAsked())
    talk.send()
    assert talk.received[2] == [(turn, n) for turn in (1, 2, 3) for n in range(2)]


def test_what_the_session_has_heard_of_it_is_not_said_again():
    """A connection slower than speech: the rest of an utterance is kept when the next one begins, and sent later."""
    talk = Driven(Rules(backlog_s=2.0))
    talk.utter(5.0)
    talk.utter(0.5)
    assert talk.outcomes(1) == ["kept"]
    talk.send()
    answered(talk)
    talk.listen()
    talk.do(inputs.ResendAsked())
    talk.send()
    assert sorted(talk.received[1]) == [(1, n) for n in range(50)] + [(2, n) for n in range(5)]


def test_a_turn_that_is_left_before_a_sign_of_it_is_kept_when_the_connection_breaks_before_one():
    talk = Driven()
    talk.utter()
    talk.send()
    talk.press()
    talk.lose()
    assert talk.outcomes(1) == ["sent", "kept"]


def test_an_acknowledged_interruption_is_the_sign_that_what_went_before_it_has_arrived():
    talk = Driven()
    talk.utter()
    talk.send()
    talk.press()
    talk.send()
    talk.acknowledge()
    talk.acknowledge()
    talk.lose()
    assert talk.outcomes(1) == ["sent"]


def test_a_text_that_answers_before_all_is_said_ends_the_turn_only_when_all_is_said():
    talk = Driven()
    talk.press()
    talk.say()
    talk.send()
    talk.acknowledge()
    talk.release()
    talk.hear(Response("Yes?"))
    talk.hear(AudioEnd(0))
    assert talk.machine.state.stage is TurnStage.ANSWERING
    assert talk.of(events.TurnEnded) == []
    talk.complete()
    assert talk.of(events.TurnEnded) == [events.TurnEnded(1, "answered")]


def test_a_microphone_that_delivered_nothing_holds_back_no_later_reply():
    talk = Driven()
    talk.press()
    talk.release()
    talk.complete()
    assert talk.outcomes(1) == ["discarded"]
    assert not talk.held


@pytest.mark.parametrize(
    ("wait_s", "codes", "ended"), [(29.0, [], []), (31.0, ["no_answer"], [events.TurnEnded(1, "failed")])]
)
def test_an_answer_is_waited_for_so_long(wait_s, codes, ended):
    talk = Driven()
    talk.utter()
    talk.send()
    talk.acknowledge()
    talk.pass_time(wait_s)
    assert talk.codes == codes
    assert talk.of(events.TurnEnded) == ended


def test_a_control_without_an_acknowledgement_is_told_once():
    talk = Driven()
    talk.do(inputs.Asked(Action.PAUSE))
    talk.do(inputs.Asked(Action.PAUSE))
    talk.pass_time(10.0)
    assert talk.codes == ["no_ack"]


# --- any order --------------------------------------------------------------------------------------------------------

ACTIONS = {
    "utter": Driven.utter,
    "press": Driven.press,
    "say": Driven.say,
    "say much": lambda talk: talk.say(4.0),
    "release": Driven.release,
    "complete": Driven.complete,
    "discard": lambda talk: talk.do(inputs.Discarded()),
    "interrupt": lambda talk: talk.do(inputs.Interrupted()),
    "mute": lambda talk: talk.do(inputs.Muted(on=True)),
    "unmute": lambda talk: talk.do(inputs.Muted(on=False)),
    "resend": lambda talk: talk.do(inputs.ResendAsked()),
    "send one": lambda talk: talk.send(1),
    "send": Driven.send,
    "acknowledge": Driven.acknowledge,
    "partial": lambda talk: talk.hear(Transcription("hel", is_final=False)),
    "final": lambda talk: talk.hear(Transcription("hello", is_final=True)),
    "text": lambda talk: talk.hear(Response("You said hello.")),
    "sound": lambda talk: talk.hear(SOUND),
    "end": lambda talk: talk.hear(AudioEnd(1)),
    "error": lambda talk: talk.hear(protocol.ErrorReport("llm_error", "no")),
    "listen": Driven.listen,
    "wait": lambda talk: talk.pass_time(3.0),
    "lose": Driven.lose,
    "open": Driven.open,
    "rest": lambda talk: (talk.lose(), talk.do(inputs.Rested("idle"))),
    "refused": lambda talk: (talk.lose(), talk.do(inputs.Rested("refused"))),
    "connect": lambda talk: talk.do(inputs.Reconnecting()),
    "lose again": lambda talk: talk.do(inputs.LinkLost()),
    "pause": lambda talk: talk.do(inputs.Asked(Action.PAUSE)),
    "resume": lambda talk: talk.do(inputs.Asked(Action.RESUME)),
    "stray acknowledgement": lambda talk: talk.hear(protocol.ControlAck("interrupt", "executed")),
    "acknowledgement of nothing": lambda talk: talk.hear(protocol.ControlAck("dance", "failed")),
    "started again": lambda talk: talk.hear(protocol.SessionStarted("again")),
    "empty": lambda talk: talk.hear(Transcription("", is_final=True)),
    "replay": lambda talk: talk.machine.state.stage is TurnStage.IDLE and talk.replay(),
    "time": lambda talk: talk.do(inputs.TimePassed()),
    "close": Driven.close,
}
RULES = [Rules(), Rules(resend_within_s=0), Rules(backlog_s=2.0), Rules(max_talk_s=3), Rules(open_microphone=True)]
HISTORIES = 100_000
PROCESSES = 4


@settings(max_examples=5_000 if SOAK else 150)
@given(
    actions=st.lists(st.sampled_from(sorted(ACTIONS)), min_size=10, max_size=60),
    rules=st.sampled_from(RULES),
    up=st.booleans(),
)
def test_whatever_happens_each_utterance_is_accounted_for(actions, rules, up):
    live_through(actions, rules, up)


@pytest.mark.parametrize("seed", range(PROCESSES))
def test_a_hundred_thousand_histories_keep_the_laws(seed):
    """Many short ones, which hypothesis would take too long to draw; it finds the shortest of what fails here."""
    dice, names = random.Random(seed), sorted(ACTIONS)
    for _ in range(HISTORIES // PROCESSES):
        actions = dice.choices(names, k=dice.randrange(2, 12))
        rules, up = dice.choice(RULES), dice.random() < 0.8
        try:
            live_through(actions, rules, up)
        except Exception as error:
            raise AssertionError(f"{actions}, {rules}, up={up}") from error


def live_through(actions: list[str], rules: Rules, up: bool) -> None:
    talk = Driven(rules, up=up)
    for action in actions:
        ACTIONS[action](talk)
        check_now(talk)
    begun = [event.turn for event in talk.of(events.TalkStarted)]
    talk.close()
    check_now(talk)
    assert talk.machine.state.link is LinkState.CLOSED
    assert talk.recording is None
    assert {turn for turn, said in talk.said.items() if not said.closed} == set(), "nothing is owed any longer"
    assert Counter(event.turn for event in talk.of(events.TalkEnded)) == Counter(begun)
    assert set(begun) <= {event.turn for event in talk.of(events.TurnEnded)}
    assert len(talk.of(events.TurnEnded)) == talk.turns, "each turn ends once"
    for turn in begun:
        assert talk.outcomes(turn), "what became of it is told"
        assert is_a_course(talk.outcomes(turn)), talk.outcomes(turn)


HONEST = (
    "press",
    "say",
    "say much",
    "release",
    "complete",
    "discard",
    "send one",
    "send",
    "acknowledge",
    "lose",
    "open",
)


@settings(max_examples=5_000 if SOAK else 150)
@given(actions=st.lists(st.sampled_from(HONEST), min_size=10, max_size=60), backlog_s=st.sampled_from((2.0, 30.0)))
def test_nothing_that_was_said_is_lost_with_a_server_that_reads_in_order(actions, backlog_s):
    """All that is neither thrown away nor kept has reached the server, in its order, in one session or in several."""
    talk = Driven(Rules(backlog_s=backlog_s))
    for action in actions:
        ACTIONS[action](talk)
    talk.open()
    talk.release()
    talk.complete()
    for _ in range(3):
        talk.do(inputs.ResendAsked())
        talk.send()
        answered(talk)
        talk.listen()
    for turn in [event.turn for event in talk.of(events.TalkStarted)]:
        if "discarded" in talk.outcomes(turn):
            continue
        (length,) = {round(event.seconds * 10) for event in talk.of(events.TalkEnded) if event.turn == turn}
        sessions = [[n for origin, n in heard if origin == turn] for heard in talk.received.values()]
        assert all(places == sorted(places) for places in sessions)
        assert set().union(*sessions) == set(range(length)), (turn, talk.outcomes(turn))


def check_now(talk: Driven) -> None:
    """What holds after each input."""
    stage = talk.machine.state.stage
    assert stage is not TurnStage.TALKING or talk.recording is not None
    assert talk.recording is None or talk.held, "nobody is spoken to while talking"
    assert talk.recording is not None or not talk.held, "nothing is kept back for ever"
    for samples in talk.received.values():
        assert len(samples) == len(set(samples)), "nothing is sent twice in a session"


def is_a_course(outcomes: list[str]) -> bool:
    """Say whether these may follow each other: sent, and again after a loss; kept; thrown away at last."""
    after = {"": {"sent", "resent", "kept", "discarded"}, "sent": {"resent", "kept", "discarded"}}
    after |= {"resent": {"resent", "kept", "discarded"}, "kept": {"discarded"}, "discarded": set()}
    return all(later in after[earlier] for earlier, later in zip(["", *outcomes], outcomes, strict=False))
