"""The talk key: what each kind of press means, where releases are told and where they are inferred."""

from __future__ import annotations

import os
import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selam_cli.core.push_to_talk import KeyAction, KeyStage, Mode, PushToTalk, Step
from selam_cli.core.repeat_pairs import LONGEST_CUT_S
from tests.support.key_player import Keyboard, keyboard
from tests.support.typist import Typist

START, STOP, RESUME, LATCH, TOGGLE, WARN = KeyAction
SOAK = os.environ.get("SELAM_SOAK") == "1"


# --- releases are told ------------------------------------------------------------------------------------------------


def test_a_hold_ends_with_its_release():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.release(2.0)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 2.0)]
    assert keys.machine.stage is KeyStage.IDLE


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


# --- simulated hands, keyboards and links -----------------------------------------------------------------------------


INTERVALS_S = [0.025, 0.033, 0.040, 0.090]
HELD_FOR_S = 3_600 if SOAK else 900
STALLED_HOLDS = 100 if SOAK else 25


@pytest.mark.parametrize("interval", INTERVALS_S)
@pytest.mark.parametrize(("jitter", "detected_s"), [(0.0, 0.2), (0.05, 0.3), (0.15, 0.4)])
def test_many_minutes_of_holds_have_no_false_release_and_each_end_is_noticed(interval, jitter, detected_s):
    typist = Typist(interval, jitter)
    holds = []
    while sum(hold.up - hold.down for hold in holds) < HELD_FOR_S:
        holds.append(typist.hold(typist.dice.choice([1.0, 3.0, 10.0, 60.0]) * typist.dice.uniform(1.0, 1.5)))
    assert sum(len(hold.false_releases) for hold in holds) == 0
    assert all(hold.actions == [START, STOP] for hold in holds)
    assert statistics.median(hold.detection_s for hold in holds) <= detected_s


@pytest.mark.parametrize("interval", INTERVALS_S)
@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.15])
def test_a_release_that_a_stall_feigned_is_always_taken_back(interval, jitter):
    typist = Typist(interval, jitter, seed=1)
    resumed = 0
    for _ in range(STALLED_HOLDS):
        length = typist.dice.uniform(3.0, 20.0)
        stalls = {at: typist.dice.uniform(0.2, 0.4) for at in range(1, int(length))}
        hold = typist.hold(length, stalls)
        assert hold.actions == [START, *[STOP, RESUME] * (len(hold.actions) // 2 - 1), STOP]
        assert all(step.inferred for step in hold.steps if step.action is STOP)
        for stop, resume in zip(hold.steps[1:-1:2], hold.steps[2:-1:2], strict=True):
            assert resume.at - stop.at < stop.within_s
        resumed += len(hold.actions) // 2 - 1
    assert resumed  # the stalls were long enough to mean something


def test_a_stall_over_the_first_repeat_is_not_the_end_of_the_hold():
    typist = Typist(0.033, 0.0)
    typist.hold(3.0)
    hold = typist.hold(4.0, {0.45: 0.6})
    assert hold.actions == [START, LATCH, STOP]
    assert hold.steps[-1].at > hold.up


def test_the_time_of_a_press_after_a_stall_is_the_earliest_and_its_release_no_taps():
    machine = PushToTalk(release_told=True)
    assert machine.press(10.0, since=9.4) == [Step(START, 9.4)]
    assert machine.release(10.0) + machine.tick(10.0) == [Step(STOP, 10.0)]


@pytest.mark.parametrize(
    ("stall_s", "let_go_after_s", "ended"),
    [
        (0.16, 0.0, LATCH),
        (0.30, 0.0, LATCH),  # both in one read: no word fits into the stall
        (0.49, 0.0, LATCH),
        (0.51, 0.0, STOP),  # one does, so that it cannot be known
        (0.30, 0.1, LATCH),
        (0.30, 0.24, STOP),
        (0.16, 0.26, STOP),
    ],
)
def test_what_a_stall_hides_is_a_tap_unless_a_word_fits_into_it(stall_s, let_go_after_s, ended):
    machine = PushToTalk(release_told=True)
    machine.press(10.0, since=10.0 - stall_s)
    let_go_at = 10.0 + let_go_after_s
    assert machine.release(let_go_at) + machine.tick(let_go_at) == [Step(ended, let_go_at)]


def test_a_repeat_behind_a_stall_makes_it_a_hold():
    machine = PushToTalk(release_told=True)
    machine.press(10.0, since=9.7)
    machine.repeat(10.0)
    assert machine.release(10.0) + machine.tick(10.0) == [Step(STOP, 10.0)]


def test_a_key_that_never_began_to_repeat_lost_its_release_on_a_keyboard_that_repeats():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.release(2.0)
    keys.press(10.0)
    keys.wait_until(14.0)
    assert keys.actions == [START, STOP, START, STOP]
    silent = keyboard(told=True)
    silent.press(1.0)
    silent.wait_until(60.0)
    assert silent.machine.talking  # its repeats may be switched off


def test_repeats_that_come_back_after_a_loss_was_concluded_start_anew():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.repeat(4.0)
    keys.release(5.0)
    assert keys.actions == [START, STOP, START, STOP]


def test_in_toggle_mode_two_quick_presses_toggle_twice_where_releases_are_told():
    keys = keyboard(Mode.TOGGLE, told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.release(1.52)
    keys.press(1.6)
    keys.release(1.65)
    assert keys.actions == [START, LATCH, STOP]


# --- the mouse's button -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_a_button_is_a_key_whose_release_is_told(told):
    keys = keyboard(told=told)
    keys.steps += keys.machine.press_button(1.0)
    keys.wait_until(30.0)
    keys.steps += keys.machine.release_button(30.0)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 30.0)]
    assert keys.machine.release_told is told
    keys.steps += keys.machine.press_button(40.0) + keys.machine.release_button(40.1)
    assert keys.machine.latched
    keys.steps += keys.machine.press_button(45.0) + keys.machine.release_button(45.1)
    assert keys.actions[2:] == [START, LATCH, STOP]


@pytest.mark.parametrize("told", [True, False])
def test_a_key_does_not_end_what_the_button_holds_nor_the_button_what_the_key_holds(told):
    keys = keyboard(told=told)
    keys.steps += keys.machine.press_button(1.0)
    keys.press(2.0)
    if told:
        keys.release(2.1)
    keys.wait_until(9.0)
    keys.steps += keys.machine.release_button(9.0)
    assert keys.actions == [START, STOP]
    other = keyboard(told=True)
    other.press(20.0)
    other.steps += other.machine.press_button(20.5) + other.machine.release_button(21.0)
    other.release(22.0)
    assert other.steps == [Step(START, 20.0), Step(STOP, 22.0)]


@pytest.mark.parametrize("told", [True, False])
def test_key_and_button_end_each_others_latch(told):
    keys = keyboard(told=told)
    keys.steps += keys.machine.press_button(1.0) + keys.machine.release_button(1.1)
    keys.press(5.0)
    assert keys.actions == [START, LATCH, STOP]


# --- thousands of streams ---------------------------------------------------------------------------------------------


NAMES = ("press", "repeat", "release", "blur", "other", "stop", "discard", "wait", "button down", "button up", "told")
PAUSES_S = (0.0, 0.001, 0.01, 0.033, 0.033, 0.09, 0.15, 0.2, 0.25, 0.35, 0.5, 0.8, 1.2, 1.6, 3.0, 8.0)
STREAMS = 100_000 if SOAK else 2_000


def feed(keys: Keyboard, name: str, now: float) -> bool:
    """Feed one event; True where it threw away what was being said."""
    machine = keys.machine
    match name:
        case "press" | "repeat" | "release" | "blur" | "stop":
            keys.steps += getattr(machine, name)(now)
        case "button down":
            keys.steps += machine.press_button(now)
        case "button up":
            keys.steps += machine.release_button(now)
        case "discard":
            talking = machine.talking
            machine.discard(now)
            return talking
        case "other":
            keys.steps += machine.other()
        case "told":
            machine.release_told = True
    return False


@settings(max_examples=STREAMS, deadline=None, suppress_health_check=list(HealthCheck))
@given(mode=st.sampled_from(Mode), told=st.booleans(), stream=st.binary(min_size=1, max_size=120))
def test_whatever_the_keys_no_microphone_stays_open_without_a_key_a_latch_or_open_mode(mode, told, stream):
    """Presses, repeats, releases, duplicates, orphans, blurs, other keys and a mouse, in any order and timing."""
    keys = keyboard(mode, told=told, max_talk_s=12.0)
    now, talking, started, seen = 100.0, False, 0.0, 0
    for byte in stream:
        now += PAUSES_S[byte >> 4]
        name = NAMES[(byte & 15) % len(NAMES)]
        keys.wait_until(now)
        if feed(keys, name, now):
            talking = False
            seen = len(keys.steps)
        for step in keys.steps[seen:]:
            assert step.at <= now
            match step.action:
                case KeyAction.START:
                    assert not talking
                    talking, started = True, step.at
                case KeyAction.RESUME:
                    assert not talking
                    talking = True
                case KeyAction.STOP:
                    assert talking
                    assert step.at - started <= 12.001
                    talking = False
                case KeyAction.LATCH | KeyAction.WARN:
                    assert talking
        seen = len(keys.steps)
        assert keys.machine.talking is talking
        if name in {"blur", "stop", "discard"}:
            assert not talking or keys.machine.latched  # closed at once, or visibly latched
        if name == "release" and not keys.machine._held_by_button:
            waits_until = keys.machine.pairs.deadline  # its other half may follow at once
            held_back = waits_until is not None and waits_until <= now + LONGEST_CUT_S
            assert not talking or held_back or keys.machine.latched  # the key is up
    # Nobody touches anything any more.
    keys.wait_until(now + 13.0)
    assert not keys.machine.talking
    assert keys.machine.deadline() is None
