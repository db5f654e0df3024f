"""A little of `python -m tests.fuzz` in every run: no exception escapes, and nothing that steers comes through."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import mutated, seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=300))
def test_what_hypothesis_thinks_of(name, raw):
    TARGETS[name](raw)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_that_were_changed_a_little(name):
    chance = random.Random(7)
    known = seeds(name, chance)
    for raw in known:
        TARGETS[name](raw)
    for _ in range(300):
        TARGETS[name](mutated(known, chance))
