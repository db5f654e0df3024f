"""What lies between the screen and the terminal, as far as the environment tells."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping


def in_gnu_screen(environment: Mapping[str, str]) -> bool:
    """Tell whether GNU screen is in between: here, or on the machine from which the user came by SSH.

    tmux, too, calls its terminal `screen` where it is old or set up so; it says that it is there by `TMUX`.
    """
    called_so = environment.get("TERM", "").partition(".")[0].partition("-")[0] == "screen"
    return bool(environment.get("STY")) or (called_so and not environment.get("TMUX"))


def tells_mouse(environment: Mapping[str, str]) -> bool:
    """Tell whether the mouse may be asked for.

    GNU screen 4.9, asked for it, holds a lone Escape until the next byte, which it swallows: nothing could be
    discarded or interrupted.
    """
    return not in_gnu_screen(environment)


def forget_inherited_colours(environment: MutableMapping[str, str]) -> None:
    """Take `COLORTERM` away that GNU screen has inherited: it draws 16 million colours as dark red."""
    if in_gnu_screen(environment):
        environment.pop("COLORTERM", None)
