"""The lines that the engine reads: commands, as words (`voice ameha`) or as an object with an id.

The commands and their arguments stand in docs/json-lines.md; this file turns a line into a `Command` and checks
what can be checked without the engine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from selam_cli.core.key_rhythm import RESUME_WITHIN_S
from selam_cli.errors import UsageFault


class Verb(StrEnum):
    """Every command that the engine understands."""

    PRESS = "press"
    RELEASE = "release"
    DISCARD = "discard"
    INTERRUPT = "interrupt"
    LISTEN = "listen"
    PAUSE = "pause"
    RESUME = "resume"
    REPLAY = "replay"
    RESEND = "resend"
    RETRY = "retry"
    VOICE = "voice"
    LANGUAGE = "language"
    INSTRUCTIONS = "instructions"
    VAD_THRESHOLD = "vad-threshold"
    INTERRUPT_THRESHOLD = "interrupt-threshold"
    MICROPHONE = "microphone"
    SPEAKER = "speaker"
    VOLUME = "volume"
    MUTE = "mute"
    CUES = "cues"
    DEVICES = "devices"
    CALIBRATE = "calibrate"
    LEVELS = "levels"
    SWITCH = "switch"
    QUIT = "quit"


_SWITCHES: Final = frozenset({Verb.LISTEN, Verb.MUTE, Verb.CUES, Verb.LEVELS})
_NAMED: Final = frozenset({Verb.VOICE, Verb.LANGUAGE, Verb.MICROPHONE, Verb.SPEAKER})
_NUMBERS: Final = {Verb.VAD_THRESHOLD: (0, 32_767), Verb.INTERRUPT_THRESHOLD: (1, 50), Verb.VOLUME: (0, 100)}
_INFERRED: Final = "inferred"
LONGEST_WITHIN_S: Final = 5.0
"""No release waits longer than this to be taken back."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `argument` is the rest of its line, checked for those that take a number, a time or a switch."""

    verb: Verb
    argument: str = ""
    id: int | str | None = None

    @property
    def number(self) -> int:
        """The argument of a command that takes a whole number."""
        return int(self.argument)

    @property
    def switched_on(self) -> bool:
        """The argument of a command that takes on or off."""
        return self.argument == "on"

    @property
    def at(self) -> float | None:
        """The monotonic time in seconds that `press` and `release` may carry."""
        word = self.argument.partition(" ")[0]
        return float(word) if word and word not in {"resume", _INFERRED} else None

    @property
    def within_s(self) -> float:
        """For how many seconds a `release` may be taken back that was only concluded from a key's silence; else 0."""
        _, inferred, within = f" {self.argument}".partition(f" {_INFERRED}")
        return float(within or RESUME_WITHIN_S) if inferred else 0.0


class UnknownCommand(UsageFault):
    """A line that is no command; it carries the line's id so that the answer finds its way."""

    def __init__(self, reason: str, command_id: int | str | None = None) -> None:
        super().__init__(reason, f"Commands: {', '.join(Verb)}.")
        self.command_id = command_id


def parse_command(line: str) -> Command:
    """Read one line. Raises UnknownCommand for what is no command or has an argument out of range."""
    if line.lstrip().startswith("{"):
        return _parsed_object(line)
    word, _, argument = line.strip().partition(" ")
    return _checked(word, argument.strip(), None)


def _parsed_object(line: str) -> Command:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnknownCommand("A line that begins with { is no readable JSON object.") from error
    command_id = parsed.get("id")
    if isinstance(command_id, bool) or not isinstance(command_id, (int, str)):
        command_id = None
    word, argument = parsed.get("command"), parsed.get("argument", "")
    if argument is None:
        argument = ""
    if isinstance(argument, bool):
        argument = "on" if argument else "off"
    if not isinstance(word, str) or not isinstance(argument, (str, int, float)):
        raise UnknownCommand('An object needs "command", a text; "argument" is a text or a number.', command_id)
    return _checked(word, str(argument).strip(), command_id)


def _checked(word: str, argument: str, command_id: int | str | None) -> Command:
    try:
        verb = Verb(word)
    except ValueError:
        raise UnknownCommand(f"There is no command {word[:40]!r}.", command_id) from None
    problem = _problem(verb, argument)
    if problem:
        raise UnknownCommand(f"{verb}: {problem}.", command_id)
    return Command(verb, argument, command_id)


def _problem(verb: Verb, argument: str) -> str:
    if verb in _SWITCHES and argument not in {"on", "off"}:
        return "say on or off"
    if verb in _NAMED and not argument:
        return "a name is missing"
    if verb is Verb.SWITCH and argument != "local":
        return "the only switch is: switch local"
    if verb in _NUMBERS:
        low, high = _NUMBERS[verb]
        if not (argument.isascii() and argument.isdigit() and low <= int(argument) <= high):
            return f"a whole number from {low} to {high} is needed"
    if verb is Verb.PRESS and argument != "resume":
        return _time_problem(argument)
    if verb is Verb.RELEASE:
        before, _, within = f" {argument}".partition(f" {_INFERRED}")
        return _time_problem(before.strip()) or _window_problem(within.strip())
    return ""


def _window_problem(argument: str) -> str:
    allowed = not argument or (_is_time(argument) and float(argument) <= LONGEST_WITHIN_S)
    return "" if allowed else f"it can be taken back within a number of seconds up to {LONGEST_WITHIN_S:.0f}"


def _time_problem(argument: str) -> str:
    return "the time is no number of seconds" if argument and not _is_time(argument) else ""


def _is_time(argument: str) -> bool:
    try:
        return 0 <= float(argument) < 1e12
    except ValueError:
        return False
