"""What waits for the screen: merged where only the newest matters, complete and in order where all of it does."""

from __future__ import annotations

from selam_cli.core import events
from selam_cli.tui.inbox import Inbox


def level(dbfs: float) -> events.Level:
    return events.Level(dbfs, dbfs, False, -90.0)


def test_levels_are_merged_and_texts_are_not():
    inbox = Inbox(lambda: None)
    texts = [events.Response(1, str(index)) for index in range(3)]
    for index, text in enumerate(texts):
        inbox.put(level(-index))
        inbox.put(text)
    assert inbox.take() == [*texts[:2], level(-2), texts[2]]
    assert inbox.take() == []


def test_its_owner_is_told_once_for_all_that_waits():
    told = []
    inbox = Inbox(lambda: told.append(len(told)))
    inbox.put(level(0))
    inbox.put(level(1))
    assert told == [0]
    inbox.take()
    inbox.put(level(2))
    assert told == [0, 1]
