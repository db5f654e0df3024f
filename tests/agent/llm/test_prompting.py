"""What a chat model is given: the newest part of a conversation, in a shape that every model's template takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.agent.llm.prompting import HistoryBounds, bounded, chat_messages
from selam_cli.agent.providers import Message, Prompt


def user(text: str) -> Message:
    return Message("user", text)


def agent(text: str) -> Message:
    return Message("assistant", text)


@pytest.mark.parametrize(
    ("messages", "bounds", "kept"),
    [
        ([user("a"), agent("b"), user("c")], HistoryBounds(), [user("a"), agent("b"), user("c")]),
        ([user("a"), agent("b"), user("c")], HistoryBounds(most_messages=2), [user("c")]),
        ([user("aaaa"), agent("b"), user("c")], HistoryBounds(most_characters=5), [user("c")]),
        ([user("a"), agent("b"), user("c" * 99)], HistoryBounds(most_characters=5), [user("c" * 99)]),
        ([user("a"), agent(" "), user("c")], HistoryBounds(), [user("a\nc")]),
        ([agent("hello"), user("a")], HistoryBounds(), [user("a")]),
    ],
)
def test_known_cases(messages, bounds, kept):
    assert bounded(messages, bounds) == kept


messages = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text(max_size=20)), max_size=30)
bounds = st.builds(HistoryBounds, st.integers(1, 10), st.integers(1, 100))


@given(messages, bounds)
def test_what_is_kept_alternates_within_the_bounds_and_ends_with_the_question(messages, bounds):
    question = user("What?")
    kept = bounded([*messages, question], bounds)
    assert [message.role for message in kept] == (["user", "assistant"] * len(kept))[: len(kept)]
    assert kept[-1].text.endswith("What?")
    assert len(kept) <= bounds.most_messages
    assert len(kept) == 1 or sum(len(message.text) for message in kept) <= bounds.most_characters


@pytest.mark.parametrize("instructions", [None, "", "  "])
def test_without_instructions_the_system_prompt_says_how_to_speak(instructions):
    system = chat_messages(Prompt((user("a"),), "so", instructions), HistoryBounds())[0]
    assert system["content"].startswith("Answer in Somali")
