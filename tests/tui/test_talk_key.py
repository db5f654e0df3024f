"""Between keyboard and engine: what each key sends, and when it sends nothing."""

from __future__ import annotations

import pytest

from selam_cli.core.push_to_talk import Mode, PushToTalk
from selam_cli.core.session import Phase
from selam_cli.tui.talk_key import Edge, TalkKey


class Played:
    def __init__(self, mode: Mode = Mode.AUTO, *, told: bool = True, key: str = "space") -> None:
        self.sent: list[str] = []
        self.changes = 0
        machine = PushToTalk(mode, release_told=told)
        self.key = TalkKey(
            machine, key, lambda verb, argument: self.sent.append(f"{verb} {argument}".strip()), self._on
        )

    def _on(self, key: TalkKey, step: object) -> None:
        self.changes += 1


def test_a_hold_sends_press_and_release_with_their_times():
    played = Played()
    played.key.on_edge("space", Edge.PRESS, 1.25)
    played.key.on_edge("space", Edge.RELEASE, 3.5)
    assert played.sent == ["press 1.250000", "release 3.500000"]


def test_another_key_can_be_the_talk_key():
    played = Played(key="f5")
    played.key.on_edge("space", Edge.PRESS, 1.0)
    played.key.on_edge("f5", Edge.PRESS, 2.0)
    assert played.sent == ["press 2.000000"]


def test_a_release_wrongly_inferred_is_taken_back():
    played = Played(told=False)
    for at in (1.0, 1.5, 1.53, 1.56):
        played.key.on_edge("space", Edge.PRESS, at)
    played.key.tick(2.0)
    played.key.on_edge("space", Edge.PRESS, 2.1)
    assert played.sent == ["press 1.000000", "release 2.000000 inferred", "press resume"]


def test_nothing_is_sent_while_a_sheet_is_open():
    played = Played()
    played.key.on_edge("space", Edge.PRESS, 1.0)
    played.key.allow(allowed=False, now=2.0)
    played.key.on_edge("space", Edge.RELEASE, 2.5)
    played.key.on_edge("space", Edge.PRESS, 3.0)
    played.key.on_edge("escape", Edge.PRESS, 3.1)
    assert played.sent == ["press 1.000000", "release 2.000000"]
    played.key.on_edge("space", Edge.RELEASE, 3.2)
    played.key.allow(allowed=True, now=4.0)
    played.key.on_edge("space", Edge.PRESS, 5.0)
    assert played.sent[-1] == "press 5.000000"


@pytest.mark.parametrize(
    ("phase", "sent"),
    [
        (Phase.SPEAKING, ["interrupt"]),
        (Phase.THINKING, ["interrupt"]),
        (Phase.READY, []),
        (Phase.PAUSED, []),
        (Phase.RECONNECTING, []),
    ],
)
def test_escape_interrupts_only_what_goes_on(phase, sent):
    played = Played()
    played.key.follow(phase, listening=True, now=0.5)
    played.key.on_edge("escape", Edge.PRESS, 1.0)
    assert played.sent == sent


@pytest.mark.parametrize(("listening", "sent"), [(True, "listen off"), (False, "listen on")])
def test_in_open_mode_the_key_switches_the_listening(listening, sent):
    played = Played(Mode.OPEN)
    played.key.follow(Phase.READY, listening=listening, now=0.5)
    played.key.on_edge("space", Edge.PRESS, 1.0)
    played.key.on_edge("space", Edge.RELEASE, 1.1)
    assert played.sent == [sent]


def test_an_utterance_that_the_engine_ended_itself_leaves_no_latch_behind():
    played = Played(Mode.TOGGLE)
    played.key.on_edge("space", Edge.PRESS, 1.0)
    played.key.on_edge("space", Edge.RELEASE, 1.1)
    played.key.on_talk_started()
    played.key.on_talk_ended(5.0)
    played.key.on_edge("space", Edge.PRESS, 9.0)
    assert played.sent == ["press 1.000000", "press 9.000000"]


def test_the_end_of_an_earlier_utterance_does_not_end_the_new_one():
    played = Played()
    played.key.on_edge("space", Edge.PRESS, 1.0)
    played.key.on_talk_started()
    played.key.on_edge("space", Edge.RELEASE, 3.0)
    played.key.on_edge("space", Edge.PRESS, 3.1)
    played.key.on_talk_ended(3.2)
    assert played.key.talking


def test_a_refused_press_leaves_no_latch_behind():
    played = Played(Mode.TOGGLE)
    played.key.on_edge("space", Edge.PRESS, 1.0)
    played.key.on_edge("space", Edge.RELEASE, 1.1)
    played.key.on_refused(1.2)
    assert not played.key.talking
    played.key.on_edge("space", Edge.PRESS, 2.0)
    assert played.sent == ["press 1.000000", "press 2.000000"]
