"""Releases that are half of a repeat: Konsole's, cut in pieces or not, and the taps that look like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.push_to_talk import KeyAction, Mode, PushToTalk, Step
from selam_cli.core.repeat_pairs import CUT_S, LONGEST_CUT_S, Way
from tests.support.key_player import Keyboard, keyboard

START, STOP, RESUME, LATCH, TOGGLE, WARN = KeyAction
PAIRS = pytest.mark.parametrize("second", ["repeat", "press"])
"""How the second half of a repeat is told: Konsole's own way, and its other one on X11."""


def konsole(keys: Keyboard, at: float, until: float, second: str = "repeat", *, cut: float = 0.0) -> None:
    """A held key as Konsole tells it; `cut` is the time between the halves of a repeat."""
    keys.press(at)
    time = at + 0.5
    while time < until:
        keys.wait_until(time)
        keys.steps += keys.machine.release(time)
        half = second if time > at + 0.5 else "repeat"
        keys.steps += getattr(keys.machine, half)(time) if not cut else []  # in one read
        if cut:
            getattr(keys, half)(time + cut)
        time += 0.033


@PAIRS
def test_a_hold_whose_repeats_come_as_pairs_is_one_and_ends_at_its_release(second):
    keys = keyboard(told=True)
    for begin in (1.0, 10.0):
        konsole(keys, begin, begin + 2.0, second)
        keys.release(begin + 2.0)
        keys.wait_until(begin + 2.1)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 3.0), Step(START, 10.0), Step(STOP, 12.0)]
    assert keys.machine.pairs.way is Way.PAIRS


def test_the_first_pair_may_be_a_release_and_a_press():
    keys = keyboard(told=True)
    keys.press(1.0)
    for index in range(10):
        keys.steps += keys.machine.release(1.5 + index * 0.033)
        keys.steps += keys.machine.press(1.5 + index * 0.033)
    keys.release(2.0)
    keys.wait_until(2.1)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 2.0)]


@PAIRS
@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.HOLD])
def test_pairs_that_a_busy_machine_cut_are_still_repeats(mode, second):
    keys = keyboard(mode, told=True)
    konsole(keys, 1.0, 3.0, second, cut=0.004)
    keys.release(3.0)
    keys.wait_until(3.1)
    assert keys.actions in ([START, STOP], [START, STOP, RESUME, STOP])  # that there are pairs has to be learned
    konsole(keys, 10.0, 12.0, second, cut=0.004)
    keys.release(12.0)
    keys.wait_until(12.1)
    assert keys.actions[-2:] == [START, STOP]
    assert keys.steps[-1].at == 12.0


@given(cut=st.floats(0.0, 0.02), length=st.floats(0.6, 3.0))
def test_however_a_pair_is_cut_no_utterance_is_cut_with_it(cut, length):
    keys = keyboard(told=True)
    for begin in (1.0, 11.0):
        konsole(keys, begin, begin + length, cut=cut)
        keys.release(begin + length + cut)
        keys.wait_until(begin + 5.0)
    assert keys.actions.count(START) == 2
    assert keys.steps[-1] == Step(STOP, 11.0 + length + cut)
    stops = [step for step in keys.steps if step.action is STOP]
    assert len(stops) - keys.actions.count(RESUME) == 2


def test_a_link_that_cuts_pairs_further_is_learned():
    keys = keyboard(told=True)
    konsole(keys, 1.0, 2.0, cut=0.025)
    assert keys.actions == [START, STOP, RESUME]
    assert CUT_S < keys.machine.pairs.waits_s <= LONGEST_CUT_S


@PAIRS
def test_a_latched_microphone_is_closed_by_a_held_key_and_stays_closed(second):
    keys = keyboard(told=True)
    konsole(keys, 1.0, 2.0)
    keys.release(2.0)
    keys.press(5.0)
    keys.release(5.1)
    keys.wait_until(6.0)
    assert keys.machine.latched
    konsole(keys, 10.0, 12.0, second)
    keys.release(12.0)
    keys.wait_until(13.0)
    assert keys.actions == [START, STOP, START, LATCH, STOP]
    assert keys.steps[-1].at == 10.0


@PAIRS
def test_in_toggle_mode_a_key_held_in_pairs_toggles_once(second):
    keys = keyboard(Mode.TOGGLE, told=True)
    for begin in (1.0, 5.0, 10.0):
        konsole(keys, begin, begin + 2.0, second)
        keys.release(begin + 2.0)
        keys.wait_until(begin + 3.0)
    assert keys.actions == [START, LATCH, STOP, START, LATCH]


@PAIRS
def test_in_open_mode_a_key_held_in_pairs_switches_once(second):
    keys = keyboard(Mode.OPEN, told=True)
    konsole(keys, 1.0, 3.0, second)
    keys.release(3.0)
    keys.wait_until(4.0)
    assert keys.actions == [TOGGLE]


def test_a_release_waits_for_nothing_where_repeats_are_plain():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    assert keys.machine.release(2.0) == [Step(STOP, 2.0)]


def test_a_release_waits_only_for_what_has_come_where_pairs_were_not_seen():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.steps += keys.machine.release(1.4)
    assert keys.machine.deadline() == 1.4


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.HOLD, Mode.TOGGLE])
@pytest.mark.parametrize("pairs_seen", [False, True])
def test_two_taps_that_come_in_one_read_are_two(mode, pairs_seen):
    """A link stalled over both: what was latched by the first is closed by the second."""
    keys = keyboard(mode, told=True)
    if pairs_seen:
        konsole(keys, 1.0, 2.0)
        keys.release(2.0)
        keys.press(4.0)  # in toggle mode, what the first began
        keys.release(4.05)
        keys.wait_until(5.0)
        keys.steps += keys.machine.stop(5.0)
        keys.steps.clear()
    for _ in range(2):
        keys.steps += keys.machine.press(10.0)
        keys.steps += keys.machine.release(10.0)
    keys.wait_until(11.0)
    two_holds = [START, STOP, START, STOP]
    assert keys.actions == (two_holds if mode is Mode.HOLD else [START, LATCH, STOP])
    assert not keys.machine.talking


def test_a_finger_that_is_quick_presses_twice_in_a_terminal_with_pairs():
    keys = keyboard(Mode.TOGGLE, told=True)
    konsole(keys, 1.0, 2.0)
    keys.release(2.0)
    keys.press(2.06)
    assert keys.actions == [START, LATCH, STOP]


def test_a_hold_and_a_press_that_waited_out_a_stall_are_two_where_no_pair_was_seen():
    keys = keyboard(Mode.TOGGLE, told=True)
    keys.press(1.0)
    keys.steps += keys.machine.release(2.0)
    keys.steps += keys.machine.press(2.0, since=1.2)
    assert keys.actions == [START, LATCH, STOP]


@pytest.mark.parametrize(("mode", "ended"), [(Mode.TOGGLE, [START, LATCH]), (Mode.AUTO, [START, STOP])])
def test_a_hold_whose_begin_waited_out_a_stall_is_one_though_a_pair_ends_in_a_press(mode, ended):
    """All in one read, so at one time: a press, a release and a repeat, and then releases and presses."""
    machine = PushToTalk(mode, release_told=True)
    steps = machine.press(1.0, since=0.3) + machine.release(1.0) + machine.repeat(1.0)
    for _ in range(3):
        steps += machine.release(1.0) + machine.press(1.0, since=0.3)
    steps += machine.release(1.0) + machine.tick(1.1)
    assert [step.action for step in steps] == ended


@pytest.mark.parametrize("other", ["blur", "stop", "other"])
def test_whatever_comes_behind_a_release_it_counts_before(other):
    keys = keyboard(told=True)
    konsole(keys, 1.0, 2.0)
    keys.steps += keys.machine.release(2.01)
    keys.steps += keys.machine.other() if other == "other" else getattr(keys.machine, other)(2.011)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 2.01)]


# --- a focus that was lost --------------------------------------------------------------------------------------------


def test_after_the_focus_was_lost_in_a_hold_repeats_alone_are_a_hold():
    """As kitty tells the next one on X11: it believes the key to be down since before."""
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.repeat(1.5)
    keys.steps += keys.machine.blur(2.0)
    keys.machine.focus()
    for at in (5.0, 5.5, 5.53):
        keys.repeat(at)
    keys.release(6.0)
    assert keys.steps == [Step(START, 1.0), Step(STOP, 2.0), Step(START, 5.0), Step(STOP, 6.0)]


def test_a_repeat_without_a_press_closes_what_was_latched_when_the_focus_went():
    keys = keyboard(Mode.TOGGLE, told=True)
    keys.press(1.0)
    keys.steps += keys.machine.blur(2.0)
    keys.machine.focus()
    keys.repeat(5.0)
    keys.release(5.1)
    assert keys.actions == [START, LATCH, STOP]


def test_a_repeat_that_was_on_its_way_when_the_focus_went_starts_nothing():
    keys = keyboard(told=True)
    keys.press(1.0)
    keys.steps += keys.machine.blur(2.0)
    keys.repeat(2.01)
    assert keys.actions == [START, STOP]
    assert not keys.machine.talking
