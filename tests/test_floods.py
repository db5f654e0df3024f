"""A server that floods, from outside the process: memory is bounded, the screen lives, each kind is told once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiohttp import WSMsgType, web

from selam_cli.core.protocol import NAMESPACE
from tests.support.lines import talk_json

if sys.platform != "win32":
    from tests.support.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a POSIX thing")

MOST_MB = 250
"""An engine or a screen that is flooded may hold this much more, at any time, than one that is left in peace."""

MANY = 100_000 if os.environ.get("SELAM_SOAK") == "1" else 6_000
"""More than the 4,000 messages that are taken at once: the others wait in the network."""


class Flooder:
    """A Socket.IO server by hand, which writes to the wire what no library would."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[str] = []
        self._socket: web.WebSocketResponse | None = None
        self._changed = asyncio.Condition()
        self.offered = ""
        """What the client is ready to have its messages wrapped in."""

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/socket.io/", self._on_socket)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def event(self, name: str, payload: object) -> None:
        await self.raw(f"42{NAMESPACE},{json.dumps([name, payload])}")

    async def raw(self, text: str) -> None:
        assert self._socket is not None
        await self._socket.send_str(text)

    async def binary(self, raw: bytes) -> None:
        assert self._socket is not None
        await self._socket.send_bytes(raw)

    async def until(self, condition: Callable[[], object]) -> None:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), 60)

    async def _on_socket(self, request: web.Request) -> web.WebSocketResponse:
        self._socket = socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.offered = request.headers.get("Sec-WebSocket-Extensions", "")
        limits = '"pingInterval":600000,"pingTimeout":600000,"maxPayload":1000000'  # it sends no pings of that layer
        await socket.send_str(f'0{{"sid":"a","upgrades":[],{limits}}}')
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data.startswith("40"):
                await socket.send_str(f'40{NAMESPACE},{{"sid":"b"}}')
                await self.event("connected", {"sid": "c"})
            elif '"start_session"' in message.data:
                await self.event("session_started", {"session_id": "d"})
            elif '"end_session"' in message.data:
                await self.event("session_ended", {"session_id": "d", "status": "ended"})
            async with self._changed:
                self.heard.append(message.data)
                self._changed.notify_all()
        return socket


@asynccontextmanager
async def flooder() -> AsyncIterator[Flooder]:
    server = Flooder()
    runner = await server.start()
    try:
        yield server
    finally:
        await runner.shutdown()
        await runner.cleanup()


def held_mb(pid: int) -> float:
    """Return the most that a process has held so far, where the system tells, else what it holds."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e3
    return psutil.Process(pid).memory_info().rss / 1e6


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


async def a_megabyte_of_text(server: Flooder) -> None:
    await server.event("response", {"text": "word " * 200_000})
    await server.event("transcription", {"text": "\x1b[31m" * 200_000})
    await server.event("error", {"type": "x" * 1_000_000, "message": "\u202e" * 300_000})


async def many_events(server: Flooder) -> None:
    for number in range(MANY // 5):
        await server.event("error", {"type": "audio_error", "message": f"no {number}"})
        await server.event("control_ack", {"action": f"a{number}", "status": "b"})
        await server.event(f"unknown {number}", {})
        await server.event("session_started", {"session_id": f"session {number}" * 20})
        await server.event("connected", {"sid": "s" * 300, "message": f"welcome {number}"})


async def a_text_without_end(server: Flooder) -> None:
    for number in range(MANY // 10):
        await server.event("response", {"text": f"word {number} " * 100})
        await server.event("transcription", {"text": f"word {number}", "is_final": False})


async def sound_for_no_turn(server: Flooder) -> None:
    for _ in range(MANY // 10):
        await server.event("audio_chunk", {"audio": "AQ==", "sample_rate": 1_000_000_000})
    for _ in range(2):
        await server.event("audio_chunk", {"audio": base64.b64encode(bytes(8_000_000)).decode(), "sample_rate": 4_000})


async def every_wrong_shape(server: Flooder) -> None:
    values: list[object] = [None, True, -1, 1e300, "x", [], {}, [[]], {"text": {}}, float("nan"), 10**50, "\ud800"]
    events = ("connected", "transcription", "response", "audio_chunk", "audio_end", "control_ack")
    fields = ("sid", "text", "is_final", "audio", "format", "sample_rate", "total_chunks", "action", "status")
    for event in events:
        for value in values:
            await server.event(event, value)
            await server.event(event, dict.fromkeys(fields, value))
    for text in ("4", "4{}", "4[]", "42", "42[", f"42{NAMESPACE},{{}}", "43[]", "46[]", "49", "4\x00"):
        for _ in range(50):
            await server.raw(text)
    for depth in (1_000, 10_000):
        await server.raw(f'42{NAMESPACE},["response",{nested(depth)}]')
    await server.raw(f'42{NAMESPACE},["response",[' + "{}," * 3_900_000 + "1]]")


async def attachments_without_end(server: Flooder) -> None:
    for count in (1, 4, 9_999_999_999):
        await server.raw(f'45{count}-{NAMESPACE},["audio_chunk",{{"audio":{{"_placeholder":true,"num":0}}}}]')
        for _ in range(8 if count < 9 else 35):
            await server.binary(bytes(8_000_000))


FLOODS = [
    a_megabyte_of_text, many_events, a_text_without_end, sound_for_no_turn, every_wrong_shape, attachments_without_end,
]  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
async def test_an_engine_stays_small_and_answers(flood, speech, tmp_path):
    async with flooder() as server, talk_json("--server", server.url, "--input", speech, "--output", "null") as engine:
        await engine.until("session_started")
        before = held_mb(engine.process.pid)
        await flood(server)
        engine.send("press")
        await server.until(lambda: any('"audio_chunk"' in said for said in server.heard))
        engine.send('{"id": 1, "command": "release"}')
        await engine.until("ack", lambda line: line["id"] == 1)
        grown = held_mb(engine.process.pid) - before
        assert grown < MOST_MB
        for code in ("flood", "malformed_payload"):
            told = [line["message"] for line in engine.events("notice") if line["code"] == code]
            assert len(told) == len(set(told)) <= 20
        assert len(engine.events("error")) <= 40
        engine.send("quit")
        assert await engine.ended() == 0
    assert "Traceback" not in next(tmp_path.rglob("selam-voice.log")).read_text()


async def test_fifty_megabytes_in_one_message_are_told_and_not_held(speech):
    async with flooder() as server, talk_json("--server", server.url, "--input", speech, "--output", "null") as engine:
        await engine.until("session_started")
        before = held_mb(engine.process.pid)
        with_sound = json.dumps(["audio_chunk", {"audio": "A" * 50_000_000}])
        sending = asyncio.create_task(server.raw(f"42{NAMESPACE},{with_sound}"))
        told = await engine.until("error")
        assert "12 MB" in told["message"]
        assert told["fatal"] is False
        assert server.offered == ""  # nor can a small message unfold to a big one
        await engine.until("session_started", count=2)
        await asyncio.wait({sending})
        assert held_mb(engine.process.pid) - before < MOST_MB
        engine.send("quit")
        assert await engine.ended() == 0


async def test_the_screen_lives_and_its_keys_are_answered(speech):
    async with flooder() as server:
        program = [
            sys.executable, "-m", "selam_cli", "talk", "--server", server.url, "--input", speech, "--output", "null",
        ]  # fmt: skip
        with Terminal(program, kitty=True, columns=100, rows=30) as terminal:
            await asyncio.to_thread(terminal.wait_for_text, "READY")
            screen = psutil.Process(terminal.process.pid)
            pids = [process.pid for process in (screen, *screen.children())]
            before = sum(map(held_mb, pids))
            playing = asyncio.create_task(asyncio.to_thread(terminal.play_for, 2.0))
            for flood in (many_events, a_text_without_end, a_megabyte_of_text):
                await flood(server)
            await playing
            terminal.tap("?")
            await asyncio.to_thread(terminal.wait_for_text, "Hold space while you speak")
            terminal.tap("escape")
            await asyncio.to_thread(terminal.wait_for, lambda: "Hold space while you speak" not in terminal.text)
            terminal.press(" ")
            await server.until(lambda: any('"audio_chunk"' in said for said in server.heard))
            terminal.release(" ")
            assert sum(map(held_mb, pids)) - before < MOST_MB
            terminal.tap("q")
            assert await asyncio.to_thread(terminal.wait_for_exit) == 0


@pytest.fixture
def speech(tmp_path: Path) -> str:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x00\x20" * 160_000)
    return str(path)
