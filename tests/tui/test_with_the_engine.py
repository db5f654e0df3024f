"""`selam-voice talk` whole: the screen in a pseudo-terminal, the engine as its child, and a server of the protocol."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from selam_cli.core import protocol
from selam_cli.core.protocol import EndSession, StartSession
from tests.support.terminal import EVENT_TYPES, KITTY, LEGACY, Profile, Terminal, left_as_found
from tests.support.voice_server import VoiceServer, voice_server

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"


@asynccontextmanager
async def talking_to(
    server: VoiceServer,
    folder: Path,
    profile: Profile = KITTY,
    *,
    under_a_shell: bool = False,
    errors_in: Path | None = None,
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
    if errors_in is not None:
        program = ["/bin/sh", "-c", 'exec "$@" 2>"$0"', str(errors_in), *program]
    environment = {"SELAM_API_KEY": "sk-selam-test-screen"}
    environment |= {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder), "HOME": str(folder)}
    with Terminal(program, profile=profile, environment=environment) as terminal:
        if profile.tells_releases:
            await asyncio.to_thread(terminal.wait_for, lambda: terminal.flags & EVENT_TYPES, "event types")
        await asyncio.to_thread(terminal.wait_for_text, "READY")
        yield terminal


async def test_a_turn_from_key_to_answer_a_control_and_a_proper_end(tmp_path):
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        terminal.press(" ")
        await terminal.while_played(server.until(lambda: len(server.audio) > 6_400))
        await server.send(protocol.Transcription("ሰላም", is_final=False))
        await asyncio.to_thread(terminal.wait_for_text, "ሰላም …")
        terminal.release(" ")
        await server.send(protocol.Transcription("ሰላም እንዴት ነህ", is_final=True))
        await server.send(protocol.Response("ደህና ነኝ"))
        await asyncio.to_thread(terminal.wait_for_text, "ሰላም እንዴት ነህ")
        await asyncio.to_thread(terminal.wait_for_text, "ደህና ነኝ")
        assert "sk-selam-test" not in terminal.text
        terminal.tap("k")
        await asyncio.to_thread(terminal.wait_for_text, "Agent does not listen")
        await asyncio.to_thread(terminal.wait_for_text, "executed")
        assert server.actions[-1] == "stop_listening"
        terminal.press("q")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 0
        assert server.messages(EndSession)
        assert terminal.unread() == b""


async def test_the_words_that_escape_cut_off_are_dimmed(tmp_path):
    t = np.arange(16_000 * 8) / 16_000
    sound = (8_000 * np.sin(2 * np.pi * 220 * t)).astype("<i2").tobytes()
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        await server.send(protocol.Response(" ".join(f"word{number}" for number in range(40))))
        for start in range(0, len(sound), 3_200):
            await server.send(protocol.ReplyChunk(sound[start : start + 3_200]))
        await server.send(protocol.AudioEnd(80))
        await asyncio.to_thread(terminal.wait_for_text, "word39")
        terminal.press("escape")
        await asyncio.to_thread(terminal.wait_for_text, "(interrupted after")
        await asyncio.to_thread(
            terminal.wait_for, lambda: re.search(r"\[not heard: word.*word39\]", " ".join(terminal.text.split()))
        )


async def test_settings_changed_in_the_sheet_reach_a_new_session(tmp_path):
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        terminal.tap("s")
        await asyncio.to_thread(terminal.wait_for_text, "Language")
        terminal.type("ameha")
        terminal.tap("enter")
        await terminal.while_played(server.until(lambda: len(server.messages(StartSession)) == 2))
        assert server.messages(StartSession)[-1].voice == "ameha"
        await asyncio.to_thread(terminal.wait_for_text, "Selam Voice  ameha")


@pytest.mark.parametrize(
    ("number", "profile"),
    itertools.product([signal.SIGKILL, signal.SIGSEGV], [KITTY, LEGACY])
    if IS_SOAK
    else [(signal.SIGKILL, KITTY), (signal.SIGSEGV, LEGACY)],
    ids=str,
)
async def test_a_screen_that_dies_in_mid_utterance_closes_the_microphone_and_the_engine_restores_the_terminal(
    tmp_path, number, profile
):
    async with voice_server() as server, talking_to(server, tmp_path, profile, under_a_shell=True) as terminal:
        [screen] = psutil.Process(terminal.process.pid).children()
        [engine] = screen.children()
        terminal.tap(" ")
        await terminal.while_played(server.until(lambda: server.audio))
        await asyncio.to_thread(terminal.wait_for_text, "MICROPHONE OPEN")
        screen.send_signal(number)
        await terminal.while_played(server.until(lambda: server.messages(EndSession)))
        await asyncio.to_thread(engine.wait, 20)
        await asyncio.to_thread(terminal.wait_for, lambda: left_as_found(terminal), "restored")


@pytest.mark.parametrize("kitty", [True, *[False] * IS_SOAK])
def test_without_a_microphone_the_sentences_stand_on_a_clean_terminal(kitty):
    program = [sys.executable, "-m", "selam_cli", "talk", "--local", "--output", "null"]
    with Terminal(program, kitty=kitty, environment={"PULSE_SERVER": "unix:/nowhere"}) as terminal:
        assert terminal.wait_for_exit() == 5
        assert terminal.text.lstrip().startswith("There is no microphone that can be used.")
        assert "--input FILE" in terminal.text
        assert "Control" not in terminal.text
        assert terminal.modes == terminal.modes_before
        assert terminal.unread() == b""


async def test_the_screen_is_drawn_on_the_terminal_also_where_errors_go_to_a_file(tmp_path):
    errors = tmp_path / "errors"
    async with voice_server() as server, talking_to(server, tmp_path, errors_in=errors) as terminal:
        terminal.tap("q")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 0
        assert left_as_found(terminal)
    assert errors.read_bytes() == b""


@pytest.mark.parametrize("number", [signal.SIGSEGV, *[signal.SIGKILL] * IS_SOAK])
async def test_an_engine_that_dies_is_told_and_one_key_starts_it_again(tmp_path, number):
    async with voice_server() as server, talking_to(server, tmp_path) as terminal:
        said = asyncio.to_thread
        await said(terminal.hold, " ", 0.5)
        await said(terminal.wait_for_text, "THINKING")
        await server.emit("transcription", {"text": "Is anybody there?", "is_final": True})
        await server.emit("response", {"text": "Yes, I am."})
        await server.emit("audio_end", {"total_chunks": 0})
        await said(terminal.wait_for_text, "1 Yes, I am.")
        await said(terminal.wait_for_text, "READY")
        terminal.tap("s")
        await said(terminal.wait_for_text, "Language")
        terminal.type("ameha")
        terminal.tap("enter")
        await terminal.while_played(server.until(lambda: len(server.messages(StartSession)) == 2))
        await said(terminal.wait_for_text, "READY")
        terminal.tap(" ")
        await said(terminal.wait_for_text, "MICROPHONE OPEN")
        [engine] = psutil.Process(terminal.process.pid).children()
        engine.send_signal(number)
        await said(terminal.wait_for_text, f"The engine has ended (killed: {number.name})")
        await said(terminal.wait_for_text, "t starts it again")
        log = (tmp_path / "selam-voice" / "log" / "selam-voice.log").read_text()
        assert f"ERROR selam_cli: The engine has ended (killed: {number.name})" in log
        assert "MICROPHONE OPEN" not in terminal.text
        assert "1 Yes, I am." in terminal.text
        terminal.tap(" ")  # says nothing: there is nobody who would hear it
        terminal.tap("t")
        await terminal.while_played(server.until(lambda: len(server.messages(StartSession)) == 3))
        assert server.messages(StartSession)[-1].voice == "ameha"
        await said(terminal.wait_for_text, "A new session has begun")
        await said(terminal.wait_for_text, "READY")
        sent_before = len(server.audio)
        await said(terminal.hold, " ", 0.5)
        await terminal.while_played(server.until(lambda: len(server.audio) > sent_before))
        await server.emit("transcription", {"text": "Here I am.", "is_final": True})
        await said(terminal.wait_for_text, "3 Here I am.")
        terminal.tap("q")
        assert await said(terminal.wait_for_exit) == 0
        await terminal.while_played(server.until(lambda: server.messages(EndSession)))
        assert left_as_found(terminal)


@pytest.mark.parametrize("profile", [KITTY, *[LEGACY] * IS_SOAK], ids=str)
async def test_a_second_ctrl_c_is_heard_while_the_terminal_is_being_restored(tmp_path, profile):
    async with voice_server() as server, talking_to(server, tmp_path, profile) as terminal:
        [engine] = psutil.Process(terminal.process.pid).children()
        engine.suspend()
        terminal.tap("ctrl+c")
        terminal.tap("ctrl+c")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 130
        assert left_as_found(terminal)
        assert terminal.unread() == b""
        engine.resume()  # it was not waited for until it had to be killed
        await terminal.while_played(server.until(lambda: server.messages(EndSession)))
        await asyncio.to_thread(engine.wait, 20)
