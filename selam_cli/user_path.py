"""The one place where a path that a person gave is expanded: an option, a variable, a setting, a command.

A shell expands `~` at the beginning of a word only, not in `--out=~/reply.wav`, nor in quotes, nor in a settings file.
"""

from __future__ import annotations

import os.path
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return the path with `~` and `~user` at its beginning replaced; as it is where nobody knows that home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises where there is no home


def expanded_name(name: str) -> str:
    """Return what names a device or a file in its place, as it is unless it begins with `~`, as no device's does."""
    return str(expanded(name)) if name.startswith("~") else name
