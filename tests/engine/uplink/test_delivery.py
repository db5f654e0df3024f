from dataclasses import dataclass, field

import pytest

from selam_cli.config.settings import Settings
from selam_cli.core.protocol import AudioChunk
from selam_cli.engine.uplink.capture import Recording
from selam_cli.engine.uplink.delivery import Delivery


@dataclass
class Wire:
    up: bool = True
    queued_s: float = 0.0
    sent: list = field(default_factory=list)

    def send(self, message):
        self.sent.append(message)

    def withdraw_audio(self):
        self.sent.clear()

    @property
    def lengths(self):
        return [len(message.audio) for message in self.sent]


def delivering(wire, **settings):
    delivery = Delivery(Settings(**settings))
    delivery.attach(wire)
    return delivery


def recording(seconds, complete=False):
    return Recording(1, bytearray(b"\1\2" * round(16_000 * seconds)), complete=complete)


def test_chunks_are_100_ms_and_the_rest_waits():
    wire = Wire()
    said = recording(0.35)
    delivering(wire).feed(said)
    assert wire.lengths == [3_200] * 3
    assert said.unsent_seconds == pytest.approx(0.05)


def test_chunks_grow_to_200_ms_while_the_way_out_lags_and_shrink_again():
    wire = Wire(queued_s=0.3)
    delivery = delivering(wire)
    said = recording(0.4)
    delivery.feed(said)
    assert wire.lengths == [6_400] * 2
    wire.queued_s = 0.0
    said.audio += bytes(b"\1\2" * 1_600)
    delivery.feed(said)
    assert wire.lengths == [6_400, 6_400, 3_200]


def test_the_last_chunk_may_be_short_and_the_closing_silence_follows_it():
    wire = Wire()
    delivery = delivering(wire)
    said = recording(0.25, complete=True)
    delivery.feed(said)
    delivery.feed(said)
    assert wire.lengths == [3_200, 3_200, 1_600] + [3_200] * 10
    assert all(message == AudioChunk(bytes(3_200)) for message in wire.sent[3:])
    assert said.closed


def test_the_closing_silence_can_be_switched_off():
    wire = Wire()
    delivery = delivering(wire, closing_silence=False)
    delivery.feed(recording(0.2, complete=True))
    assert wire.lengths == [3_200, 3_200]


def test_without_a_session_everything_waits_and_is_then_sent_from_its_first_sample():
    wire = Wire(up=False)
    delivery = delivering(wire)
    said = recording(0.3)
    delivery.feed(said)
    assert not wire.sent
    wire.up = True
    delivery.feed(said)
    wire.sent.clear()
    said.start_over()
    said.complete = True
    delivery.feed(said)
    assert wire.lengths == [3_200] * 13
    assert said.closed


def test_of_a_long_utterance_no_more_is_handed_over_than_there_is_room_for_and_nothing_is_lost():
    wire = Wire()
    delivery = delivering(wire)
    said = recording(60.0, complete=True)
    handed_over = []
    wire.queued_s = 0.9

    def fill(message):
        handed_over.append(message)
        wire.queued_s = 1.0

    wire.send = fill
    delivery.feed(said)
    assert len(handed_over) == 1
    while not said.closed:
        wire.queued_s = 0.9
        delivery.feed(said)
    assert b"".join(message.audio for message in handed_over)[: len(said.audio)] == bytes(said.audio)


def test_what_is_left_of_an_utterance_is_handed_over_before_something_else_is_said():
    wire = Wire(queued_s=1.0)
    delivery = delivering(wire)
    said = recording(3.0, complete=True)
    delivery.feed(said)
    assert not wire.sent
    delivery.feed(said, whole=True)
    assert said.closed
    assert sum(wire.lengths) == len(said.audio) + 32_000
