"""Each utterance is in one place, and what becomes of it is told once, by the ledger alone."""

from __future__ import annotations

import pytest

from selam_cli.core import events
from selam_cli.core.conversation import effects, ledger
from selam_cli.core.conversation.ledger import MOVES, Place, UtteranceLedger

SECOND = 16_000


@pytest.fixture
def done():
    return []


@pytest.fixture
def book(done):
    return UtteranceLedger(done.append)


def told(done, kind=events.UtteranceOutcome):
    return [e.event for e in done if isinstance(e, effects.Emit) and isinstance(e.event, kind)]


def sent(book, turn, seconds=1):
    book.open(turn, float(turn))
    book.grow(turn, seconds * SECOND)
    book.complete(turn, 5_000.0, turn + seconds)
    book.handed_over(turn, seconds * SECOND, session=1)
    return book.move(turn, Place.UNCONFIRMED)


def kept(book, turn, seconds=1, session=0, sent_samples=0):
    book.open(turn, float(turn))
    book.grow(turn, seconds * SECOND)
    book.complete(turn, 5_000.0, turn + seconds)
    book.handed_over(turn, sent_samples, session)
    return book.move(turn, Place.KEPT, "a test wants it")


@pytest.mark.parametrize("origin", Place)
@pytest.mark.parametrize("to", Place)
def test_an_utterance_goes_where_the_table_says_and_nowhere_else(book, origin, to):
    ways = {
        Place.RECORDING: [], Place.SENDING: [Place.SENDING], Place.UNCONFIRMED: [Place.SENDING, Place.UNCONFIRMED],
        Place.KEPT: [Place.SENDING, Place.KEPT],
    }  # fmt: skip
    if origin not in ways:
        assert MOVES[origin] == frozenset(), "it has gone for good"
        return
    book.open(1, 0.0)
    for place in ways[origin]:
        book.move(1, place)
    if to in MOVES[origin]:
        assert book.move(1, to).place is to
    else:
        with pytest.raises(ValueError, match="does not go"):
            book.move(1, to)


def test_what_became_of_it_is_told_when_it_moves(book, done):
    sent(book, 1)
    book.start_over(1)
    book.handed_over(1, SECOND, session=2)
    book.move(1, Place.UNCONFIRMED)
    book.move(1, Place.KEPT, "the session was over")
    book.discard_kept()
    outcomes = ["sent", "resent", "kept", "discarded"]
    assert told(done) == [events.UtteranceOutcome(1, outcome, 1.0) for outcome in outcomes]
    assert done[-1] == effects.Drop(1), "its sound is not kept any longer"
    assert told(done, events.Notice)[0].message == "1.0 s of speech are kept: the session was over."
    assert book.get(1) is None


def test_what_nothing_was_sent_of_is_no_second_time(book, done):
    book.open(1, 0.0)
    book.grow(1, SECOND)
    book.start_over(1)
    book.complete(1, 5_000.0, 1.0)
    book.move(1, Place.UNCONFIRMED)
    assert told(done) == [events.UtteranceOutcome(1, "sent", 1.0)]


def test_an_interruption_confirms_what_was_said_before_it(book, done):
    for turn in (1, 2):
        sent(book, turn)
        book.doubt(turn, acknowledgements=turn)
    book.acknowledged(1)
    assert [utterance.turn for utterance in book.doubtful] == [2]
    book.all_arrived()
    assert book.doubtful == []
    assert [effect.turn for effect in done if isinstance(effect, effects.Drop)] == [1, 2]


def test_of_what_is_doubtful_no_more_is_held_than_of_what_is_kept(book, monkeypatch):
    monkeypatch.setattr(ledger, "KEPT_AT_MOST_S", 2.5)
    for turn in (1, 2, 3):
        sent(book, turn)
        book.doubt(turn, acknowledgements=3)
    assert [utterance.turn for utterance in book.doubtful] == [2, 3]


def test_what_is_kept_is_bounded_and_the_oldest_goes(book, done, monkeypatch):
    monkeypatch.setattr(ledger, "KEPT_AT_MOST_S", 2.0)
    for turn in (1, 2, 3):
        kept(book, turn)
    assert [utterance.turn for utterance in book.at(Place.KEPT)] == [2, 3]
    assert told(done)[-1] == events.UtteranceOutcome(1, "discarded", 1.0)
    assert [notice.code for notice in told(done, events.Notice)] == ["kept", "kept", "kept_full", "kept"]


def test_what_was_said_last_is_kept_however_long_it_is(book, monkeypatch):
    monkeypatch.setattr(ledger, "KEPT_AT_MOST_S", 2.0)
    kept(book, 1, seconds=9)
    assert book.kept_s == 9.0


def test_what_is_kept_goes_out_in_the_order_in_which_it_was_said_without_what_the_session_has_heard(book, done):
    for turn, session, samples in ((1, 1, 100), (3, 2, 300), (2, 2, 200)):
        kept(book, turn, session=session, sent_samples=samples)
    whole = book.merge_kept(4, session=2, now=9.0)
    assert effects.Merge(4, ((1, 0), (2, 200), (3, 300))) in done
    assert (whole.place, whole.samples, whole.resent) == (Place.SENDING, 3 * SECOND - 500, True)
    assert book.kept_s == 0.0
    assert done.index(effects.Merge(4, ((1, 0), (2, 200), (3, 300)))) < done.index(effects.Drop(1))
