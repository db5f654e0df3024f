"""The settings sheet: changes a running conversation; what does not fit is explained beside its field at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static, TextArea

from selam_cli.core import protocol
from selam_cli.core.catalog import AUTO, LANGUAGES, LISTED, VOICES, language_code, mismatch, voice_name, voices_for
from selam_cli.core.events import Event, Notice
from selam_cli.tui.sheet import Sheet
from selam_cli.tui.state import CommandSent


@dataclass(frozen=True, slots=True)
class Choices:
    """The settings as they stand in the fields; all are text, `language` is a code or `auto`."""

    voice: str
    language: str
    instructions: str
    vad_threshold: str
    interrupt_threshold: str


def voice_problem(text: str) -> str:
    """Say what is wrong with a voice's name; empty where nothing is."""
    return "" if text.strip() else "A voice is needed."


def language_problem(text: str) -> str:
    """Say what is wrong with a language."""
    return "" if _is_auto(text) or language_code(text) else f"Say {AUTO}, {LISTED}."


def _is_auto(text: str) -> bool:
    return text.strip().casefold() == AUTO


def instructions_problem(text: str) -> str:
    """Say what is wrong with the instructions."""
    excess = len(text) - protocol.MAX_INSTRUCTIONS
    return f"{excess} characters too long: at most {protocol.MAX_INSTRUCTIONS:,}." if excess > 0 else ""


def number_problem(low: int, high: int) -> Callable[[str], str]:
    """Return a check for a whole number from low to high."""

    def problem(text: str) -> str:
        digits = text.strip()
        fits = digits.isascii() and digits.isdigit() and len(digits) < 10 and low <= int(digits) <= high
        return "" if fits else f"A whole number from {low} to {high:,} is needed."

    return problem


CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "voice": voice_problem,
    "language": language_problem,
    "instructions": instructions_problem,
    "vad_threshold": number_problem(0, protocol.MAX_VAD_THRESHOLD),
    "interrupt_threshold": number_problem(1, protocol.MAX_INTERRUPT_THRESHOLD),
}


def _as_meant(text: str) -> str:
    return AUTO if _is_auto(text) else language_code(text) or text


_AS_MEANT: Final[dict[str, Callable[[str], str]]] = {"voice": voice_name, "language": _as_meant}
"""What a field stands for where it is no number or free text."""


def changes(before: Choices, after: Choices) -> list[CommandSent]:
    """Return the commands that carry out what is different and right; a wrong value changes nothing."""
    commands = []
    for name, check in CHECKS.items():
        meant = _AS_MEANT.get(name, str)
        old, new = meant(getattr(before, name).strip()), meant(getattr(after, name).strip())
        if old != new and not check(new):
            commands.append(CommandSent(name.replace("_", "-"), new))
    return commands


def caution(choices: Choices) -> str:
    """Say whether voice and language fit; empty where they do or one of them is wrong already."""
    if language_problem(choices.language) or voice_problem(choices.voice):
        return ""
    language = None if _is_auto(choices.language) else language_code(choices.language)
    return mismatch(voice_name(choices.voice), language) or ""


class SettingsSheet(Sheet[Choices]):
    """Fields for what can change in mid-conversation; its outcome is what stands in them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "apply", "Apply", priority=True),
        Binding("ctrl+r", "measure", "Measure the room", priority=True),
    ]

    def __init__(self, choices: Choices, measure: Callable[[], None]) -> None:
        super().__init__()
        self._before = choices
        self._measure = measure

    def compose(self) -> ComposeResult:
        """A label, a field, and what is wrong with it; five times."""
        before = self._before
        native = "  ".join(
            f"{code}: {', '.join(voice.name for voice in voices_for(code) if not voice.gpt_audio)}"
            for code in LANGUAGES
        )
        english = ", ".join(voice.name for voice in VOICES.values() if voice.gpt_audio)
        with VerticalScroll(can_focus=False) as frame:
            frame.border_title = "Settings"
            frame.border_subtitle = "Enter or Ctrl+S applies · Esc closes"
            yield from self._field("voice", "Voice", f"{native}\nGPT Audio, English only: {english}")
            yield from self._field("language", "Language", f"The answer's language: auto, {', '.join(LANGUAGES)}.")
            yield Static("", id="caution", classes="caution", markup=False)
            yield Static("Instructions", classes="label")
            yield TextArea(before.instructions, id="instructions", tab_behavior="focus", show_line_numbers=False)
            yield Static("", id="instructions-problem", classes="problem", markup=False)
            yield from self._field(
                "vad_threshold",
                "VAD threshold",
                "Loudness that counts as speech, 0 to 32,767. Ctrl+R measures the room.",
            )
            yield Static("", id="measured", classes="advice", markup=False)
            yield from self._field(
                "interrupt_threshold", "Interrupt threshold", "1–5: easy to interrupt; 8: default; 10–15: hard."
            )

    def _field(self, name: str, label: str, advice: str) -> ComposeResult:
        known = {"voice": list(VOICES), "language": ["auto", *LANGUAGES]}.get(name)
        suggester = SuggestFromList(known, case_sensitive=False) if known else None
        yield Static(label, classes="label")
        yield Input(getattr(self._before, name), id=name, suggester=suggester)
        yield Static("", id=f"{name}-problem", classes="problem", markup=False)
        yield Static(advice, classes="advice", markup=False)

    @property
    def choices(self) -> Choices:
        """What stands in the fields."""
        texts = {name: self.query_one(f"#{name}", Input).value for name in CHECKS if name != "instructions"}
        return Choices(instructions=self.query_one("#instructions", TextArea).text, **texts)

    def on_mount(self) -> None:
        """Say at once what does not fit already."""
        self._explain()
        self._say("#measured", "")
        self.call_after_refresh(self.query_one(VerticalScroll).scroll_home, animate=False)

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _explain(self) -> None:
        choices = self.choices
        for name, check in CHECKS.items():
            self._say(f"#{name}-problem", check(getattr(choices, name)))
        self._say("#caution", caution(choices))

    def _say(self, where: str, sentence: str) -> None:
        line = self.query_one(where, Static)
        line.update(sentence)
        line.display = bool(sentence)

    @on(Input.Submitted)
    def action_apply(self) -> None:
        """Close with what stands in the fields; while one is wrong, go to it instead."""
        choices = self.choices
        for name, check in CHECKS.items():
            if check(getattr(choices, name)):
                self.query_one(f"#{name}").focus()
                return
        self.dismiss(choices)

    def action_measure(self) -> None:
        """Have the engine listen to the room for two seconds and propose a threshold."""
        self._measure()
        self._say("#measured", "Be quiet for two seconds…")

    def on_line(self, event: Event) -> None:
        """Put the proposed threshold where it can be applied."""
        if not isinstance(event, Notice):
            return
        self._say("#measured", event.message)
        proposed = event.remedy.removeprefix("vad-threshold ")
        if proposed.isdigit():
            self.query_one("#vad_threshold", Input).value = proposed
