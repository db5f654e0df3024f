"""Between keyboard and engine: what each key sends, and when it sends nothing."""

from __future__ import annotations

import threading

import pytest

from selam_cli.core.push_to_talk import Mode, PushToTalk
from selam_cli.core.session import Phase
from selam_cli.keyboard.key_parser import EventTypeParser
from selam_cli.keyboard.talk_key import Cells, Edge, TalkKey


class Played:
    def __init__(self, mode: Mode = Mode.AUTO, *, told: bool = True, key: str = "space") -> None:
        self.sent: list[str] = []
        self.changes = 0
        machine = PushToTalk(mode, release_told=told)
        self.key = TalkKey(
            machine, key, lambda verb, argument, _: self.sent.append(f"{verb} {argument}".strip()), self._on
        )

    def edge(self, key: str, edge: Edge, at: float) -> bool:
        """A key's edge with no input behind it."""
        ours = self.key.on_edge(key, edge, at)
        self.key.tick(at)
        return ours

    def _on(self, key: TalkKey, step: object) -> None:
        self.changes += 1


def test_a_hold_sends_press_and_release_with_their_times():
    played = Played()
    played.edge("space", Edge.PRESS, 1.25)
    played.edge("space", Edge.RELEASE, 3.5)
    assert played.sent == ["press 1.250000", "release 3.500000"]


def test_another_key_can_be_the_talk_key():
    played = Played(key="f5")
    played.edge("space", Edge.PRESS, 1.0)
    played.edge("f5", Edge.PRESS, 2.0)
    assert played.sent == ["press 2.000000"]


def test_a_talk_key_named_by_its_character_is_the_key_that_types_it():
    [event] = EventTypeParser().feed(";")
    played = Played(key=";")
    assert played.edge(event.key, Edge.PRESS, 1.0)


def test_an_inferred_release_may_be_taken_back_for_longer_where_keys_come_from_afar():
    played = Played(told=False)
    for begin, far in ((1.0, True), (11.0, False)):
        played.key.on_far(far=far)
        for at in (begin, *(begin + 0.5 + number / 32 for number in range(33))):
            played.edge("space", Edge.PRESS, at)
        played.key.tick(begin + 1.75)
        played.key.tick(begin + 5.0)
    assert played.sent == [
        "press 1.000000", "release 2.750000 inferred 0.850",
        "press 11.000000", "release 12.750000 inferred",
    ]  # fmt: skip


def test_a_release_wrongly_inferred_is_taken_back():
    played = Played(told=False)
    for at in (1.0, 1.5, 1.53, 1.56):
        played.edge("space", Edge.PRESS, at)
    played.key.tick(2.0)
    played.edge("space", Edge.PRESS, 2.1)
    assert played.sent == ["press 1.000000", "release 2.000000 inferred 0.660", "press resume"]


def test_nothing_is_sent_while_a_sheet_is_open():
    played = Played()
    played.edge("space", Edge.PRESS, 1.0)
    played.key.allow(allowed=False, now=2.0)
    played.edge("space", Edge.RELEASE, 2.5)
    played.edge("space", Edge.PRESS, 3.0)
    played.edge("escape", Edge.PRESS, 3.1)
    assert played.sent == ["press 1.000000", "release 2.000000"]
    played.edge("space", Edge.RELEASE, 3.2)
    played.key.allow(allowed=True, now=4.0)
    played.edge("space", Edge.PRESS, 5.0)
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
    played.key.on_state(phase, listening=True)
    played.edge("escape", Edge.PRESS, 1.0)
    assert played.sent == sent


@pytest.mark.parametrize(("listening", "sent"), [(True, "listen off"), (False, "listen on")])
def test_in_open_mode_the_key_switches_the_listening(listening, sent):
    played = Played(Mode.OPEN)
    played.key.on_state(Phase.READY, listening=listening)
    played.edge("space", Edge.PRESS, 1.0)
    played.edge("space", Edge.RELEASE, 1.1)
    assert played.sent == [sent]


def test_an_utterance_that_the_engine_ended_itself_leaves_no_latch_behind():
    played = Played(Mode.TOGGLE)
    played.edge("space", Edge.PRESS, 1.0)
    played.edge("space", Edge.RELEASE, 1.1)
    played.key.on_answered(1, 1.2)
    played.key.on_talk_ended(5.0)
    played.edge("space", Edge.PRESS, 9.0)
    assert played.sent == ["press 1.000000", "press 9.000000"]


def test_the_end_of_an_earlier_utterance_does_not_end_the_new_one():
    played = Played()
    played.edge("space", Edge.PRESS, 1.0)
    played.key.on_answered(1, 1.1)
    played.edge("space", Edge.RELEASE, 3.0)
    played.edge("space", Edge.PRESS, 3.1)
    played.key.on_talk_ended(3.2)
    assert played.key.talking


def test_what_a_busy_screen_hears_late_of_an_earlier_utterance_does_not_end_the_new_one():
    played = Played()
    for at in (1.0, 3.0):
        played.edge("space", Edge.PRESS, at)
        played.edge("space", Edge.RELEASE, at + 0.5)
    played.edge("space", Edge.PRESS, 5.0)
    played.key.on_refused()  # all of this is about the first two presses
    played.key.on_answered(1, 5.1)
    played.key.on_talk_ended(5.1)
    played.key.on_answered(2, 5.1)
    played.key.on_talk_ended(5.1)
    assert played.key.talking
    played.key.on_answered(3, 5.2)
    played.key.on_talk_ended(5.3)
    assert not played.key.talking


def test_a_refused_press_leaves_no_latch_behind():
    played = Played(Mode.TOGGLE)
    played.edge("space", Edge.PRESS, 1.0)
    played.edge("space", Edge.RELEASE, 1.1)
    played.key.on_refused()
    played.key.on_answered(1, 1.2)
    assert not played.key.talking
    played.edge("space", Edge.PRESS, 2.0)
    assert played.sent == ["press 1.000000", "press 2.000000"]


def test_the_end_of_what_the_engine_had_ended_already_does_not_end_what_a_late_resumption_began():
    played = Played(told=False)
    for at in (1.0, 1.5, 1.53, 1.56):
        played.edge("space", Edge.PRESS, at)
    played.key.on_answered(1, 1.9)
    played.key.tick(1.95)
    played.edge("space", Edge.PRESS, 2.0)
    played.key.on_talk_ended(2.01)  # it crossed the resumption on its way
    assert played.key.talking
    played.key.tick(4.0)
    assert played.sent[-1].startswith("release")


def test_an_engine_that_still_listens_though_nobody_talks_is_told_again():
    played = Played()
    played.edge("space", Edge.PRESS, 1.0)
    played.edge("space", Edge.RELEASE, 2.0)
    played.key.on_state(Phase.LISTENING, listening=True)
    played.key.look(2.5)
    assert played.sent == ["press 1.000000", "release 2.000000"]
    played.key.look(3.5)
    assert played.sent[2:] == ["release 3.500000"]


@pytest.mark.parametrize(("phase", "mode"), [(Phase.LISTENING, Mode.OPEN), (Phase.READY, Mode.AUTO)])
def test_an_engine_that_rightly_listens_or_does_not_is_left_alone(phase, mode):
    played = Played(mode)
    played.key.on_state(phase, listening=True)
    played.key.look(100.0)
    assert played.sent == []


def test_leaving_for_a_while_closes_a_latched_microphone_too():
    played = Played(Mode.TOGGLE)
    played.edge("space", Edge.PRESS, 1.0)
    played.edge("space", Edge.RELEASE, 1.1)
    played.key.on_leave(5.0)
    assert played.sent == ["press 1.000000", "release 5.000000"]


def test_a_microphone_that_the_user_muted_stays_so_over_a_leave():
    played = Played(Mode.OPEN)
    played.key.on_state(Phase.READY, listening=True, muted=True)
    played.key.on_leave(5.0)
    played.key.on_back()
    assert played.sent == []


def test_the_talk_key_is_the_screens_only_while_a_sheet_is_open():
    played = Played()
    assert played.edge("space", Edge.PRESS, 1.0)
    assert not played.edge("a", Edge.PRESS, 1.0)
    played.key.allow(allowed=False, now=2.0)
    assert not played.edge("space", Edge.PRESS, 3.0)


def test_a_button_talks_on_its_cells_only():
    played = Played(told=False)
    played.key.on_button(3, 20, down=True, at=1.0)
    played.key.place_button(Cells(0, 19, 80, 5))
    for x, y in ((3, 18), (3, 24), (80, 20)):
        played.key.on_button(x, y, down=True, at=2.0)
        played.key.on_button(x, y, down=False, at=2.5)
    assert played.sent == []
    played.key.on_button(79, 23, down=True, at=3.0)
    played.key.on_button(1, 1, down=False, at=5.0)
    assert played.sent == ["press 3.000000", "release 5.000000"]


def test_keyboard_and_screen_never_wait_for_each_other():
    """Both threads call at once, each from within the other's consequences; all calls come back."""
    played = Played()
    turns = range(2_000)

    def keyboard() -> None:
        for turn in turns:
            played.edge("space", Edge.PRESS, float(turn))
            played.edge("space", Edge.RELEASE, turn + 0.5)
            played.key.tick(turn + 0.6)

    def screen() -> None:
        for turn in turns:
            played.key.on_state(Phase.LISTENING, listening=True)
            played.key.look(float(turn))
            played.key.allow(allowed=turn % 3 > 0, now=float(turn))
            played.key.on_answered(turn, float(turn))
            played.key.on_talk_ended(float(turn))

    threads = [threading.Thread(target=work, daemon=True) for work in (keyboard, screen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    played.key.close(5_000.0)
    assert not played.key.talking
