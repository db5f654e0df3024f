"""The screen's colours: a quiet ground and one accent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App

SELAM: Final = Theme(
    name="selam",
    primary="#e3b25b",
    secondary="#8d98a8",
    accent="#e3b25b",
    foreground="#dfe3e8",
    background="#111418",
    surface="#111418",
    panel="#1a1f26",
    success="#e3b25b",
    warning="#e3b25b",
    error="#f0806e",
    dark=True,
    text_alpha=1.0,
    variables={
        "quiet": "#96a1b0",
        "dimmed": "#7b8695",
        "edge": "#38414d",
        "scrollbar": "#38414d",
        "scrollbar-hover": "#96a1b0",
        "scrollbar-active": "#e3b25b",
        "scrollbar-background": "#111418",
        "scrollbar-background-hover": "#111418",
        "scrollbar-background-active": "#111418",
        "scrollbar-corner-color": "#111418",
    },
)

_BLACK, _DARK_GREY, _GREY, _WHITE = "#000000", "#555555", "#aaaaaa", "#ffffff"
_YELLOW, _RED, _CYAN = "#ffff55", "#ff5555", "#00aaaa"
"""As Rich has them among the sixteen: any other colour becomes the nearest of those, and two may become one."""

SELAM_16: Final = Theme(
    name="selam-16",
    primary=_YELLOW,
    secondary=_GREY,
    accent=_YELLOW,
    foreground=_WHITE,
    background=_BLACK,
    surface=_BLACK,
    panel=_BLACK,
    success=_YELLOW,
    warning=_YELLOW,
    error=_RED,
    dark=True,
    text_alpha=1.0,
    variables={
        "quiet": _GREY,
        "dimmed": _CYAN,
        "edge": _DARK_GREY,
        "scrollbar": _DARK_GREY,
        "scrollbar-hover": _GREY,
        "scrollbar-active": _YELLOW,
        "scrollbar-background": _BLACK,
        "scrollbar-background-hover": _BLACK,
        "scrollbar-background-active": _BLACK,
        "scrollbar-corner-color": _BLACK,
    },
)
"""For terminals with sixteen colours, on which an open microphone must still stand out."""


def dress(app: App[Any]) -> None:
    """Give an app its colours, before it has a terminal."""
    for theme in (SELAM, SELAM_16):
        app.register_theme(theme)
    app.theme = SELAM.name


def dress_for_terminal(app: App[Any]) -> None:
    """Change them for those that the terminal has, once there is one; a picture is drawn in all of them."""
    if app.console.color_system == "standard" and not app.is_headless:
        app.theme = SELAM_16.name
