"""`--help` against a bare Typer app."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.figures import Figure, interleaved, percentile

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(name: str = "x"):
    "Do one thing."
@app.command()
def two(name: str = "x"):
    "Do another."
app(["--help"])
"""


def timed(*arguments: str) -> float:
    """Return how long a Python process takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


async def measure() -> list[Figure]:
    """Compare medians of ten runs each."""
    own, bare = interleaved(10, lambda: timed("-m", "selam_cli", "--help"), lambda: timed("-c", BARE))
    ratio = percentile(own, 50) / percentile(bare, 50)
    return [
        Figure(
            "--help", f"{percentile(own, 50) * 1_000:.0f} ms",
            f"a bare Typer app {percentile(bare, 50) * 1_000:.0f} ms: {ratio:.2f}×", "≤ 1.5×", ratio <= 1.5,
        )
    ]  # fmt: skip
