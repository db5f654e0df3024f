"""The file that says where each server's key is kept, and holds the key itself where there is no key store.

It stands beside the settings file, is its user's alone (0600, in a folder of 0700), and is replaced as a whole: at no
moment does a half-written or a readable one exist. Keys are noted by the server that they were made for, so that none
is ever handed to another.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from selam_cli.core.outside_text import decoded, unquoted
from selam_cli.errors import SelamError

MAX_BYTES: Final = 1_000_000
_START_AFRESH: Final = "Remove it, and run selam-voice login."


@dataclass(frozen=True, slots=True)
class KeptKey:
    """Where one server's key is: in the file, in the system's key store, or in both after one of them failed.

    `key` is the file's; it is the newer one where the key store may hold one as well. It shows in no repr.
    """

    key: str | None = field(default=None, repr=False)
    in_key_store: bool = False


@dataclass(frozen=True, slots=True)
class KeyFileContents:
    """The kept keys by server, and what had to be mended about the file, as a sentence."""

    keys: Mapping[str, KeptKey] = field(default_factory=dict)
    mended: str = ""


def key_file_path() -> Path:
    """Return where the file is; it need not exist. Never beside a file of SELAM_CONFIG, which may be shared."""
    from platformdirs import user_config_path  # loaded only where a path is asked for

    return user_config_path("selam-voice", appauthor=False) / "keys.json"


def read_key_file(path: Path) -> KeyFileContents:
    """Read the file; empty where there is none. Access of others is taken away, and reported.

    Raises SelamError where it is not its user's own or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return KeyFileContents()
    except OSError as error:
        raise SelamError(f"The key's file {path} cannot be read: {error.strerror}.", _START_AFRESH) from None
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor, not a path
        mended = _made_private(file.fileno(), path)
        text = file.read(MAX_BYTES)
    try:
        servers = json.loads(decoded(text))["servers"].items()
        return KeyFileContents({server: _kept(entry) for server, entry in servers}, mended)
    except (ValueError, KeyError, TypeError, AttributeError):
        # `from None`: the chained error's text may quote the file.
        raise SelamError(f"The key's file {path} is not as selam-voice wrote it.", _START_AFRESH) from None


def write_key_file(path: Path, keys: Mapping[str, KeptKey]) -> None:
    """Replace the file, or remove it where no key is left. Raises SelamError where that cannot be done."""
    try:
        if keys:
            _replace(path, json.dumps({"servers": {server: _noted(kept) for server, kept in keys.items()}}, indent=2))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        reason = f"The key's file {path} cannot be written: {error.strerror}."
        raise SelamError(reason, "Mend that, or set SELAM_API_KEY instead.") from None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        path.parent.chmod(0o700)
    descriptor, name = tempfile.mkstemp(prefix=".keys-", dir=path.parent)  # made with 0600, whatever the umask
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor, not a path
            file.write(text + "\n")
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _made_private(descriptor: int, path: Path) -> str:
    """Check the file that was opened, not what its name stands for by then; return what was mended."""
    if os.name != "posix":
        return ""  # a user's folders are the user's own there
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise SelamError(f"The key's file {path} is not a file of yours, so it is not used.", _START_AFRESH)
    if not found.st_mode & 0o077:
        return ""
    try:
        os.fchmod(descriptor, 0o600)
    except OSError:
        raise SelamError(f"Others can read the key's file {path}, so it is not used.", _START_AFRESH) from None
    return f"Others could read the key's file {path}; that has been mended."


def _kept(entry: Mapping[str, object]) -> KeptKey:
    key = entry.get("key")
    return KeptKey((unquoted(key) if isinstance(key, str) else "") or None, entry.get("in_key_store") is True)


def _noted(kept: KeptKey) -> dict[str, object]:
    return {"in_key_store": kept.in_key_store, **({} if kept.key is None else {"key": kept.key})}
