"""The spoken questions by which hearing is measured, and how many words of them were heard wrongly."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Questions:
    """Sentences, and flite's voices that speak them."""

    voices: tuple[str, ...]
    texts: tuple[str, ...]


def questions() -> Questions:
    """Read the list."""
    listed = tomllib.loads(Path(__file__, "../../agent/questions.toml").resolve().read_text(encoding="utf-8"))
    return Questions(tuple(listed["voices"]), tuple(listed["questions"]))


def words(text: str) -> list[str]:
    """Return a sentence's words as they sound: no case, no punctuation."""
    return re.sub(r"[^\w' ]", " ", text.lower()).split()


def word_errors(said: str, heard: str) -> int:
    """Return how many words were changed, left out or put in."""
    wanted, got = words(said), words(heard)
    costs = list(range(len(got) + 1))
    for row, word in enumerate(wanted, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(got, 1):
            diagonal, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other)),
            )
    return costs[-1]
