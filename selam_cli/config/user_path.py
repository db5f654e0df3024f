"""The home folder, and the one place where a path that a person gave is expanded: an option, a variable, a setting.

A shell expands `~` at the beginning of a word only, not in `--out=~/reply.wav`, nor in quotes, nor in a settings file.
"""

from __future__ import annotations

import os
import os.path
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import pwd

NO_HOME: Final = "/nonexistent"
"""What stands for the home of a user who has none; Debian's policy (9.2.3) names it for that."""


def ensure_home(environment: MutableMapping[str, str]) -> None:
    """Have HOME name a folder for this process and its children, because libraries fail where there is none.

    A container's user often has no entry in passwd, and then nothing says where its home is.
    """
    if sys.platform != "win32" and not Path(environment.get("HOME", "")).is_absolute():
        environment["HOME"] = _home_of_passwd()


def _home_of_passwd() -> str:
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return NO_HOME
    return home if Path(home).is_absolute() else NO_HOME


def expanded(path: str | Path) -> Path:
    """Return the path with `~` and `~user` at its beginning replaced; as it is where that home is not known."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises where there is no home


def expanded_name(name: str) -> str:
    """Return what names a device or a file in its place, as it is unless it begins with `~`, as no device's does."""
    return str(expanded(name)) if name.startswith("~") else name
