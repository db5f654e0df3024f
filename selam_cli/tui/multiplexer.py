"""What stands between the screen and the terminal that a person looks at: a link, tmux, GNU screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LINKS: Final = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


def may_be_far(environment: Mapping[str, str]) -> bool:
    """Tell whether keys may come over a network: through SSH, or from a client of tmux or GNU screen."""
    return any(environment.get(name) for name in (*_LINKS, "TMUX", "STY"))
