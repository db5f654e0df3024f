"""From the command to the first paint and to `ready`, against a Typer program with stock widgets and a bare app."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, interleaved, percentile
from tests.support.terminal import Terminal

HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("PAINTED")
Hello().run()
"""

STOCK = """
import typer
app = typer.Typer()
@app.command()
def talk(voice: str = "mekdes"):
    from textual.app import App
    from textual.containers import Horizontal, Vertical
    from textual.widgets import Footer, Header, ProgressBar, RichLog, Static
    class Stock(App):
        TITLE = "PAINTED"
        BINDINGS = [("q", "quit", "Quit"), ("s", "quit", "Settings"), ("d", "quit", "Devices")]
        CSS = "RichLog, .box { border: round white; } Horizontal { height: 1fr; } Vertical.low { height: 5; }"
        def compose(self):
            yield Header()
            with Horizontal():
                with Vertical():
                    yield RichLog()
                    yield RichLog()
                yield Static("control", classes="box")
            with Vertical(classes="low"):
                yield Static("ready", classes="box")
                yield ProgressBar(100)
            yield Footer()
        def on_mount(self):
            for log in self.query(RichLog):
                log.write("PAINTED")
    Stock().run()
app()
"""


def shown(program: list[str], text: str, *, then: str = "") -> tuple[float, float]:
    """Return the seconds from the start of a program to a text on its screen, and to a second one."""
    began = time.perf_counter()
    with Terminal(program, kitty=True, columns=100, rows=30) as terminal:
        terminal.wait_for_text(text)
        painted = time.perf_counter() - began
        if then:
            terminal.wait_for_text(then)
    return painted, time.perf_counter() - began


async def measure() -> list[Figure]:
    """Compare medians of eight starts each, taken in turn."""
    with tempfile.TemporaryDirectory() as folder:
        hello, stock = Path(folder, "hello.py"), Path(folder, "stock.py")
        hello.write_text(HELLO)
        stock.write_text(STOCK)
        ready: list[float] = []

        def own() -> float:
            program = [sys.executable, "-m", "selam_cli", "talk", "--local", "--input", str(spoken), "--output", "null"]
            painted, is_ready = shown(program, "Selam Voice", then="READY")
            ready.append(is_ready)
            return painted

        spoken = Path(folder, "spoken.wav")
        from benchmarks.soak import write_tone  # it imports the sound libraries

        write_tone(spoken, 1.0)
        paints, stocks, hellos = interleaved(
            8, own, lambda: shown([sys.executable, str(stock)], "control")[0],
            lambda: shown([sys.executable, str(hello)], "PAINTED")[0],
        )  # fmt: skip
    own_s, stock_s, hello_s = (percentile(values, 50) for values in (paints, stocks, hellos))
    return [
        Figure(
            "start to first paint", f"{own_s * 1_000:.0f} ms",
            f"Typer with stock widgets {stock_s * 1_000:.0f} ms: {own_s / stock_s:.2f}×; "
            f"Textual hello-world {hello_s * 1_000:.0f} ms: {own_s / hello_s:.2f}×",
            "≤ 1.3× the former", own_s / stock_s <= 1.3,
        ),
        Figure("start to ready (embedded agent started too)", f"{percentile(ready, 50) * 1_000:.0f} ms"),
    ]  # fmt: skip
