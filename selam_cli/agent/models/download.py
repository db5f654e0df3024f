"""Downloads a model once: goes on where it was cut off, and takes no other file for the model.

A file is written under another name until it is complete and its checksum is right.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

from selam_cli.agent.models.catalog import Model, ModelFile
from selam_cli.errors import ConnectionFailed, SelamError
from selam_cli.net.tunnel import ProxyFault, ProxyRefused, proxy_for

TRIES: Final = 4
"""Attempts in a row that bring nothing new; one that does starts the count again."""
PAUSE_S: Final = 1.0
SILENCE_S: Final = 30.0
BLOCK_BYTES: Final = 256 * 1024
_GO_ON: Final = "Run the same command again: it goes on where it stopped."


async def download(model: Model, on_progress: Callable[[int], None], *, pause_s: float = PAUSE_S) -> Path:
    """Bring a model here and return its folder; `on_progress` gets the bytes that are here so far.

    Raises SelamError where the disk is full or a file is another one, ConnectionFailed where it can't be fetched.
    """
    folder = model.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _need_room(model, folder)
        here_bytes = 0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
        async with aiohttp.ClientSession(timeout=timeout, connector=_connector(model.url)) as http:
            for file in model.files:
                part = _Part(file, folder)
                if not part.is_complete:
                    await _bring(http, f"{model.url}/{file.name}", part, here_bytes, on_progress, pause_s)
                here_bytes += file.size_bytes
                on_progress(here_bytes)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    return folder


def _connector(url: str) -> aiohttp.BaseConnector | None:
    proxy = proxy_for(url)
    if proxy is None:
        return None
    from selam_cli.net.tunnel_connector import TunnelConnector  # loaded where there is a proxy

    return TunnelConnector(proxy, within_s=SILENCE_S)


class _Part:
    """A file on its way."""

    def __init__(self, file: ModelFile, folder: Path) -> None:
        self.file = file
        self.target = folder / file.name
        self.path = folder / f"{file.name}.part"

    @property
    def is_complete(self) -> bool:
        return self.target.is_file() and self.target.stat().st_size == self.file.size_bytes

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def take(self) -> None:
        """Make it the file, if it is the one that was published. Raises SelamError."""
        if self.file.sha256 is not None:
            with self.path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != self.file.sha256:
                self.forget()
                raise SelamError(
                    f"{self.file.name} is not the file that was published: its checksum is another one.",
                    "It was thrown away. Try again, or on another network: something on the way changes it.",
                )
        self.path.replace(self.target)


async def _bring(
    http: aiohttp.ClientSession,
    url: str,
    part: _Part,
    before_bytes: int,
    on_progress: Callable[[int], None],
    pause_s: float,
) -> None:
    """Fetch until all of it is here, going on after each break, and take it."""
    tries = 0
    while part.size_bytes < part.file.size_bytes:
        had = part.size_bytes
        try:
            await _fetch(http, url, part, lambda here: on_progress(before_bytes + here))
        except ProxyRefused:
            raise
        except (aiohttp.ClientError, TimeoutError, ProxyFault) as error:
            tries = 1 if part.size_bytes > had else tries + 1
            if tries >= TRIES and isinstance(error, ProxyFault):
                raise
            if tries >= TRIES:
                raise ConnectionFailed(f"The download of {part.file.name} broke off: {_said(error)}.", _GO_ON) from None
            await asyncio.sleep(pause_s)
    # Reading 365 MB for its checksum takes a while, in which the bar and Ctrl+C must work.
    await asyncio.to_thread(part.take)


async def _fetch(http: aiohttp.ClientSession, url: str, part: _Part, on_progress: Callable[[int], None]) -> None:
    have = part.size_bytes
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    async with http.get(url, headers=headers) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status == 416 or (answer.status == 206 and not goes_on):
            part.forget()  # it is no beginning of what is there
            raise aiohttp.ClientPayloadError("the server has another file")
        if answer.status >= 500:
            raise aiohttp.ClientPayloadError(f"the server is in trouble ({answer.status})")
        if answer.status not in {200, 206}:
            raise ConnectionFailed(
                f"The server does not give {part.file.name}: {answer.status} {answer.reason}.",
                "Check that the network lets you reach it, or download it by hand and name its folder.",
            )
        await _write(answer, part, "ab" if goes_on else "wb", on_progress)


async def _write(answer: aiohttp.ClientResponse, part: _Part, mode: str, on_progress: Callable[[int], None]) -> None:
    with part.path.open(mode) as file:
        here = file.tell()
        async for block in answer.content.iter_chunked(BLOCK_BYTES):
            file.write(block)
            here += len(block)
            if here > part.file.size_bytes:
                break
            on_progress(here)
    if here > part.file.size_bytes:
        part.forget()
        raise SelamError(
            f"{part.file.name} is not the file that was published: it is longer.",
            "It was thrown away. Try again, or on another network: something on the way changes it.",
        )
    if here < part.file.size_bytes:
        raise aiohttp.ClientPayloadError("the server stopped")


def _need_room(model: Model, folder: Path) -> None:
    here = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    missing = model.size_bytes - here
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise SelamError(
            f"{model.name} needs {missing / 1e6:.0f} MB more, and the disk of {folder} has {free / 1e6:.0f} MB left.",
            "Make room and run the same command again.",
        )


def _cannot_write(folder: Path, error: OSError) -> SelamError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return SelamError(f"The disk of {folder} is full.", f"Make room. {_GO_ON}")
    return SelamError(f"{folder} cannot be written: {error.strerror or error}.", "Make it writable and try again.")


def _said(error: Exception) -> str:
    return "the server fell silent" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
