"""Run the benchmarks and print one table: `python -m benchmarks [NAME …] [--turns N]`.

Figures of one machine mean little to another, so each stands beside a reference of the same run, or beside the limit
that the project sets itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import (
    devices,
    echo,
    hearing,
    help_text,
    interrupt,
    keys,
    load,
    playout,
    press,
    rest,
    serve,
    soak,
    sound,
    start,
    turns,
    voice,
)
from benchmarks.figures import Figure

NAMES: dict[str, Callable[[argparse.Namespace], Awaitable[list[Figure]]]] = {
    "help": lambda _: help_text.measure(),
    "start": lambda _: start.measure(),
    "press": lambda _: press.measure(),
    "keys": lambda _: keys.measure(),
    "interrupt": lambda _: interrupt.measure(),
    "playout": lambda _: playout.measure(),
    "echo": lambda _: echo.measure(),
    "sound": lambda options: sound.measure(options.seconds),
    "load": lambda _: load.measure(),
    "rest": lambda _: rest.measure(),
    "turns": lambda _: turns.measure(),
    "voice": lambda _: voice.measure(),
    "devices": lambda _: devices.measure(),
    "serve": lambda _: serve.measure(),
    "hearing": lambda _: hearing.measure(),
    "soak": lambda options: soak.measure(options.turns),
}


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which ones; all where none is named")
    parser.add_argument("--turns", type=int, default=600, help="turns of the soak (600)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the long replies of `sound` (60)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ[variable] = folder
        os.environ.pop("SELAM_API_KEY", None)
        figures = asyncio.run(_measured(options))
    table = Table(box=box.SIMPLE_HEAD, title=f"{platform.python_implementation()} {platform.python_version()}, "
                  f"{os.cpu_count()} cores", title_justify="left")  # fmt: skip
    for heading, justify in (
        ("what", "left"),
        ("figure", "right"),
        ("reference", "left"),
        ("limit", "left"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # the two words that rich knows
    for figure in figures:
        table.add_row(figure.what, figure.value, figure.reference, figure.limit, figure.verdict)
    Console().print(table)


async def _measured(options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    for name in options.names or NAMES:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += await NAMES[name](options)
    return figures


if __name__ == "__main__":
    main()
