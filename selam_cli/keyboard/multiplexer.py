"""What stands between the screen and the terminal that a person looks at: a link, tmux, GNU screen."""

from __future__ import annotations

import contextlib
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ANSWER_WITHIN_S: Final = 2.0
_LINKS: Final = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_KNOWS_VARIABLES: Final = "variables"
TMUX_CLIENTS: Final = (
    f"#{{session_attached}},#{{session_group_attached}},#{{?PATH,{_KNOWS_VARIABLES},}},#{{?SSH_CONNECTION,linked,}}"
)
"""How many clients there are, and whether the last that came did so through SSH.

Formats hold the session's environment and, behind it, the server's. A client that attaches brings its SSH_CONNECTION
into the session's, or takes it out (tmux(1), "update-environment"); PATH tells whether this tmux looks there at all.
"""


@dataclass(frozen=True, slots=True)
class Clients:
    """What tmux or GNU screen says of its clients."""

    attached: bool | None
    """Whether there is one; None where that is not said."""
    far: bool
    """Whether keys may come over a network."""
    count: int | None = None
    """How many there are; None where that is not said: GNU screen does not."""


def may_be_far(environment: Mapping[str, str]) -> bool:
    """Tell whether keys may come over a network: through SSH, or from a client of tmux or GNU screen.

    What `clients` finds out may tell otherwise.
    """
    return _linked(environment) or watched(environment)


def _linked(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in _LINKS)


def watched(environment: Mapping[str, str]) -> bool:
    """Tell whether `clients` can find out whether a person looks at this terminal."""
    return bool(environment.get("TMUX") or environment.get("STY"))


def clients(environment: Mapping[str, str]) -> Clients:
    """Ask tmux or GNU screen for its clients. Blocks for ANSWER_WITHIN_S at most.

    They answer a terminal's questions themselves, so nothing else shows that no user is there any more.
    """
    if environment.get("TMUX"):
        return of_tmux(environment, _told_by_tmux(environment))
    return Clients(_screen_attached(environment), far=True)


def of_tmux(environment: Mapping[str, str], told: str | None) -> Clients:
    """Judge by tmux's answer to TMUX_CLIENTS; None where it did not answer.

    Of several clients each may have come in its own way, and the session knows the last one's only.
    """
    words = (told or "").strip().split(",")
    counts = [int(word) for word in words[:2] if word.isdigit()]
    if not counts:
        return Clients(None, far=True)
    near = words[2:] == [_KNOWS_VARIABLES, ""] and max(counts) <= 1
    far = not near or _linked(environment) or bool(environment.get("STY"))
    return Clients(any(counts), far, max(counts))


def _told_by_tmux(environment: Mapping[str, str]) -> str | None:
    asked = ["display-message", "-p", *(("-t", pane) if (pane := environment.get("TMUX_PANE")) else ()), TMUX_CLIENTS]
    program = shutil.which("tmux", path=environment.get("PATH"))
    if program is None:
        return None
    own = {name: environment[name] for name in ("PATH", "TMUX", "TMUX_TMPDIR", "HOME", "LANG") if name in environment}
    try:
        told = subprocess.run(  # noqa: S603  # no shell, and no text from outside in it
            [program, "-S", environment["TMUX"].partition(",")[0], *asked],
            env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return None if told.returncode else told.stdout


def _screen_attached(environment: Mapping[str, str]) -> bool | None:
    """GNU screen marks its socket executable while a client is attached (screen(1), "-ls")."""
    session = environment.get("STY", "")
    user = environment.get("USER") or environment.get("LOGNAME") or ""
    folders = (environment.get("SCREENDIR"), f"/run/screen/S-{user}", f"/var/run/screen/S-{user}")
    for folder in filter(None, folders):
        with contextlib.suppress(OSError, ValueError):
            return bool(Path(folder, session).stat().st_mode & stat.S_IXUSR)
    return None
