"""The devices sheet: which microphone and which speaker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from selam_cli.core.plain_text import plain_line
from selam_cli.engine.events import Devices, Event
from selam_cli.tui.sheet import Sheet


class DevicesSheet(Sheet[None]):
    """Two lists, filled when the engine has looked; Enter takes a device into use and the sheet stays open."""

    def __init__(self, microphone: str, speaker: str, choose: Callable[[str, str], None]) -> None:
        super().__init__()
        self._in_use = {"microphone": microphone, "speaker": speaker}
        self._choose = choose

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
        if not isinstance(event, Devices):
            return
        self._list("microphone", event.inputs)
        self._list("speaker", event.outputs)
        nothing = not event.inputs and not event.outputs
        told = "No sound device was found. Start again with --input FILE, or --output null." if nothing else ""
        self.query_one("#found", Static).update(told)

    def _list(self, kind: str, found: Sequence[Mapping[str, object]]) -> None:
        options = self.query_one(f"#{kind}", OptionList)
        options.clear_options()
        for index, device in enumerate(found):
            name = str(device.get("name", ""))
            marks = ["in use"] if name == self._in_use[kind] else []
            marks += ["default"] if device.get("is_default") or device.get("default") else []
            label = plain_line(name) + (f"  ({', '.join(marks)})" if marks else "")
            # The engine finds a device by its name; the id keeps it whatever it holds.
            options.add_option(NamedOption(label, name, f"{kind}-{index}"))
        if options.option_count:
            options.highlighted = 0

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
