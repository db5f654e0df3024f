"""When a lost connection is tried again, by a table and by any history: there is no clock, and chance is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.engine.link.policy import BACKOFF_FIRST_S, BACKOFF_MOST_S, STEADY_AFTER_S, Retry, RetryPolicy

HURRY = "hurry"
FAILED = None
SHORT, STEADY = STEADY_AFTER_S - 0.1, STEADY_AFTER_S


def replaced(session_s):
    """Return the step of a history in which a session of such a length is ended for one with other settings."""
    return ("replaced", session_s)


def decisions(history, attempts=None, chance=1.0):
    """Return what is decided after each attempt of a history; what follows its giving up is not looked at."""
    policy = RetryPolicy(attempts)
    decided = []
    for step in history:
        if step == HURRY:
            policy.hurried()
        elif isinstance(step, tuple):
            policy.replaced(step[1])
        else:
            decided.append(policy.after(step, chance))
            if decided[-1] is None:
                break
    return decided


@pytest.mark.parametrize(
    ("history", "attempts_and_waits"),
    [
        ([FAILED] * 7, [(2, 0.5), (3, 1), (4, 2), (5, 4), (6, 8), (7, 8), (8, 8)]),
        ([STEADY], [(1, 0.5)]),
        ([STEADY] * 3, [(1, 0.5)] * 3),
        ([SHORT] * 6, [(1, 0.5), (1, 1), (1, 2), (1, 4), (1, 8), (1, 8)]),  # a server that greets and drops
        ([0.0, FAILED, 0.0], [(1, 0.5), (2, 1), (1, 2)]),
        ([FAILED, FAILED, STEADY, FAILED], [(2, 0.5), (3, 1), (1, 0.5), (2, 1)]),
        ([FAILED, FAILED, SHORT, FAILED], [(2, 0.5), (3, 1), (1, 2), (2, 4)]),
        ([FAILED, FAILED, HURRY, FAILED, FAILED], [(2, 0.5), (3, 1), (4, 0.5), (5, 1)]),
        ([SHORT, SHORT, HURRY, SHORT], [(1, 0.5), (1, 1), (1, 0.5)]),
        # A session that was ended for another voice counts once, by the attempt that was to replace it.
        ([replaced(STEADY), FAILED, FAILED], [(1, 0.5), (2, 1)]),
        ([SHORT, SHORT, replaced(STEADY), FAILED], [(1, 0.5), (1, 1), (1, 0.5)]),
        ([SHORT, SHORT, replaced(SHORT), FAILED], [(1, 0.5), (1, 1), (1, 2)]),
        ([SHORT, SHORT, replaced(STEADY), SHORT], [(1, 0.5), (1, 1), (1, 2)]),
        ([replaced(SHORT), SHORT, FAILED], [(1, 0.5), (2, 1)]),
    ],
)
def test_what_follows_an_attempt(history, attempts_and_waits):
    assert decisions(history) == [Retry(attempt, wait) for attempt, wait in attempts_and_waits]


@pytest.mark.parametrize(
    ("attempts", "history", "given_up"),
    [
        (1, [FAILED], True),
        (3, [FAILED] * 2, False),
        (3, [FAILED] * 3, True),
        (3, [FAILED, HURRY, FAILED, HURRY, FAILED], True),  # a hurry shortens waits, and grants no attempt
        (1, [SHORT], False),
        (1, [SHORT] + [FAILED] * 50, False),  # there has been a session: it is waited for
        (2, [FAILED, replaced(SHORT)] + [FAILED] * 50, False),
        (None, [FAILED] * 50, False),
    ],
)
def test_it_is_given_up_after_so_many_failures_in_a_row_but_never_once_there_was_a_session(attempts, history, given_up):
    decided = decisions(history, attempts)
    assert [decision is None for decision in decided] == [False] * (len(decided) - 1) + [given_up]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 0.25), (0.5, 0.375), (1.0, 0.5)])
def test_chance_cuts_a_wait_by_up_to_half(chance, wait):
    assert decisions([FAILED], chance=chance) == [Retry(2, wait)]


SESSIONS = st.none() | st.floats(0, 2 * STEADY_AFTER_S)
STEPS = SESSIONS | st.just(HURRY) | st.floats(0, 2 * STEADY_AFTER_S).map(replaced)
HISTORIES = st.lists(STEPS, max_size=60)
CHANCES = st.floats(0, 1)


@given(HISTORIES, CHANCES, st.none() | st.integers(1, 5))
def test_no_wait_is_longer_than_the_longest_or_shorter_than_half_the_shortest(history, chance, attempts):
    for decision in decisions(history, attempts, chance):
        assert decision is None or BACKOFF_FIRST_S / 2 <= decision.delay_s <= BACKOFF_MOST_S


@given(HISTORIES, st.integers(1, 5))
def test_it_is_given_up_only_before_the_first_session_and_exactly_at_the_bound(history, attempts):
    decided = decisions(history, attempts)
    row, had_session = 0, False
    for step in history:
        if step == HURRY:
            continue
        if isinstance(step, tuple):
            had_session = True
            continue
        had_session = had_session or step is not None
        row += 1
        if not had_session and row == attempts:
            assert decided[row - 1 :] == [None]
            return
        assert decided[row - 1] is not None


@given(HISTORIES)
def test_attempts_are_counted_from_the_last_session_on(history):
    number, carried = 1, False
    expected = []
    for step in history:
        if isinstance(step, tuple):
            carried = True
        elif step != HURRY:
            number = number + 1 if step is None and not carried else 1
            carried = False
            expected.append(number)
    assert [decision.attempt for decision in decisions(history)] == expected


@given(st.lists(st.none() | st.floats(0, STEADY_AFTER_S, exclude_max=True), max_size=60))
def test_without_a_steady_session_and_without_a_hurry_waits_never_shrink(history):
    waits = [decision.delay_s for decision in decisions(history)]
    assert waits == sorted(waits)


@given(HISTORIES, st.sampled_from([HURRY, STEADY, 100.0]))
def test_after_a_steady_session_or_a_hurry_the_wait_is_the_shortest_whatever_was_before(history, fresh):
    after = [FAILED] if fresh == HURRY else []
    history = [step for step in history if not isinstance(step, tuple)]
    assert decisions([*history, fresh, *after])[-1].delay_s == BACKOFF_FIRST_S


@given(HISTORIES, CHANCES)
def test_chance_changes_waits_and_nothing_else(history, chance):
    by_chance, at_most = decisions(history, chance=chance), decisions(history)
    assert [decision.attempt for decision in by_chance] == [decision.attempt for decision in at_most]
    for one, other in zip(by_chance, at_most, strict=True):
        assert other.delay_s / 2 <= one.delay_s <= other.delay_s
