"""What a server, a device or an address says is text on its every way to a person, never instructions to a terminal."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.commands import listings
from selam_cli.core import protocol
from selam_cli.core.protocol import Control, StartSession
from selam_cli.core.redaction import Redactor
from selam_cli.logs.redacting import RedactingFormatter
from selam_cli.sound.device import AudioDevice
from selam_cli.sound.files import write_wav
from tests.support.in_process import run_beside, run_here
from tests.support.lines import talk_json
from tests.support.steering import ALL, EVIL, NUMBER, steered, uncovered
from tests.support.voice_server import VoiceServer, voice_server

if sys.platform != "win32":
    from tests.support.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a POSIX thing")
PROGRAM = [sys.executable, "-m", "selam_cli"]


@pytest.fixture
def question(tmp_path: Path) -> str:
    path = tmp_path / "question.wav"
    write_wav(str(path), np.full(8_000, 2_000, np.int16), 16_000)
    return str(path)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "xdg_state_home" / "selam-voice" / "log" / "selam-voice.log"


class Stranger:
    """A server of the protocol that says the worst in every field it has."""

    def __init__(self, server: VoiceServer) -> None:
        self._server = server
        server.greets = server.starts = server.acknowledges = False
        server.on_message = self._on_message
        self.tasks: set[asyncio.Task[None]] = set()

    async def _on_message(self, event: str, message: object) -> None:
        emit = self._server.emit
        match message:
            case StartSession():
                await emit("session_started", {"session_id": ALL})
                await emit("error", {"type": ALL, "message": ALL})
                await emit(ALL, {ALL: ALL})
                await emit("transcription", {"text": 7, ALL: ALL})
            case Control(action=action):
                await emit("control_ack", {"action": action, "status": ALL})
                await emit("control_ack", {"action": ALL, "status": ALL})
            case protocol.AudioChunk() if not any(message.audio):
                self._server.on_message = None
                await self.answer()

    async def greet(self) -> None:
        await self._server.until(lambda: self._server.sids)
        await self._server.emit("connected", {"status": ALL, "sid": ALL, "voice": ALL, "message": ALL})

    async def answer(self) -> None:
        for text in EVIL:
            await self._server.emit("transcription", {"text": text, "is_final": True})
            await self._server.emit("response", {"text": text})
        await self._server.emit("audio_chunk", {"audio": "AAAA", "format": ALL})
        await self._server.emit("audio_end", {"total_chunks": 1})


async def in_a_terminal(*arguments: str, terminal_size: tuple[int, int] = (100, 40)) -> tuple[bytes, int]:
    """Run the program in a terminal of its own to its end; return what it wrote there and its exit status."""
    columns, rows = terminal_size
    with Terminal([*PROGRAM, *arguments], columns=columns, rows=rows) as terminal:
        status = await asyncio.to_thread(terminal.wait_for_exit)
        return bytes(terminal.written), status


async def test_on_the_screen_in_every_field_that_a_server_has(question, log):
    async with voice_server() as server:
        stranger = Stranger(server)
        arguments = ["talk", "--server", server.url, "--input", question, "--output", "null"]
        environment = {"SELAM_DEBUG": "1", "SELAM_API_KEY": "sk-selam-test-1"}
        with Terminal([*PROGRAM, *arguments], kitty=True, columns=160, rows=60, environment=environment) as terminal:
            greeting = asyncio.create_task(stranger.greet())
            await asyncio.to_thread(terminal.wait_for_text, "READY")
            await greeting
            await asyncio.to_thread(terminal.hold, " ", 0.7)
            await server.until(lambda: server.on_message is None)
            await asyncio.to_thread(terminal.wait_for_text, rf"half �{NUMBER}")
            await server.emit("error", f"authentication_error: {ALL}")
            await asyncio.to_thread(terminal.wait_for_text, "selam-voice login")
            for key, frame in (("s", "─ Settings ─"), ("d", "─ Devices ─")):
                terminal.tap(key)
                await asyncio.to_thread(terminal.wait_for_text, frame)
                terminal.tap("escape")
                await asyncio.to_thread(terminal.wait_for, lambda frame=frame: frame not in terminal.text)
            terminal.tap("y")
            for shown in (rf"\x1b]0;{NUMBER}\x07", rf"\x9b{NUMBER}m", rf"\u202e{NUMBER}", "[bold red]markup[/]"):
                await asyncio.to_thread(terminal.wait_for_text, shown)
            await server.emit("session_ended", {"session_id": ALL, "status": ALL})
            await server.drop()
            terminal.tap("q")
            await asyncio.to_thread(terminal.wait_for_exit)
            assert steered(bytes(terminal.written)) == []
    assert uncovered(log.read_text()) == []


async def test_in_the_answer_of_ask(question, log):
    async with voice_server() as server:
        greeting = asyncio.create_task(Stranger(server).greet())
        written, status = await in_a_terminal("ask", question, "--server", server.url, terminal_size=(100, 60))
        await greeting
    assert status == 0, written.decode(errors="replace")
    assert steered(written) == []
    assert rf"\x1b]0;{NUMBER}\x07".encode() in written
    assert uncovered(log.read_text()) == []


async def test_in_a_pipe_too_for_it_may_end_in_a_terminal(question):
    async with voice_server() as server:
        greeting = asyncio.create_task(Stranger(server).greet())
        status, output, errors = await run_beside("ask", question, "--server", server.url)
        await greeting
    assert status == 0, errors
    assert uncovered(output.decode()) == uncovered(errors.decode()) == []


async def test_in_json_lines_which_lose_nothing_for_it(question):
    async with voice_server() as server:
        stranger = Stranger(server)
        greeting = asyncio.create_task(stranger.greet())
        async with talk_json("--server", server.url, "--input", question, "--output", "null") as engine:
            raw: list[bytes] = []
            engine.process.stdout, lines = _copied(engine.process.stdout, raw), engine
            await lines.until("session_started")
            lines.send("press")
            await lines.until("state", lambda line: line["phase"] == "listening")
            lines.send("release")
            await lines.until("response", lambda line: EVIL[-2] in line["text"])
            lines.send("quit")
            await lines.ended()
        await greeting
    assert [line["message"] for line in lines.events("connected")] == [ALL.replace("\ud83d", "\ufffd")]
    assert all(uncovered(line.decode()) == [] for line in raw)


def _copied(stream, raw):
    """Keep the lines as they come, beside whoever reads them."""
    reader = stream.readline

    async def readline():
        line = await reader()
        raw.append(line)
        return line

    stream.readline = readline
    return stream


async def test_in_a_refusal(question):
    async with voice_server() as server:

        def refuse() -> None:
            raise refusal

        server.refuse = refuse
        refusal = Refused("validation_error", {"type": "validation_error", "message": ALL})
        written, status = await in_a_terminal("ask", question, "--server", server.url)
        assert (status, steered(written)) == (6, [])
        refusal = Refused({ALL: ALL})
        status, output, errors = await run_beside("ask", question, "--server", server.url)
        assert (status, output) == (6, b"")
        assert uncovered(errors.decode()) == []


ADDRESS = f"ws://evil\x1b]0;{NUMBER}\x07\u202e\x9b{NUMBER}m.invalid:1/\u200b"


@pytest.mark.parametrize("command", ["ask", "login"])
def test_in_an_address(question, command):
    arguments = [question] if command == "ask" else ["--untried"]
    _, output, errors = run_here(command, *arguments, "--server", ADDRESS, stdin=b"sk-selam-test-1\n")
    assert uncovered(output.decode()) == uncovered(errors.decode()) == []
    assert b"Traceback" not in errors


async def test_in_an_address_that_the_doctor_is_given(question):
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "doctor", "--no-speak", "--input", question, "--output", "null", "--server", ADDRESS,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert uncovered(output.decode()) == uncovered(errors.decode()) == []
    assert b"Traceback" not in errors


def test_in_the_names_of_devices(capsys, monkeypatch):
    name = f"Microphone\x1b]0;{NUMBER}\x07\u202e[bold]\nof \x9b{NUMBER}m"
    device = AudioDevice(0, name, "input", 1, 16_000, f"API\x1b[{NUMBER}m", is_default=True)
    monkeypatch.setattr(listings, "_devices_quietly", lambda: [device])
    monkeypatch.setenv("COLUMNS", "200")
    listings.show_devices(as_json=False)
    listings.show_devices(as_json=True)
    table, line = (whole := capsys.readouterr().out).rsplit("\n", 2)[:2]
    assert uncovered(whole) == []
    assert f"Microphone\\x1b]0;{NUMBER}\\x07\\u202e[bold] of" in table
    assert json.loads(line)["inputs"][0]["name"] == name


def test_a_log_has_no_line_that_nobody_logged():
    forged = "ended\n2026-01-01 12:00:00,000 engine[1] ERROR selam_cli: all keys are sent to x\r\nand more"
    record = logging.LogRecord("selam_cli", logging.INFO, "x.py", 1, "session %s", (forged,), None)
    assert len(RedactingFormatter(Redactor()).format(record).splitlines()) == 1
    with pytest.raises(ValueError, match="ended") as caught:
        raise ValueError(forged)
    record.exc_info = (caught.type, caught.value, caught.tb)
    first, begun, *rest = RedactingFormatter(Redactor()).format(record).splitlines()
    assert first.endswith("and more")
    assert begun.startswith("Traceback")
    assert all(line.startswith("  ") for line in rest)


def test_in_a_log_record_and_a_traceback(log):
    program = (
        "import logging, sys, threading\n"
        "from selam_cli.engine.host.standard_streams import StandardStreams\n"
        "from tests.support.steering import ALL\n"
        "streams = StandardStreams('engine')\n"
        "logging.getLogger('selam_cli').error('it says: %s', ALL)\n"
        "thread = threading.Thread(target=lambda: 1 / len(ALL[:0]))\n"
        "thread.start(); thread.join()\n"
        "streams.say(ALL)\n"
        "raise ValueError(ALL)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd=Path.cwd(), timeout=60)
    logged = log.read_text()
    assert logged.count(rf"\x1b]0;{NUMBER}\x07") == 2
    assert "ZeroDivisionError" in logged
    assert uncovered(logged) == uncovered(said.stderr.decode()) == []
    assert said.stderr.count(b"\n") == 1
