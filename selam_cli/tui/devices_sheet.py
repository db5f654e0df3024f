"""The devices sheet: which microphone and which speaker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from selam_cli.core.events import Devices, ErrorRaised, Event, StateChanged
from selam_cli.core.plain_text import plain_line
from selam_cli.tui.sheet import Sheet

_NOTHING: Final = "No sound device was found. Start again with --input FILE, or --output null."

_MONITORS: Final = "── what speakers play, no microphones ──"


class DevicesSheet(Sheet[None]):
    """Two lists, filled when the engine has looked; Enter takes a device into use and the sheet stays open."""

    def __init__(self, microphone: str, speaker: str, choose: Callable[[str, str], None]) -> None:
        super().__init__()
        self._in_use = {"microphone": microphone, "speaker": speaker}
        self._choose = choose
        self._found: dict[str, Sequence[Mapping[str, object]]] = {}

    def compose(self) -> ComposeResult:
        """Microphones, then speakers."""
        with VerticalScroll(can_focus=False) as frame:
            frame.border_title = "Devices"
            frame.border_subtitle = "Enter chooses · Tab changes the list · Esc closes"
            for kind in self._in_use:
                yield Static(f"{kind.capitalize()}s", classes="label")
                yield OptionList(id=kind, markup=False)
            yield Static("Looking for devices…", id="found", classes="advice", markup=False)

    def on_line(self, event: Event) -> None:
        """Show what was found."""
        match event:
            case Devices(inputs=inputs, outputs=outputs):
                self._found = {"microphone": inputs, "speaker": outputs}
                for kind in self._found:
                    self._list(kind)
                told = "" if inputs or outputs else _NOTHING
                self.query_one("#found", Static).update(told)
            case StateChanged(microphone=microphone, speaker=speaker):
                self._use({"microphone": microphone.name, "speaker": speaker})
            case ErrorRaised(message=message):
                self.query_one("#found", Static).update(plain_line(message))

    def _use(self, in_use: dict[str, str]) -> None:
        """Mark what is in use now, which may have changed by itself."""
        changed = [kind for kind, name in in_use.items() if name != self._in_use[kind]]
        self._in_use = in_use
        for kind in changed:
            if kind in self._found:
                self._list(kind)
                self.query_one("#found", Static).update(f"The {kind} is {plain_line(in_use[kind]) or 'gone'}.")

    def _list(self, kind: str) -> None:
        options = self.query_one(f"#{kind}", OptionList)
        highlighted = options.highlighted or 0
        options.clear_options()
        monitors_listed = False
        for index, device in enumerate(sorted(self._found[kind], key=lambda device: bool(device.get("monitor")))):
            if device.get("monitor") and not monitors_listed:
                monitors_listed = True
                options.add_option(Option(_MONITORS, disabled=True))
            name = str(device.get("name", ""))
            marks = ["in use"] if name == self._in_use[kind] else []
            marks += ["default"] if device.get("is_default") or device.get("default") else []
            label = plain_line(name) + (f"  ({', '.join(marks)})" if marks else "")
            # The engine finds a device by its name; the id keeps it whatever it holds.
            options.add_option(NamedOption(label, name, f"{kind}-{index}"))
        if options.option_count:
            options.highlighted = min(highlighted, options.option_count - 1)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if isinstance(event.option, NamedOption):
            self._choose(event.option_list.id or "", event.option.device)
            told = f"Taking {plain_line(event.option.device)} into use as {event.option_list.id}."
            self.query_one("#found", Static).update(told)


class NamedOption(Option):
    """An option that remembers its device's own name."""

    def __init__(self, label: str, device: str, id: str) -> None:  # noqa: A002  # Textual's name
        super().__init__(Content(label), id=id)
        self.device = device
