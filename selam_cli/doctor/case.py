"""What is examined: the settings as they hold, the key, and whether a user is there to speak and to press keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from selam_cli.config.agent_settings import AgentSettings
from selam_cli.config.settings import Settings
from selam_cli.doctor.finding import Finding
from selam_cli.doctor.known_key import KnownKey


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that the topics need to know."""

    settings: Settings
    agent: AgentSettings
    key: KnownKey
    environment: Mapping[str, str] = field(repr=False)
    at_settings: tuple[Finding, ...] = ()
    """What was found while the settings were read."""
    in_terminal: bool = False
    """Whether the terminal can be asked and a person's keys be read: no pipe, no `--json`, not in the background."""
    speak: bool = False
    """Whether the user is asked to speak."""
    ask: Callable[[str, float], None] = lambda _sentence, _seconds: None
    """Asks the person for something, and says how long there is time for it."""
