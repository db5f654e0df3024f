"""When a busy server wants to be asked again: seconds, milliseconds, or a date by its own clock."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.agent.rest.retry_after import in_words, retry_after_s

SOAK = os.environ.get("SELAM_SOAK") == "1"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 12 "}, 12.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:15 GMT"}, 10.0),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:15 GMT", "Date": "Fri, 02 Jan 2026 03:04:10 GMT"}, 5.0),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:15 -0000", "Date": "gibberish"}, 10.0),
        ({"Retry-After": "Fri, 02 Jan 2020 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "9" * 100}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_known_headers(headers, seconds):
    assert retry_after_s(headers, NOW) == seconds


@settings(max_examples=100 if SOAK else 25)
@given(said=st.text(), date=st.text())
def test_any_header_is_read_or_passed_over(said, date):
    wait_s = retry_after_s({"Retry-After": said, "Date": date}, NOW)
    assert wait_s is None or wait_s >= 0


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001  # the zone is given below
def test_any_date_is_read(moment):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    wait_s = retry_after_s({"Retry-After": format_datetime(moment, usegmt=True)}, NOW)
    assert wait_s == max(0.0, (moment - NOW).total_seconds())


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "in 1 s"), (90, "in 90 s"), (300, "in 5 minutes"), (9e9, "later")]
)
def test_a_wait_in_words(seconds, words):
    assert in_words(seconds) == words
