"""What stands between the screen and the terminal that a person looks at: a link, tmux, GNU screen."""

from __future__ import annotations

import contextlib
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ANSWER_WITHIN_S: Final = 2.0
_CLIENTS: Final = "#{session_attached} #{session_group_attached}"
_LINKS: Final = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


def may_be_far(environment: Mapping[str, str]) -> bool:
    """Tell whether keys may come over a network: through SSH, or from a client of tmux or GNU screen."""
    return any(environment.get(name) for name in (*_LINKS, "TMUX", "STY"))


def watched(environment: Mapping[str, str]) -> bool:
    """Tell whether `attached` can find out whether a person looks at this terminal."""
    return bool(environment.get("TMUX") or environment.get("STY"))


def attached(environment: Mapping[str, str]) -> bool | None:
    """Tell whether tmux or GNU screen has a client; None where they do not say. Blocks for ANSWER_WITHIN_S at most.

    They answer a terminal's questions themselves, so nothing else tells that nobody is there any more.
    """
    if environment.get("TMUX"):
        return _tmux_attached(environment)
    return _screen_attached(environment)


def _tmux_attached(environment: Mapping[str, str]) -> bool | None:
    asked = ["display-message", "-p", *(("-t", pane) if (pane := environment.get("TMUX_PANE")) else ()), _CLIENTS]
    program = shutil.which("tmux", path=environment.get("PATH"))
    if program is None:
        return None
    own = {name: environment[name] for name in ("PATH", "TMUX", "TMUX_TMPDIR", "HOME", "LANG") if name in environment}
    try:
        told = subprocess.run(  # noqa: S603  # no shell, and nothing of it is anybody's text
            [program, "-S", environment["TMUX"].partition(",")[0], *asked],
            env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    counts = [int(word) for word in told.stdout.split() if word.isdigit()]
    return any(counts) if counts and not told.returncode else None


def _screen_attached(environment: Mapping[str, str]) -> bool | None:
    """GNU screen marks its socket executable while a client is attached (screen(1), "-ls")."""
    session = environment.get("STY", "")
    user = environment.get("USER") or environment.get("LOGNAME") or ""
    folders = (environment.get("SCREENDIR"), f"/run/screen/S-{user}", f"/var/run/screen/S-{user}")
    for folder in filter(None, folders):
        with contextlib.suppress(OSError, ValueError):
            return bool(Path(folder, session).stat().st_mode & stat.S_IXUSR)
    return None
