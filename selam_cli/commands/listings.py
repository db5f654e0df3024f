"""The two lists that a person reads: devices and voices; the same for machines with `--json`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from selam_cli.core.catalog import DEFAULT_VOICE, LANGUAGES, VOICES, Voice, voices_for
from selam_cli.core.plain_text import plain_line
from selam_cli.procs.standard_output import json_line

if TYPE_CHECKING:
    from rich.table import Table

    from selam_cli.sound.device import AudioDevice

GENDERS = {"f": "female", "m": "male"}


def show_devices(*, as_json: bool) -> int:
    """List microphones and speakers; return the exit status: 5 where there is neither."""
    found = _devices_quietly()
    inputs = [device for device in found if device.direction == "input"]
    outputs = [device for device in found if device.direction == "output"]
    if as_json:
        _print_json({"inputs": [_fields(device) for device in inputs], "outputs": [_fields(d) for d in outputs]})
        return 0
    from selam_cli.sound.devices import no_device  # a sound library is loaded with it

    if not found:
        raise no_device("input")
    from rich.console import Console  # for people only

    console = Console(soft_wrap=True)
    console.print(_device_table("Microphones  (--input)", [device for device in inputs if not device.monitor]))
    console.print()
    if monitors := [device for device in inputs if device.monitor]:
        title = "Monitors, which carry what a speaker plays  (--input, by the number or the full name)"
        console.print(_device_table(title, monitors))
        console.print()
    console.print(_device_table("Speakers  (--output)", outputs))
    return 0


def show_voices(*, as_json: bool) -> int:
    """List the voices by language; return the exit status."""
    if as_json:
        _print_json({"voices": [asdict(voice) for voice in VOICES.values()], "default": DEFAULT_VOICE})
        return 0
    from rich import box  # for people only
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("language", "", "code", "voices"):
        table.add_column(heading)
    for code, language in LANGUAGES.items():
        native = ", ".join(_described(voice) for voice in voices_for(code) if not voice.gpt_audio)
        table.add_row(language.name, language.endonym, code, native)
    gpt_audio = ", ".join(voice.name for voice in VOICES.values() if voice.gpt_audio)
    table.add_row("English", "GPT Audio", "en", gpt_audio)
    Console(soft_wrap=True).print(table)
    return 0


def _devices_quietly() -> list[AudioDevice]:
    """List the devices while ALSA's and PortAudio's own chatter on standard error goes nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        from selam_cli.sound.devices import list_devices  # chatter may begin at the import
        from selam_cli.sound.stalled import in_time  # so that --help loads no more than it needs

        return in_time(list_devices, "while devices were listed")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _device_table(title: str, found: Iterable[AudioDevice]) -> Table:
    from rich import box  # for people only
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("no.", justify="right")
    table.add_column("name", overflow="fold")
    table.add_column("direction")
    table.add_column("channels", justify="right")
    table.add_column("rate", justify="right")
    table.add_column("host API")
    table.add_column("default")
    for device in found:
        table.add_row(
            str(device.number),
            Text(plain_line(device.name)),
            device.direction,
            str(device.channels),
            f"{device.default_rate_hz} Hz",
            Text(plain_line(device.host_api)),
            "✓ default" if device.is_default else "",
        )
    return table


def _fields(device: AudioDevice) -> dict[str, object]:
    fields = asdict(device)
    return {name: fields[name] for name in fields if name != "direction"}


def _described(voice: Voice) -> str:
    return f"{voice.name} ({GENDERS[voice.gender]})" if voice.gender else voice.name


def _print_json(value: object) -> None:
    print(json_line(value))  # noqa: T201  # its output
