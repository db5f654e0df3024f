"""The screen's colours: a quiet ground and one accent."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

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
