"""The help: how to talk in this terminal, every key, and the guide's advice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from selam_cli.tui import labels
from selam_cli.tui.sheet import Sheet
from selam_cli.tui.state import TalkView

KEYS: Final = (
    ("Esc", "throw away what you are saying; interrupt the agent while it thinks or speaks"),
    ("i", "interrupt the agent"),
    ("l / k", "have the agent start / stop listening"),
    ("p / o", "pause / resume the session"),
    ("s", "settings: voice, language, instructions, thresholds"),
    ("d", "choose microphone and speaker"),
    ("m", "mute your microphone, or switch it on again"),
    ("+ / -", "louder, softer"),
    ("a", "play the last answer again"),
    ("r", "send what was kept while the connection was down"),
    ("t", "try to connect again now"),
    ("e", "switch to the embedded agent on this machine"),
    ("y", "show or hide the latencies"),
    ("Tab", "go to the next pane; arrows, PgUp, PgDn, Home, End scroll it"),
    ("c", "copy what the mouse has selected"),
    ("Ctrl+Z", "suspend; fg comes back"),
    ("q", "quit; Ctrl+C too"),
)

ADVICE: Final = (
    "Speak 10 to 30 cm from the microphone, in a quiet room. The level should rise well above its resting place and "
    "never read “too loud”. A headset keeps the agent from hearing itself.",
    "VAD threshold: the loudness that counts as speech, 600 by default. Raise it in noise, lower it for a soft voice.",
    "Interrupt threshold: 1 to 5 is easy to interrupt, 8 the default, 10 to 15 needs confident speech.",
    "Instructions: say who the agent is, for whom, in which tone and how long its answers are to be.",
)


class HelpSheet(Sheet[None]):
    """Plain text that scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "close", "Close", priority=True)]

    def __init__(self, talk: TalkView, processing: Sequence[str]) -> None:
        super().__init__()
        self._talk = talk
        self._processing = processing

    def compose(self) -> ComposeResult:
        """One scrolling frame."""
        with VerticalScroll() as frame:
            frame.border_title = "Help"
            frame.border_subtitle = "Esc closes"
            yield Static("Push to talk", classes="label")
            yield Static(labels.talk_explanation(self._talk), markup=False)
            yield Static(labels.processing_explanation(self._talk, self._processing), markup=False)
            yield Static("Keys", classes="label")
            for key, meaning in KEYS:
                yield Static(Content.assemble((f"{key:<8}", "bold $accent"), meaning), classes="key")
            yield Static("Advice", classes="label")
            for paragraph in ADVICE:
                yield Static(paragraph, markup=False, classes="advice")
