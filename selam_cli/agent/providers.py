"""What the agent is made of: something that hears, something that thinks, something that speaks; one engine a file.

All sound is PCM16, 16 kHz, mono. Languages are the codes of `core/catalog.py`. Every engine may raise EngineFault
(`responder.py`), and everything it does stops within 50 ms of being cancelled or closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from selam_cli.agent.responder import SpokenAudio


@dataclass(frozen=True, slots=True)
class Heard:
    """What was understood; `text` is empty for a sound without words, `language` None where the engine can't tell."""

    text: str
    language: str | None = None


class Listening(Protocol):
    """One utterance on its way through a hearing engine."""

    def feed(self, audio: bytes) -> None:
        """Take what is being said, pieces of any length. Never blocks."""

    async def heard(self, utterance: SpokenAudio) -> Heard:
        """Return what was said; nothing more will be fed. `utterance` is what was fed, whole and neatly cut."""

    def cancel(self) -> None:
        """What was said is dropped; nothing is reported of it any more."""


class Hearer(Protocol):
    """Speech to text."""

    name: str
    languages: frozenset[str]

    def begin(self, language: str | None, on_partial: Callable[[str], None]) -> Listening:
        """Begin an utterance in a language, None for any of the engine's own.

        `on_partial` is called, on the loop's thread, with what is understood so far; an engine that hears only whole
        utterances never calls it.
        """

    def warm_up(self) -> None:
        """Get ready: a user will soon speak. Never blocks."""

    def for_speaker(self) -> Hearer:
        """Return the engine for one session, which may get used to how that speaker sounds."""

    async def close(self) -> None:
        """Let go of processes and connections."""


@dataclass(frozen=True, slots=True)
class Message:
    """One remark of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a thinker is to answer: the last message. `language` is the one to answer in."""

    messages: tuple[Message, ...]
    language: str
    instructions: str | None = None


class Thinker(Protocol):
    """Text to text: a language model."""

    name: str

    def think(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Yield the answer in pieces as it is made; closing the generator stops the making."""

    async def close(self) -> None:
        """Let go of processes and connections."""


class Synthesizer(Protocol):
    """Text to speech."""

    name: str
    languages: frozenset[str]

    def speak(self, text: str, language: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield the sound of a sentence as it is made, pieces of any length; closing the generator stops the making.

        `voice` is the session's (`core/catalog.py`); an engine without it takes the one of its own that fits best.
        """

    def silence(self, language: str) -> str:
        """Say that it makes no sound of a language that it should speak, and what helps."""

    async def close(self) -> None:
        """Let go of processes and connections."""
