"""A key that must turn up nowhere but in the handshake, and the search for it in everything that a program leaves.

It looks like no key, so nothing can hide it by its looks, and has characters that each encoding writes differently.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import psutil

CANARY = "Canary/4711+yellow=bird~sings"
MOST_BYTES = 8_000_000
"""A bigger file is sound: only so much of its beginning is looked at."""

_HOLDS_KEYS = {"keys.json", "keyring_pass.cfg"}
"""Where keys are kept, by us and by the file-backed key store: their place."""


class SuiteCanary:
    """The key that stands in the environment of every test, in variables that change nothing of what is tested."""

    KEY = "Suite/canary+0815=bird~sings"
    VARIABLES = ("SELAM_TOKEN", "SELAM_STT_KEY", "SELAM_LLM_KEY", "SELAM_TTS_KEY")

    def __init__(self) -> None:
        self.printed: list[str] = []
        self.found: list[str] = []
        self.session = None


@cache
def forms(key: str = CANARY) -> dict[str, bytes]:
    """Return what a key looks like in each encoding that we look for, written without the program's own code."""
    raw = key.encode()
    found = {
        "plain": raw,
        "percent": quote(key, safe="").encode(),
        "percent, lower case": re.sub("%..", lambda code: code[0].lower(), quote(key, safe="")).encode(),
        "form": quote(key, safe="").replace("~", "%7E").encode(),
        "JSON": json.dumps(key)[1:-1].encode(),
        "JSON, slashes escaped": json.dumps(key)[1:-1].replace("/", "\\/").encode(),
        "every byte percent": "".join(f"%{byte:02X}" for byte in raw).encode(),
    }
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + raw)
        inner = whole[4 if shift else 0 :].rstrip(b"=")[: -1 if (shift + len(raw)) % 3 else None]
        found[f"base64, {shift}"] = inner
        found[f"base64 for addresses, {shift}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


def leaks(said: bytes | str, key: str = CANARY) -> list[str]:
    """Return in which forms a text holds the key; a line's end may stand anywhere in it, as on a narrow screen."""
    raw = said.encode("utf-8", "replace") if isinstance(said, str) else said
    texts = [raw]
    if b"%" in raw:
        texts.append(unquote_to_bytes(raw))
    if b"\n" in raw:
        texts.append(b"".join(line.strip() for line in raw.splitlines()))
    return [name for name, form in forms(key).items() if any(form in text for text in texts)]


def leaks_in_files(folders: Iterable[Path], key: str = CANARY, within_s: float = 30.0) -> list[str]:
    """Return which files below some folders hold the key, as far as they can be looked at in time."""
    end, found = time.monotonic() + within_s, []
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        if time.monotonic() > end:
            break
        if path.name not in _HOLDS_KEYS and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                held = leaks(file.read(MOST_BYTES), key)
            found += [f"{path}: {form}" for form in held]
        found += [f"{path}: its name" for _ in leaks(path.name, key)]
    return found


@contextmanager
def watched_arguments(key: str = CANARY) -> Iterator[list[bytes]]:
    """Look through every process's arguments again and again, as anybody on the machine may; yield what was found."""
    found: list[bytes] = []
    known: set[bytes] = set()
    looked, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.03):
            new = set(_arguments()) - known
            known.update(new)
            found.extend(held for held in new if leaks(held, key))
            looked.set()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
        looked.clear()
        looked.wait(30)
    finally:
        over.set()
        thread.join()


def _arguments() -> Iterator[bytes]:
    if not Path("/proc/self/cmdline").exists():
        for process in psutil.process_iter(["cmdline"]):
            yield " ".join(process.info["cmdline"] or ()).encode()
        return
    for name in os.listdir("/proc"):  # noqa: PTH208  # many times a second, and paths are slow to make
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
                yield file.read()  # suppressed: it has ended meanwhile


def own_folders(folder: Path) -> dict[str, str]:
    """Return an environment in which every folder that a program may write to is below this one."""
    names = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    places = {name: folder / name.lower() for name in names}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    return {**os.environ, **{name: str(place) for name, place in places.items()}}
