"""The talk key: what each kind of press means, where releases are told and where they are inferred."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.core.push_to_talk import Action, Mode, PushToTalk, Stage, Step

START, STOP, RESUME, LATCH, TOGGLE, WARN = Action


class Keyboard:
    """Plays keys to a machine as its owner does: ticks at every deadline, and never before pending input."""

    def __init__(self, machine: PushToTalk) -> None:
        self.machine = machine
        self.steps: list[Step] = []

    def wait_until(self, now: float) -> None:
        for _ in range(10_000):
            due = self.machine.deadline()
            if due is None or due > now:
                return
            self.steps += self.machine.tick(due)
        raise AssertionError("the machine's deadline never moves on")

    def press(self, at: float) -> None:
        self.wait_until(at)
        self.steps += self.machine.press(at)

    def repeat(self, at: float) -> None:
        self.wait_until(at)
        self.steps += self.machine.repeat(at)

    def release(self, at: float) -> None:
        self.wait_until(at)
        self.steps += self.machine.release(at)

    def hold(self, at: float, until: float, delay: float = 0.5, interval: float = 0.03) -> None:
        """A held key where no release is told: a press and its auto-repeat."""
        self.press(at)
        time = at + delay
        while time < until:
            self.press(time)
            time += interval

    @property
    def actions(self) -> list[Action]:
        return [step.action for step in self.steps]


def keyboard(mode: Mode = Mode.AUTO, *, told: bool, **options: float) -> Keyboard:
    return Keyboard(PushToTalk(mode, release_told=told, **options))


# --- releases are told ------------------------------------------------------------------------------------------------


def test_a_hold_ends_with_its_release():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.release(2.0)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 2.0)]
    assert keys.machine.stage is Stage.IDLE


def test_a_tap_latches_and_the_next_press_stops():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.release(1.1)
    assert keys.machine.latched
    keys.press(5.0)
    keys.release(5.1)
    assert keys.steps == [Step(START, 1.0), Step(LATCH, 1.1), Step(STOP, 5.0)]
    keys.press(5.3)
    assert keys.machine.talking


def test_in_hold_mode_a_tap_does_not_latch():
    keys = keyboard(Mode.HOLD, told=True)
    keys.press(1.0)
    keys.release(1.1)
    assert keys.actions == [START, STOP]


def test_in_toggle_mode_a_long_press_toggles_once():
    keys = keyboard(Mode.TOGGLE, told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.release(3.0)
    assert keys.actions == [START, LATCH]
    keys.press(4.0)
    keys.repeat(4.5)
    keys.release(5.0)
    assert keys.actions == [START, LATCH, STOP]


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.HOLD, Mode.TOGGLE])
def test_repeats_that_come_as_presses_are_no_presses(mode):
    keys = keyboard(mode, told=True)
    keys.hold(1.0, until=3.0)
    keys.release(3.0)
    stopped = [] if mode is Mode.TOGGLE else [STOP]
    assert [action for action in keys.actions if action is not LATCH] == [START, *stopped]


def test_a_lost_release_is_noticed_when_the_repeats_stop():
    keys = keyboard(told=True)
    keys.press(1.0)
    for index in range(10):
        keys.repeat(1.5 + index * 0.03)
    keys.wait_until(4.0)
    assert keys.actions == [START, STOP]


def test_silence_proves_nothing_once_another_key_took_over_the_auto_repeat():
    keys = keyboard(told=True)
    keys.press(1.0)
    for index in range(10):
        keys.repeat(1.5 + index * 0.03)
    keys.machine.other()
    keys.wait_until(60.0)
    assert keys.machine.talking


# --- releases are inferred --------------------------------------------------------------------------------------------


def test_a_hold_is_known_by_its_repeats_and_ends_when_they_do():
    keys = keyboard(told=False)
    keys.hold(1.0, until=3.0)
    keys.wait_until(10.0)
    assert keys.actions == [START, STOP]
    assert 3.0 < keys.steps[1].at < 3.4


def test_a_press_without_repeats_latches_and_the_next_one_stops():
    keys = keyboard(told=False)
    keys.press(1.0)
    keys.wait_until(3.5)
    assert keys.machine.latched
    keys.press(4.0)
    assert keys.actions == [START, LATCH, STOP]
    assert keys.steps[-1] == Step(STOP, 4.0)


def test_in_hold_mode_a_press_without_repeats_ends():
    keys = keyboard(Mode.HOLD, told=False)
    keys.press(1.0)
    keys.wait_until(5.0)
    assert keys.actions == [START, STOP]


def test_a_release_inferred_too_early_is_taken_back():
    keys = keyboard(told=False)
    keys.hold(1.0, until=2.0)
    keys.press(2.45)  # the process or the link had stalled
    keys.press(2.48)
    assert keys.actions == [START, STOP, RESUME]
    keys.wait_until(9.0)
    assert keys.actions == [START, STOP, RESUME, STOP]


def test_a_slow_first_repeat_after_an_unlearned_latch_turns_it_into_a_hold():
    keys = keyboard(told=False)
    keys.hold(1.0, until=4.0, delay=1.1)
    keys.wait_until(9.0)
    assert keys.actions == [START, LATCH, STOP]
    assert 4.0 < keys.steps[-1].at < 4.5


def test_a_slow_delay_once_learned_does_not_latch_again():
    keys = keyboard(told=False)
    keys.hold(1.0, until=4.0, delay=1.0)
    keys.hold(10.0, until=13.0, delay=1.0)
    keys.wait_until(20.0)
    assert keys.actions == [START, LATCH, STOP, START, STOP]


def test_two_quick_taps_do_not_teach_a_wrong_delay():
    keys = keyboard(told=False)
    keys.press(1.0)
    keys.press(1.2)
    keys.wait_until(5.0)
    keys.hold(10.0, until=12.0, delay=0.66)
    keys.wait_until(20.0)
    assert keys.actions == [START, STOP, START, STOP]


def test_holding_the_key_that_ends_a_latch_starts_nothing():
    keys = keyboard(told=False)
    keys.press(1.0)
    keys.hold(5.0, until=7.0)
    keys.wait_until(9.0)
    assert keys.actions == [START, LATCH, STOP]


def test_a_tap_soon_after_the_one_that_ended_a_latch_starts_anew():
    keys = keyboard(told=False)
    keys.press(1.0)
    keys.press(5.0)
    keys.press(5.5)
    keys.wait_until(5.9)
    assert keys.actions == [START, LATCH, STOP, START]
    assert keys.steps[-1].at == 5.5


def test_in_toggle_mode_a_held_key_toggles_once():
    keys = keyboard(Mode.TOGGLE, told=False)
    keys.hold(1.0, until=3.0)
    keys.wait_until(5.0)
    assert keys.actions == [START, LATCH]
    keys.press(6.0)
    keys.wait_until(8.0)
    assert keys.actions == [START, LATCH, STOP]


def test_in_toggle_mode_a_quick_second_tap_stops_at_its_own_time():
    keys = keyboard(Mode.TOGGLE, told=False)
    keys.press(1.0)
    keys.press(1.4)
    keys.wait_until(3.0)
    assert keys.steps == [Step(START, 1.0), Step(LATCH, 1.0), Step(STOP, 1.4)]


def test_a_release_that_is_told_ends_the_guessing():
    keys = keyboard(told=False)
    keys.press(1.0)
    keys.release(1.6)
    assert keys.machine.release_told
    assert keys.actions == [START, STOP]


# --- in every case ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_losing_the_focus_ends_a_hold_and_leaves_a_latch(told):
    held = keyboard(told=told)
    held.hold(1.0, until=2.0)
    assert held.machine.blur(2.0) == [Step(STOP, 2.0)]
    latched = keyboard(Mode.TOGGLE, told=told)
    latched.press(1.0)
    assert latched.machine.blur(2.0) == []
    assert latched.machine.talking


@pytest.mark.parametrize("told", [True, False])
def test_a_dialogue_closes_a_latched_microphone_and_the_next_press_starts(told):
    keys = keyboard(Mode.TOGGLE, told=told)
    keys.press(1.0)
    if told:
        keys.release(1.1)
    assert keys.machine.stop(3.0) == [Step(STOP, 3.0)]
    keys.press(4.0)
    assert keys.machine.talking


@pytest.mark.parametrize("told", [True, False])
def test_a_discarded_hold_stays_quiet_until_the_key_is_let_go(told):
    keys = keyboard(told=told)
    keys.hold(1.0, until=2.0)
    keys.machine.discard(2.0)
    for index in range(20):
        (keys.repeat if told else keys.press)(2.03 + index * 0.03)
    if told:
        keys.release(2.7)
    keys.wait_until(4.0)
    assert keys.actions == [START]
    keys.press(4.0)
    assert keys.actions == [START, START]


@pytest.mark.parametrize("told", [True, False])
def test_the_longest_utterance_is_announced_and_then_ended_though_the_key_is_down(told):
    keys = keyboard(told=told, max_talk_s=20.0)
    keys.hold(0.0, until=22.0)
    if told:
        keys.release(22.0)
    keys.wait_until(30.0)
    assert [(step.action, round(step.at)) for step in keys.steps] == [(START, 0), (WARN, 10), (STOP, 20)]


def test_in_open_mode_a_press_switches_the_listening_and_a_hold_does_it_once():
    keys = keyboard(Mode.OPEN, told=False)
    keys.hold(1.0, until=3.0)
    keys.press(5.0)
    assert keys.actions == [TOGGLE, TOGGLE]
    assert not keys.machine.talking
    assert keys.machine.deadline() is None


@settings(max_examples=150)
@given(
    delay=st.floats(0.2, 0.7),
    interval=st.floats(0.025, 0.09),
    jitters=st.lists(st.floats(0, 0.06), min_size=60, max_size=60),
    length=st.floats(1.0, 4.0),
)
def test_no_hold_is_ended_while_it_lasts(delay, interval, jitters, length):
    keys = keyboard(told=False)
    end = 1.0 + length
    keys.press(1.0)
    for index in range(200):
        at = 1.0 + delay + index * interval
        if at >= end:
            break
        keys.press(at + jitters[index % 60] * 0.5)
    assert STOP not in keys.actions
    keys.wait_until(end + 2)
    assert keys.actions == [START, STOP]
    assert keys.steps[-1].at - end < 0.7


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["press", "repeat", "release", "blur", "other", "stop", "discard", "wait"]), st.floats(0.0, 2.0)
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(mode=st.sampled_from(Mode), told=st.booleans(), events=EVENTS)
def test_whatever_the_keys_start_and_stop_alternate_and_no_talk_exceeds_the_cap(mode, told, events):
    machine = PushToTalk(mode, release_told=told, max_talk_s=12.0)
    keys = Keyboard(machine)
    now, discarded = 100.0, set()
    for name, pause in events:
        now += pause
        keys.wait_until(now)
        match name:
            case "press" | "repeat" | "release" | "blur" | "stop":
                keys.steps += getattr(machine, name)(now)
            case "discard":
                if machine.talking:
                    discarded.add(len(keys.steps))
                machine.discard(now)
            case "other":
                machine.other()
    keys.wait_until(now + 60.0)
    assert not machine.talking
    talking, started = False, 0.0
    for index, step in enumerate(keys.steps):
        if index in discarded:
            talking = False
        match step.action:
            case Action.START:
                assert not talking
                talking, started = True, step.at
            case Action.RESUME:
                assert not talking
                talking = True
            case Action.STOP:
                assert talking
                assert step.at - started <= 12.001
                talking = False
            case Action.LATCH | Action.WARN:
                assert talking
