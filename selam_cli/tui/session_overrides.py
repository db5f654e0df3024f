"""What the user chose in mid-conversation, so that an engine that is started again goes on with it."""

from __future__ import annotations

from typing import Final

_OPTIONS: Final = {
    "voice": "voice",
    "language": "language",
    "instructions": "instructions",
    "vad-threshold": "vad-threshold",
    "interrupt-threshold": "interrupt-threshold",
    "microphone": "input",
    "speaker": "output",
}
"""Commands and the options of `talk` that mean the same."""

_COMMANDS: Final = frozenset({"mute", "volume", "cues"})
"""Choices that no option stands for."""


class Chosen:
    """The last choice of each kind."""

    def __init__(self) -> None:
        self._options: dict[str, str | None] = {}
        self._commands: dict[str, str] = {}

    def note(self, verb: str, argument: str) -> None:
        """Take note of a command that was sent."""
        if verb in _OPTIONS:
            self._options[_OPTIONS[verb]] = argument
        elif verb in _COMMANDS:
            self._commands[verb] = argument
        elif verb == "switch":
            self._options["local"] = None

    @property
    def options(self) -> dict[str, str | None]:
        """The options of `talk` that stand for choices, each with its value; None for a switch."""
        return dict(self._options)

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Verb and argument of what has to be sent once the engine runs."""
        return list(self._commands.items())
