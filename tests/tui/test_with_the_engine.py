"""`selam-voice talk` whole: the screen in a pseudo-terminal, the engine as its child, and a server of the protocol."""

from __future__ import annotations

import asyncio
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from selam_cli.core import protocol
from selam_cli.core.protocol import EndSession, StartSession
from tests.support.terminal import EVENT_TYPES, KITTY, LEGACY, Profile, Terminal, left_as_found
from tests.support.voice_server import VoiceServer, voice_server


@asynccontextmanager
async def talking_to(
    server: VoiceServer, folder: Path, profile: Profile = KITTY, *, under_a_shell: bool = False
) -> AsyncIterator[Terminal]:
    spoken = folder / "spoken.wav"
    with wave.open(str(spoken), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x00\x20" * 16_000)
    program = [
        sys.executable, "-m", "selam_cli", "talk", "--server", server.url, "--input", str(spoken), "--output", "null",
    ]  # fmt: skip
    if under_a_shell:
        program = ["/bin/sh", "-c", '"$@"; cat', "sh", *program]
    environment = {"SELAM_API_KEY": "sk-selam-test-screen"}
    environment |= {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder), "HOME": str(folder)}
    with Terminal(program, profile=profile, environment=environment) as terminal:
        if profile.tells_releases:
            await asyncio.to_thread(terminal.wait_for, lambda: terminal.flags & EVENT_TYPES, "event types")
        await asyncio.to_thread(terminal.wait_for_text, "READY")
        yield terminal


async def test_a_turn_from_key_to_answer_and_a_proper_end(tmp_path):
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        terminal.press(" ")
        await server.until(lambda: len(server.audio) > 6_400)
        await server.send(protocol.Transcription("ሰላም", is_final=False))
        await asyncio.to_thread(terminal.wait_for_text, "ሰላም …")
        terminal.release(" ")
        await server.send(protocol.Transcription("ሰላም እንዴት ነህ", is_final=True))
        await server.send(protocol.Response("ደህና ነኝ"))
        await asyncio.to_thread(terminal.wait_for_text, "ሰላም እንዴት ነህ")
        await asyncio.to_thread(terminal.wait_for_text, "ደህና ነኝ")
        assert "sk-selam-test" not in terminal.text
        terminal.press("q")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 0
        assert server.messages(EndSession)
        assert terminal.unread() == b""


async def test_a_control_is_acknowledged_on_the_screen(tmp_path):
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        terminal.tap("k")
        await asyncio.to_thread(terminal.wait_for_text, "Agent does not listen")
        await asyncio.to_thread(terminal.wait_for_text, "executed")
        assert server.actions == ["stop_listening"]


async def test_settings_changed_in_the_sheet_reach_a_new_session(tmp_path):
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        terminal.tap("s")
        await asyncio.to_thread(terminal.wait_for_text, "Language")
        terminal.type("ameha")
        terminal.tap("enter")
        await server.until(lambda: len(server.messages(StartSession)) == 2)
        assert server.messages(StartSession)[-1].voice == "ameha"
        await asyncio.to_thread(terminal.wait_for_text, "Selam Voice  ameha")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV], ids=["killed", "native crash"])
@pytest.mark.parametrize("profile", [KITTY, LEGACY], ids=str)
async def test_a_screen_that_dies_in_mid_utterance_closes_the_microphone_and_the_engine_restores_the_terminal(
    tmp_path, number, profile
):
    async with voice_server() as server, talking_to(server, tmp_path, profile, under_a_shell=True) as terminal:
        [screen] = psutil.Process(terminal.process.pid).children()
        [engine] = screen.children()
        terminal.tap(" ")
        await server.until(lambda: server.audio)
        await asyncio.to_thread(terminal.wait_for_text, "MICROPHONE OPEN")
        screen.send_signal(number)
        await server.until(lambda: server.messages(EndSession))
        await asyncio.to_thread(engine.wait, 20)
        await asyncio.to_thread(terminal.wait_for, lambda: left_as_found(terminal), "restored")


@pytest.mark.parametrize("kitty", [True, False], ids=["kitty", "legacy"])
def test_without_a_microphone_the_sentences_stand_on_a_clean_terminal(kitty):
    program = [sys.executable, "-m", "selam_cli", "talk", "--local", "--output", "null"]
    with Terminal(program, kitty=kitty, environment={"PULSE_SERVER": "unix:/nowhere"}) as terminal:
        assert terminal.wait_for_exit() == 5
        assert terminal.text.lstrip().startswith("There is no microphone that can be used.")
        assert "--input FILE" in terminal.text
        assert "Control" not in terminal.text
        assert terminal.modes == terminal.modes_before
        assert terminal.unread() == b""
