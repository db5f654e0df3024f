"""The screen's process stays light: none of what the engine needs is loaded into it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("socketio", "engineio", "aiohttp", "sounddevice", "soundfile", "miniaudio", "samplerate", "webrtcvad", "numpy")


def test_the_screen_loads_no_socket_and_no_sound():
    program = f"import sys, selam_cli.tui.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_what_only_a_sheet_needs_is_not_loaded_before_it_opens():
    heavy = ("textual.widgets._text_area", "textual.widgets._markdown", "rich.markdown", "selam_cli.tui.settings_sheet")
    program = f"import sys, selam_cli.tui.app; print([name for name in {heavy!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
