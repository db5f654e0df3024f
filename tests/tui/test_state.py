"""What the screen shows follows from the engine's lines and the user's commands, by one pure function."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selam_cli.core import events
from selam_cli.core.protocol import Action
from selam_cli.core.push_to_talk import Mode
from selam_cli.core.session import ConnectionInfo, Phase
from selam_cli.tui import labels
from selam_cli.tui.options import ScreenOptions
from selam_cli.tui.state import (
    CommandSent,
    EngineExited,
    Moment,
    ScreenState,
    TalkKeyChanged,
    aged,
    first_state,
    reduced,
)

NOW = Moment(100.0, "14:03:22")
FIRST = first_state(ScreenOptions())


def after(*items: object, state: ScreenState = FIRST, now: Moment = NOW) -> ScreenState:
    for item in items:
        state = reduced(state, item, now)
    return state


def row(state: ScreenState, action: Action) -> str:
    return next(row.last for row in state.controls if row.action is action)


def in_phase(phase: Phase, **fields: object) -> events.StateChanged:
    return replace(FIRST.session, phase=phase, **fields)


ASKED = {
    Action.INTERRUPT: CommandSent("interrupt"),
    Action.START_LISTENING: CommandSent("listen", "on"),
    Action.STOP_LISTENING: CommandSent("listen", "off"),
    Action.PAUSE: CommandSent("pause"),
    Action.RESUME: CommandSent("resume"),
}


@pytest.mark.parametrize(("action", "command"), ASKED.items())
def test_a_control_waits_until_it_is_acknowledged(action, command):
    waiting = after(command)
    assert [r.action for r in waiting.controls if r.last] == [action]
    assert row(waiting, action) == "waiting…"
    answered = after(events.ControlAck(str(action), "executed"), state=waiting)
    assert row(answered, action) == "14:03:22 executed"


def test_an_acknowledgement_that_does_not_come_is_told():
    waiting = after(CommandSent("pause"))
    told = after(
        events.Notice("no_ack", "warning", "The server did not acknowledge pause in 2 seconds."), state=waiting
    )
    assert row(told, Action.PAUSE) == "no answer"
    assert aged(waiting, Moment(101.0, "")) is waiting
    assert row(aged(waiting, Moment(103.0, "")), Action.PAUSE) == "no answer"


def test_without_a_session_a_control_is_told_not_to_have_been_sent():
    state = after(CommandSent("pause"), events.Notice("not_connected", "warning", "There is no session."))
    assert row(state, Action.PAUSE) == "not sent: no session"


def test_talking_time_counts_from_the_turn_and_ends_with_it():
    talking = after(in_phase(Phase.LISTENING, turn=1))
    assert talking.listening_since == 100.0
    still = after(in_phase(Phase.LISTENING, turn=1), state=talking, now=Moment(105.0, ""))
    assert still.listening_since == 100.0
    assert after(in_phase(Phase.THINKING, turn=1), state=still).listening_since is None


def test_latched_is_shown_only_while_the_engine_listens():
    latched = after(TalkKeyChanged(talking=True, latched=True, release_told=True))
    assert not latched.latched
    assert after(in_phase(Phase.LISTENING), state=latched).latched


def test_two_quick_steps_of_volume_are_two_steps():
    first = after(CommandSent("volume", "95"))
    assert first.volume == 95
    assert after(in_phase(Phase.READY, volume=90), state=first).volume == 90


def test_an_engine_that_is_gone_has_ended_whatever_it_said():
    state = after(in_phase(Phase.SPEAKING), EngineExited(4))
    assert state.phase is Phase.ENDED
    assert "q leaves" in labels.hint(state)


def test_every_phase_has_a_symbol_of_one_cell_and_a_hint():
    for phase in Phase:
        assert len(labels.SYMBOLS[phase]) == 1
        assert labels.hint(after(in_phase(phase)))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (in_phase(Phase.DISCONNECTED, connection=ConnectionInfo(ended_for="idle")), "space starts a new one"),
        (
            in_phase(Phase.DISCONNECTED, connection=ConnectionInfo(ended_for="refused")),
            "e switches to the embedded agent",
        ),
        (in_phase(Phase.THINKING, connection=ConnectionInfo(stalled=True)), "takes nothing in"),
        (in_phase(Phase.LISTENING, connection=ConnectionInfo(stalled=True)), "you are recorded"),
    ],
)
def test_a_connection_that_is_not_as_it_should_be_is_told_with_what_can_be_done(state, said):
    assert said in labels.hint(after(state))


def test_who_talks_without_a_connection_is_told_that_it_is_recorded():
    state = after(events.Reconnecting(1, 0.5), in_phase(Phase.LISTENING))
    assert "you are recorded" in labels.hint(state)


@pytest.mark.parametrize(
    ("mode", "told", "way"),
    [
        (Mode.AUTO, True, "hold space"),
        (Mode.AUTO, False, "hold space (release inferred)"),
        (Mode.HOLD, True, "hold space"),
        (Mode.TOGGLE, False, "tap space"),
        (Mode.OPEN, False, "space: listening on/off"),
    ],
)
def test_the_way_of_talking_is_named(mode, told, way):
    talk = replace(FIRST.talk, mode=mode, release_told=told)
    assert labels.talk_way(talk) == way
    assert labels.talk_explanation(talk)


@pytest.mark.parametrize(
    ("connection", "name"),
    [
        (ConnectionInfo("wss://api.selamgpt.com", "hosted", "x", 41.6), "hosted · api.selamgpt.com · 42 ms"),
        (ConnectionInfo("embedded agent", "embedded"), "embedded"),
        (ConnectionInfo("ws://[::1]:8765/", "custom"), "custom · [::1]:8765"),
        (ConnectionInfo(), ""),
    ],
)
def test_a_server_is_named_by_kind_and_host(connection, name):
    assert labels.connection_name(connection) == name
