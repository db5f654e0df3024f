"""What was heard of an answer that was cut off: the sentences whose sound has played, and a part of the last.

Pure: seconds of sound come in. An engine tells no more than which sentence a sound belongs to, so within one the words
are taken to be spoken evenly; the cut lies after the last whole word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_WORD_END: Final = re.compile(r"[\s፡]+|$")


@dataclass(slots=True)
class _Sentence:
    text: str
    seconds: float = 0.0
    complete: bool = False


@dataclass(slots=True)
class Spoken:
    """One answer's sentences, each with the length of its sound."""

    _sentences: list[_Sentence] = field(default_factory=list)

    def begin(self, text: str) -> None:
        """A sentence's sound follows."""
        self.finish()
        self._sentences.append(_Sentence(text))

    def add(self, seconds: float) -> None:
        """Seconds of its sound that have been made."""
        if self._sentences:
            self._sentences[-1].seconds += seconds

    def finish(self) -> None:
        """The last sentence's sound is complete."""
        if self._sentences:
            self._sentences[-1].complete = True

    def heard(self, played_s: float) -> str:
        """Return the text of the first `played_s` seconds of sound."""
        heard: list[str] = []
        for sentence in self._sentences:
            if sentence.complete and sentence.seconds <= played_s + 1e-6:
                heard.append(sentence.text.strip())
                played_s -= sentence.seconds
                continue
            heard.append(_beginning(sentence, played_s))
            break
        return " ".join(part for part in heard if part)


def _beginning(sentence: _Sentence, played_s: float) -> str:
    text = sentence.text.strip()
    # A sentence whose sound is not all there yet is longer than that; speech has about 14 characters a second.
    whole_s = sentence.seconds if sentence.complete else max(sentence.seconds, len(text) / 14)
    reached = int(len(text) * min(1.0, max(0.0, played_s) / whole_s)) if whole_s > 0 else 0
    ends = [end.start() for end in _WORD_END.finditer(text) if end.start() <= reached]
    return text[: ends[-1]] if ends else ""
