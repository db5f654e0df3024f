"""What a keyboard and a link teach: slow keyboards, links that lose packets, and links that are calm."""

from __future__ import annotations

import pytest

from selam_cli.core.key_rhythm import CALM_AFTER, LONGEST_SILENCE_S, RESUME_WITHIN_S, SILENCE_S, Rhythm
from selam_cli.core.push_to_talk import KeyAction, Mode, PushToTalk
from tests.support.key_player import keyboard
from tests.support.typist import Tcp, Typist

START, STOP, RESUME, LATCH, TOGGLE, WARN = KeyAction


@pytest.mark.parametrize("interval", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("far", [False, True])
def test_a_slow_keyboard_cuts_no_hold_from_the_first_on(interval, jitter, far):
    typist = Typist(interval, jitter, machine=PushToTalk(far=far))
    holds = [typist.hold(typist.dice.uniform(2.0, 8.0)) for _ in range(30)]
    assert [hold.actions.count(START) for hold in holds] == [1] * 30
    assert all(hold.actions[-1] is STOP for hold in holds)
    assert not any(hold.false_releases for hold in holds[1:])  # one resumption teaches the rhythm


@pytest.mark.parametrize("delay", [0.04, 0.15, 0.3])
@pytest.mark.parametrize("loss", [0.01, 0.03, 0.05])
def test_a_link_that_loses_packets_cuts_hardly_a_hold_and_loses_no_end(delay, loss):
    typist = Typist(0.033, delay / 2, link=Tcp(loss, delay), machine=PushToTalk(far=True))
    holds = [typist.hold(typist.dice.uniform(1.0, 6.0)) for _ in range(300)]
    assert sum(RESUME in hold.actions for hold in holds) > 30  # there was something to take back
    assert sum(hold.actions.count(START) > 1 for hold in holds) <= 3
    assert all(hold.actions[-1] is STOP for hold in holds)


def test_a_hold_that_is_cut_all_the_same_begins_again_where_it_ended():
    """So no sound is lost between the two; the engine still has it."""
    keys = keyboard(told=False)
    keys.machine.rhythm.far = True
    keys.hold(1.0, until=3.0)
    keys.wait_until(5.0)
    ended = keys.steps[-1]
    assert ended.action is STOP
    keys.press(5.0)
    keys.press(5.0)
    assert keys.steps[-1].action is START
    assert keys.steps[-1].at == pytest.approx(ended.at + ended.within_s)
    assert keys.machine.rhythm.longest_stall == pytest.approx(5.0 - 2.99, abs=0.02)


def test_a_single_key_that_a_stall_held_back_opens_no_microphone_for_good():
    keys = keyboard(told=False)
    keys.machine.rhythm.far = True
    keys.hold(1.0, until=3.0)
    keys.press(5.0)
    keys.wait_until(9.0)
    assert keys.actions == [START, STOP, START, STOP]
    keys.press(20.0)
    keys.wait_until(25.0)
    assert keys.machine.latched  # that was a tap


def test_a_link_without_a_stall_proves_calm_and_ends_are_told_as_soon_as_on_a_near_one():
    keys = keyboard(told=False)
    keys.machine.rhythm.far = True
    keys.hold(1.0, until=3.0)
    keys.wait_until(5.0)
    assert keys.steps[-1].within_s > 0.8
    keys.hold(10.0, until=10.0 + CALM_AFTER * 0.03 + 1)
    keys.wait_until(100.0)
    assert keys.steps[-1].within_s == RESUME_WITHIN_S


def test_a_stall_is_remembered_until_the_link_has_been_calm():
    rhythm = Rhythm()
    for _ in range(30):
        rhythm.next(0.033)
    assert rhythm.silence_s() == rhythm.gap_deadline() + RESUME_WITHIN_S
    gap = rhythm.gap_deadline()
    rhythm.next(0.8)
    assert rhythm.gap_deadline() == gap  # the end of a hold is noticed no later; it only may be taken back for longer
    assert rhythm.silence_s() == pytest.approx(1.3 * 0.8 + 0.15)
    for _ in range(CALM_AFTER):
        rhythm.next(0.033)
    assert rhythm.silence_s() == rhythm.gap_deadline() + RESUME_WITHIN_S


def test_no_silence_is_waited_out_for_ever():
    rhythm = Rhythm(far=True)
    for _ in range(30):
        rhythm.next(0.033)
    assert rhythm.silence_s() == SILENCE_S
    rhythm.stalled(60.0)
    assert rhythm.silence_s() == LONGEST_SILENCE_S


def test_a_link_that_came_later_has_yet_to_prove_calm():
    rhythm = Rhythm()
    for _ in range(2 * CALM_AFTER):
        rhythm.next(0.033)
    rhythm.reached(far=True)
    assert rhythm.silence_s() == SILENCE_S
    for _ in range(CALM_AFTER - 1):
        rhythm.next(0.033)
    rhythm.reached(far=True)
    assert rhythm.silence_s() == SILENCE_S
    rhythm.next(0.033)
    assert rhythm.calm
    rhythm.stalled(0.8)
    rhythm.reached(far=False)
    assert not rhythm.calm


def test_long_intervals_in_a_row_are_a_slower_keyboard_and_no_stalls():
    rhythm = Rhythm()
    for interval in [0.033] * 30 + [0.5] * 5:
        rhythm.next(interval)
    assert rhythm.interval == 0.5
    assert rhythm.gap_deadline() > 0.5


def test_a_keyboard_that_was_made_slower_in_mid_conversation_is_learned_anew():
    keys = keyboard(told=False)
    keys.hold(1.0, until=3.0)
    for begin in (10.0, 20.0, 30.0):
        keys.hold(begin, until=begin + 6.0, interval=0.45)
        keys.wait_until(begin + 9.0)
    assert keys.actions.count(START) == 4
    assert keys.actions[-2:] == [START, STOP]
    assert keys.machine.rhythm.interval == pytest.approx(0.45)


def test_a_press_soon_after_a_hold_teaches_no_stall():
    keys = keyboard(told=False)
    keys.hold(1.0, until=3.0)
    keys.hold(3.4, until=5.0)
    keys.wait_until(9.0)
    assert keys.actions == [START, STOP, RESUME, STOP]
    assert keys.machine.rhythm.longest_stall == 0.0


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.TOGGLE])
def test_a_stall_while_the_key_that_closed_a_latch_is_held_starts_nothing(mode):
    keys = keyboard(mode, told=False)
    keys.machine.rhythm.far = True
    keys.press(1.0)
    keys.hold(10.0, until=11.0)
    keys.hold(11.5, until=13.0, delay=0.0)  # the same hold, after a stall of half a second
    keys.wait_until(15.0)
    assert keys.actions == [START, LATCH, STOP]
