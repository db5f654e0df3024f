"""A token bucket: never more than its capacity at once, never faster than its rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.token_bucket import TokenBucket


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ([(0, 1)] * 5, [True, True, True, False, False]),  # full at first, and then empty
        ([(0, 3), (0.4, 1), (0.5, 1), (0.9, 1)], [True, False, True, False]),  # two a second
        ([(0, 3), (100, 3), (100, 1)], [True, True, False]),  # no longer rest gives more than it holds
        ([(0, 4), (0, 3)], [False, True]),  # what is not granted is not paid
        ([(0, 2), (0, 2), (0.5, 2)], [True, False, True]),
    ],
)
def test_what_is_granted(asked, granted):
    bucket = TokenBucket(3, 2, now=0.0)
    assert [bucket.take(cost, now) for now, cost in asked] == granted


@given(
    st.floats(1, 100), st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 50)), min_size=1, max_size=50),
)  # fmt: skip
def test_in_no_time_is_more_granted_than_it_holds_and_refills_in_that_time(capacity, per_s, asked):
    bucket, now, granted = TokenBucket(capacity, per_s, now=0.0), 0.0, []
    for pause, cost in asked:
        now += pause
        if bucket.take(cost, now):
            granted.append((now, cost))
    for first in range(len(granted)):
        total = 0.0
        for at, cost in granted[first:]:
            total += cost
            assert total <= (capacity + (at - granted[first][0]) * per_s) * (1 + 1e-9)


@given(st.floats(1, 100), st.floats(0.1, 100), st.lists(st.floats(0, 10), max_size=20))
def test_after_a_rest_long_enough_it_is_full_again_whatever_was_taken(capacity, per_s, taken):
    bucket = TokenBucket(capacity, per_s, now=0.0)
    for cost in taken:
        bucket.take(cost, 0.0)
    assert bucket.take(capacity, capacity / per_s * 1.001)
