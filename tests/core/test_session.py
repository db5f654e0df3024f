import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core import protocol
from selam_cli.core.session import LinkState, Phase, SessionState, Trigger, TurnStage, apply, joined_reply


def after(*events, state=None):
    state = state or SessionState()
    for event in events:
        state = apply(state, event)
    return state


STARTED = protocol.SessionStarted("s")


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ((), Phase.CONNECTING),
        ((STARTED,), Phase.READY),
        ((STARTED, Trigger.PRESS), Phase.LISTENING),
        ((STARTED, Trigger.PRESS, Trigger.RELEASE), Phase.THINKING),
        ((STARTED, Trigger.PRESS, Trigger.RELEASE, protocol.Response("hi")), Phase.SPEAKING),
        ((STARTED, Trigger.PRESS, Trigger.RELEASE, protocol.Response("hi"), Trigger.FINISH), Phase.READY),
        ((STARTED, Trigger.PRESS, Trigger.DISCARD), Phase.READY),
        ((STARTED, Trigger.PRESS, Trigger.RELEASE, Trigger.CONTINUE), Phase.LISTENING),
        ((STARTED, Trigger.LOSE), Phase.RECONNECTING),
        ((STARTED, Trigger.PRESS, Trigger.LOSE), Phase.LISTENING),
        ((STARTED, Trigger.PRESS, Trigger.LOSE, Trigger.RELEASE), Phase.RECONNECTING),
        ((STARTED, protocol.ControlAck("pause")), Phase.PAUSED),
        ((STARTED, protocol.ControlAck("pause"), Trigger.PRESS), Phase.LISTENING),
        ((STARTED, protocol.ControlAck("pause"), protocol.ControlAck("resume")), Phase.READY),
        ((STARTED, Trigger.CLOSE), Phase.ENDED),
        ((STARTED, Trigger.PRESS, Trigger.CLOSE), Phase.ENDED),
        ((Trigger.PRESS,), Phase.LISTENING),
    ],
)
def test_the_phase_follows_from_what_happened(events, phase):
    assert after(*events).phase is phase


def test_a_new_turn_begins_with_a_clean_page():
    state = after(
        STARTED, Trigger.PRESS, Trigger.RELEASE, protocol.Transcription("one"), protocol.Response("two"), Trigger.PRESS
    )
    assert (state.turn, state.user_text, state.reply_text) == (2, "", "")


def test_partial_transcriptions_are_revised_and_final_ones_appended():
    state = after(STARTED, Trigger.PRESS)
    seen = []
    for text, is_final in [
        ("he", False),
        ("hello", False),
        ("hello there", True),
        ("how", False),
        ("how are you", True),
    ]:
        state = apply(state, protocol.Transcription(text, is_final))
        seen.append(state.user_text)
    assert seen == ["he", "hello", "hello there", "hello there how", "hello there how are you"]


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["Good", "Good morning", "Good morning."], "Good morning."),
        (["Good morning.", "How are you?"], "Good morning. How are you?"),
        (["Good ", "day"], "Good day"),
        (["ሰላም።", "እንዴት ነህ?"], "ሰላም። እንዴት ነህ?"),
        (["", "a"], "a"),
    ],
)
def test_a_response_that_begins_with_the_text_so_far_replaces_it_any_other_is_appended(parts, whole):
    so_far = ""
    for part in parts:
        so_far = joined_reply(so_far, part)
    assert so_far == whole


def test_a_refused_action_changes_nothing():
    state = after(STARTED, protocol.ControlAck("pause", "failed"))
    assert not state.paused


def test_a_session_after_a_loss_listens_and_is_not_paused():
    state = after(STARTED, protocol.ControlAck("pause"), protocol.ControlAck("stop_listening"), Trigger.LOSE, STARTED)
    assert (state.paused, state.listening, state.link) == (False, True, LinkState.UP)


@given(st.lists(st.sampled_from([*Trigger, STARTED, protocol.Response("a"), protocol.Transcription("b")]), max_size=40))
def test_no_row_of_events_breaks_the_table(events):
    state = SessionState()
    for event in events:
        before = state
        state = apply(state, event)
        assert state.phase in Phase
        assert state.turn - before.turn in {0, 1}
        if event is Trigger.CLOSE:
            assert state.stage is TurnStage.IDLE
            assert state.phase is Phase.ENDED
