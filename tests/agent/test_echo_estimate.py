import numpy as np
import pytest

from selam_cli.agent.echo_estimate import ECHO, REMEMBERED_S, OwnVoice


def chunk(*levels):
    """One frame of each level."""
    return b"".join(np.full(320, level, "<i2").tobytes() for level in levels)


def test_who_is_silent_has_no_echo():
    assert OwnVoice().echo_rms(5.0) == 0.0


def test_the_loudest_frame_of_what_was_said_lately_counts():
    own = OwnVoice()
    own.say(chunk(1_000, 5_000, 200), 1.0)
    own.say(chunk(300), 1.1)
    assert own.echo_rms(1.2) == pytest.approx(5_000 * ECHO)
    own.say(chunk(9_000), 1.3)
    assert own.echo_rms(1.4) == pytest.approx(9_000 * ECHO)


def test_it_is_forgotten_when_its_echo_is_over():
    own = OwnVoice()
    own.say(chunk(5_000), 1.0)
    own.say(chunk(1_000), 1.5)
    assert own.echo_rms(1.0 + REMEMBERED_S) == pytest.approx(5_000 * ECHO)
    assert own.echo_rms(1.25 + REMEMBERED_S) == pytest.approx(1_000 * ECHO)
    assert own.echo_rms(2.0 + REMEMBERED_S) == 0.0
