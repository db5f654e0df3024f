"""`selam-voice models`: which models there are, which are here, and the download of one, with a bar."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from selam_cli.agent.models.catalog import MODELS, Model
from selam_cli.agent.models.download import download
from selam_cli.errors import UsageFault


def show_models() -> int:
    """List them."""
    for model in MODELS.values():
        size = f"{model.size_bytes / 1e6:.0f} MB"
        where = f"here: {model.folder()}" if model.is_here() else f"download it: selam-voice models {model.name}"
        _say(f"{model.name} – {model.what_it_does} ({size}, {model.licence})\n    {where}")
    return 0


def download_model(name: str) -> int:
    """Download one, unless it is here. Raises UsageFault for an unknown name, SelamError where it fails."""
    model = MODELS.get(name)
    if model is None:
        raise UsageFault(f"There is no model {name[:40]!r}.", f"Choose one of: {', '.join(MODELS)}.")
    if not model.is_here():
        asyncio.run(_download(model))
    _say(f"{model.name} is here: {model.folder()}")
    return 0


async def _download(model: Model) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task(model.name, total=model.size_bytes)
        await download(model, lambda here: progress.update(bar, completed=here))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # its output
