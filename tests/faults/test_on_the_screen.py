"""What a user sees and does when the server dies in mid-sentence: the real screen, with the real engine under it."""

import asyncio
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from tests.faults.person import SETTINGS, Voice, holds, where_from
from tests.support.terminal import EVENT_TYPES, Terminal


async def test_speech_that_was_kept_while_the_server_was_dead_is_shown_and_one_key_sends_it(server, tmp_path):
    voice = Voice(tmp_path)
    (tmp_path / "config.toml").write_text(SETTINGS + "resend_within_s = 1\n")
    program = [sys.executable, "-m", "selam_cli", "talk", "--server", server.url, "--input", voice.file(1)]
    environment = {"SELAM_CONFIG": str(tmp_path / "config.toml"), "SELAM_API_KEY": "sk-selam-test-screen"}
    # So many rows that what is told stays in view, however much follows before it is looked at.
    with Terminal(
        [*program, "--output", "null"], kitty=True, columns=100, rows=50, environment=environment
    ) as terminal:

        async def shows(text):
            await asyncio.to_thread(terminal.wait_for_text, text)

        await asyncio.to_thread(terminal.wait_for, lambda: terminal.flags & EVENT_TYPES, "event types")
        await shows("READY")
        terminal.press(" ")
        await terminal.while_played(server.until(lambda: server.sessions[-1]))
        server.kill()
        await shows("What you say is recorded")
        await asyncio.to_thread(terminal.play_for, 0.5)  # the user speaks on
        terminal.release(" ")
        await shows("s kept: r sends it")
        await server.start()
        terminal.press("t")
        terminal.release("t")
        await shows("READY")
        terminal.press("r")
        terminal.release("r")
        await shows("This is an answer.")
        terminal.press("q")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 0
    heard = [where_from(session, voice.said[1]) for session in server.sessions]
    assert any(holds(session, voice.said[1][:9_600]) for session in server.sessions[1:]), heard
