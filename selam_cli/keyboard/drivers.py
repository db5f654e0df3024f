"""Which of Textual's drivers a screen runs on."""

from __future__ import annotations

import sys

from textual import constants
from textual.driver import Driver

from selam_cli.keyboard.key_listener import KeyListener


def driver_class(heard_by: KeyListener) -> type[Driver] | None:
    """Return the driver that hears releases; None, Textual's own choice, where `TEXTUAL_DRIVER` names one."""
    if constants.DRIVER:
        return None
    if sys.platform == "win32":
        from selam_cli.keyboard.windows import keyboard_driver  # Windows only
    else:
        from selam_cli.keyboard.posix import keyboard_driver  # POSIX only
    return keyboard_driver(heard_by)
