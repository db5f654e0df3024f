import pytest

from selam_cli.core import protocol
from selam_cli.core.conversation.stale_reply import StaleReplyFilter
from selam_cli.core.protocol import AudioEnd, ControlAck, ReplyChunk, Response, Transcription

CHUNK, TEXT = ReplyChunk(b"\0\0"), Response("old")


@pytest.fixture
def gate():
    late = StaleReplyFilter()
    late.interrupted(10.0)
    return late


def test_before_any_interruption_everything_is_admitted():
    assert StaleReplyFilter().admits(CHUNK, 0.0)


def test_sound_and_text_of_the_old_reply_are_dropped(gate):
    assert not gate.admits(CHUNK, 10.1)
    assert not gate.admits(TEXT, 10.1)


def test_the_acknowledgement_opens(gate):
    assert gate.admits(ControlAck("interrupt"), 10.1)
    assert gate.admits(CHUNK, 10.2)


def test_another_actions_acknowledgement_does_not(gate):
    assert gate.admits(ControlAck("pause"), 10.1)
    assert not gate.admits(CHUNK, 10.2)


def test_the_old_replys_end_opens_and_is_not_the_new_ones(gate):
    assert not gate.admits(AudioEnd(3), 10.1)
    assert gate.admits(CHUNK, 10.2)
    assert gate.admits(AudioEnd(1), 10.3)


def test_a_final_transcription_opens_a_partial_one_does_not(gate):
    assert gate.admits(Transcription("h", is_final=False), 10.1)
    assert not gate.admits(CHUNK, 10.2)
    assert gate.admits(Transcription("hello"), 10.3)
    assert gate.admits(CHUNK, 10.4)


def test_a_second_is_the_longest_that_anything_is_dropped(gate):
    assert not gate.admits(CHUNK, 10.99)
    assert gate.admits(CHUNK, 11.0)


def test_of_two_interruptions_the_first_acknowledgement_is_not_enough(gate):
    gate.interrupted(10.1)
    gate.admits(ControlAck("interrupt"), 10.2)
    assert not gate.admits(CHUNK, 10.3)
    gate.admits(ControlAck("interrupt"), 10.4)
    assert gate.admits(CHUNK, 10.5)


def test_a_new_session_has_nothing_old(gate):
    gate.reset()
    assert gate.admits(CHUNK, 10.1)


def test_what_answers_something_thrown_away_is_passed_over_until_something_else_is_said():
    gate = StaleReplyFilter()
    gate.discarded()
    answers = [protocol.Transcription("no"), protocol.Response("No."), protocol.AudioEnd(0)]
    assert not any(gate.admits(message, 0.0) for message in answers)
    assert gate.admits(protocol.ControlAck("stop_listening", "executed"), 0.0)
    gate.begin_turn()
    assert all(gate.admits(message, 0.0) for message in answers)
    gate.discarded()
    gate.reset()
    assert all(gate.admits(message, 0.0) for message in answers), "another session has not heard it"
