"""What a chat model is given: who it is, what was said so far, and no more of it than it can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selam_cli.agent.providers import Message, Prompt
from selam_cli.core.catalog import LANGUAGES


@dataclass(frozen=True, slots=True)
class HistoryBounds:
    """How much of a conversation is sent: small models hold 4,096 tokens, and every one of them costs time."""

    most_messages: int = 40
    most_characters: int = 12_000


def chat_messages(prompt: Prompt, bounds: HistoryBounds) -> list[dict[str, str]]:
    """Return the system prompt and the conversation, cut from its oldest end, as the chat protocol has them."""
    system = {"role": "system", "content": _system(prompt)}
    return [system, *({"role": message.role, "content": message.text} for message in bounded(prompt.messages, bounds))]


def bounded(messages: Sequence[Message], bounds: HistoryBounds) -> list[Message]:
    """Return the newest messages within the bounds; the last one always.

    They begin with the user and alternate, or the templates of several models refuse them: two remarks in a row, as
    after an answer of which nothing was heard, become one.
    """
    kept: list[Message] = []
    characters = 0
    for message in reversed(_alternating(messages)):
        characters += len(message.text)
        if kept and (len(kept) >= bounds.most_messages or characters > bounds.most_characters):
            break
        kept.insert(0, message)
    while kept and kept[0].role != "user":
        del kept[0]
    return kept


def _alternating(messages: Sequence[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in messages:
        if not message.text.strip():
            continue
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, f"{merged[-1].text}\n{message.text}")
        else:
            merged.append(message)
    return merged


def _system(prompt: Prompt) -> str:
    language = LANGUAGES[prompt.language].name if prompt.language in LANGUAGES else prompt.language
    spoken = (
        f"Answer in {language}, whatever language you are spoken to in. Your answer is spoken aloud: "
        "use short, plain sentences, with no markdown, no lists, no emoji and no web addresses."
    )
    return (
        f"{prompt.instructions.strip()}\n\n{spoken}" if prompt.instructions and prompt.instructions.strip() else spoken
    )
