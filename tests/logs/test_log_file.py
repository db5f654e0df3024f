"""The log, written by real processes: what stands in it, how it stays small, and that nothing depends on it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from selam_cli.core.protocol import StartSession
from selam_cli.logs.log_file import LogFile, log_path
from selam_cli.sound.files import write_wav
from tests.support.in_process import run_beside
from tests.support.lines import talk_json
from tests.support.voice_server import voice_server

KEY = "sk-selam-test-logged"
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows renames no file that somebody has open")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "xdg_state_home" / "selam-voice" / "log" / "selam-voice.log"


@pytest.fixture
def question(tmp_path: Path) -> str:
    path = tmp_path / "question.wav"
    write_wav(str(path), np.full(8_000, 2_000, np.int16), 16_000)
    return str(path)


WRITER = """
import logging, os, sys, time
from selam_cli.logs import log_file
from selam_cli.core.redaction import Redactor
log_file.FULL_AT_BYTES = int(sys.argv[2])
file = log_file.LogFile(log_file.log_path(), 2)
file.open()
log_file.log_to(sys.argv[1], file, Redactor())
for number in range(int(sys.argv[3])):
    logging.getLogger("selam_cli").info("line %s-%05d %s", sys.argv[1], number, "x" * 40)
"""


def writers(count: int, full_at_bytes: int, lines: int) -> None:
    commands = [
        [sys.executable, "-c", WRITER, f"writer{number}", str(full_at_bytes), str(lines)] for number in range(count)
    ]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in running] == [0] * count


async def test_a_conversation_can_be_followed_and_what_was_said_cannot(log, question):
    environment = {"SELAM_API_KEY": KEY}
    async with voice_server() as server:
        options = ("--server", server.url, "--voice", "aria", "--input", question, "--output", "null")
        async with talk_json(*options, environment=environment) as engine:
            await engine.until("session_started")
            engine.send("press")
            await server.until(lambda: len(server.audio) > 8_000)
            engine.send("release")
            await engine.until("utterance")
            await server.emit("transcription", {"text": "a secret of mine", "is_final": True})
            await server.emit("response", {"text": "I keep it"})
            await server.emit("audio_end", {"total_chunks": 0})
            await engine.until("turn_ended")
            await server.drop()
            await engine.until("session_started", count=2)
            engine.send("quit")
            assert await engine.ended() == 0
        assert len(server.messages(StartSession)) == 2
    told = log.read_text()
    course = [
        "started: selam-voice", f"talking with {server.url}: voice aria", "microphone: question.wav, 16000 Hz",
        f"connecting to {server.url}", "session session-1 started", "turn 1: talking", "of speech sent",
        "turn 1: understood, 16 characters", "turn 1: answered", "connection lost: attempt 1",
        "session session-2 started", "ended: ended", "left with status 0",
    ]  # fmt: skip
    at = 0
    for words in course:
        at = told.find(words, at)
        assert at >= 0, f"{words}\n{told}"
    assert "secret of mine" not in told
    assert "I keep it" not in told
    assert KEY not in told
    assert all(" engine[" in line for line in told.splitlines())


@posix
def test_only_its_owner_reads_it(log):
    writers(1, 10_000, 1)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@posix
def test_it_is_moved_aside_when_it_is_full_by_one_of_many_and_the_others_follow(log):
    writers(4, 20_000, 400)
    kept = sorted(path.name for path in log.parent.iterdir())
    assert kept == ["selam-voice.log", "selam-voice.log.1", "selam-voice.log.2"]
    for path in log.parent.iterdir():
        # Each of the four may add one line to a file that is full already.
        assert path.stat().st_size <= 20_000 + 5 * 200
        lines = path.read_text().splitlines()
        assert all(line.endswith("x" * 40) or " started: " in line for line in lines), "a line was torn"
    newest = log.read_text() + log.with_name("selam-voice.log.1").read_text()
    assert "-00399 " in newest


@posix
def test_what_a_library_prints_goes_where_the_log_is_now(log):
    printing = WRITER + "\nos.write(2, b'the library says\\n')\n"
    command = [sys.executable, "-c", printing, "writer", "5000", "60"]
    subprocess.run(command, check=True, timeout=60)
    assert log.read_text().endswith("the library says\n")
    assert log.with_name("selam-voice.log.1").exists()


@posix
@pytest.mark.parametrize(
    ("fault", "why"),
    [("a folder that cannot be made", "its folder cannot be made"), ("a full disk", "No space left on device")],
)
async def test_nothing_depends_on_it_and_that_it_cannot_be_written_is_told_once(tmp_path, question, fault, why):
    state = tmp_path / "state"
    if fault == "a full disk":
        log = state / "selam-voice" / "log"
        log.mkdir(parents=True)
        (log / "selam-voice.log").symlink_to("/dev/full")
    else:
        state.write_text("a file stands here")
    async with voice_server() as server:
        options = ("--server", server.url, "--input", question, "--output", "null")
        environment = {"SELAM_API_KEY": KEY, "SELAM_DEBUG": "1", "XDG_STATE_HOME": str(state)}
        async with talk_json(*options, environment=environment) as engine:
            await engine.until("session_started")
            engine.send("press")
            await server.until(lambda: server.audio)
            engine.send("quit")
            assert await engine.ended() == 0
    assert engine.errors == b""
    told = [line["message"] for line in engine.events("notice") if line["code"] == "log_unwritable"]
    assert told == [f"The log cannot be written: {why}."]
    assert engine.written[0]["event"] == "hello"


def test_a_folder_in_its_place_is_told_as_that(log):
    log.mkdir(parents=True)
    told = []
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a descriptor that it may lead
        file = LogFile(log_path(), nowhere.fileno())
        file.on_problem = told.append
        file.open()
    assert told == ["Is a directory"]


async def test_the_embedded_agent_writes_there_too(log, question):
    await run_beside("ask", question, "--local", environment={"SELAM_DEBUG": "1"})
    assert " agent[" in log.read_text()
