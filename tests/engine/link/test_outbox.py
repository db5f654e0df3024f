"""What waits to be sent: its order, its bound, and what is taken back of it."""

import pytest

from selam_cli.core.protocol import Action, AudioChunk, Control, EndSession
from selam_cli.engine.link.outbox import Outbox

BEGIN = Control(Action.INTERRUPT)
"""Goes before each utterance."""


def outbox_with(*messages):
    outbox = Outbox()
    for message in messages:
        outbox.put(message)
    return outbox


def emptied(outbox):
    return [outbox.take() for _ in range(len(outbox))]


def test_audio_that_was_not_sent_can_be_withdrawn_and_controls_stay():
    outbox = outbox_with(AudioChunk(bytes(3_200)), Control(Action.PAUSE))
    assert outbox.queued_s == pytest.approx(0.1)
    outbox.withdraw_audio()
    assert outbox.queued_s == 0.0
    assert emptied(outbox) == [Control(Action.PAUSE)]


def test_with_an_utterance_the_one_before_it_is_not_withdrawn():
    said_before = [BEGIN, AudioChunk(bytes(3_200)), AudioChunk(bytes(3_200))]
    outbox = outbox_with(*said_before, BEGIN, AudioChunk(b"1" * 3_200), Control(Action.PAUSE))
    outbox.withdraw_audio()
    assert outbox.queued_s == pytest.approx(0.2)
    assert emptied(outbox) == [*said_before, BEGIN, Control(Action.PAUSE)]


def test_of_a_session_that_ends_all_audio_is_withdrawn():
    outbox = outbox_with(BEGIN, AudioChunk(bytes(3_200)), BEGIN, AudioChunk(bytes(3_200)))
    outbox.withdraw_audio(everything=True)
    assert outbox.queued_s == 0.0
    assert emptied(outbox) == [BEGIN, BEGIN]


def test_it_is_bounded_and_only_audio_is_dropped():
    outbox = outbox_with(BEGIN)
    dropped_s = sum(outbox.put(AudioChunk(bytes([number % 256]) * 3_200)) for number in range(600))
    outbox.put(EndSession())
    assert outbox.queued_s == pytest.approx(30.0)
    assert dropped_s == pytest.approx(30.0)
    assert len(outbox) == 302
    first, *audio, last = emptied(outbox)
    assert (first, last) == (BEGIN, EndSession())
    assert audio[0].audio[0] == 300 % 256, "the oldest is what had to go"
    assert outbox.queued_s == 0.0
