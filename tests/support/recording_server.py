"""A server of the protocol in a process of its own, which can be killed, stopped and started again.

It writes everything that it receives to a file, at once and unbuffered, so that the file tells what it had heard when
it was killed; every utterance that ends in silence gets an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from selam_cli.core import protocol
from tests.support.ports import SHARED, KeptPort
from tests.support.voice_server import VoiceServer

SILENCE_BYTES = 16_000
"""Half a second of exact zeros ends an utterance."""

SOUND = struct.pack("<1600h", *(round(8_000 * math.sin(math.tau * 220 * at / 16_000)) for at in range(1_600)))
"""A tenth of a second of a reply; without numpy, which would take the process's start half as long again."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int)
    options.add_argument("--record")
    options.add_argument("--silent-at", default="")
    options.add_argument("--reply-s", type=float, default=0.3)
    asyncio.run(_serve(options.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    server = VoiceServer()
    server.greets = options.silent_at != "connect"
    server.starts = options.silent_at != "start"
    record = os.open(options.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    answering: asyncio.Task[None] | None = None
    silent_bytes, spoken = 0, False

    async def answer(sid: str) -> None:
        chunks = round(options.reply_s * 10)
        reply = [protocol.ReplyChunk(SOUND)] * chunks
        for message in (protocol.Transcription("I heard you."), protocol.Response("This is an answer."), *reply,
                        protocol.AudioEnd(chunks)):  # fmt: skip
            event, payload = protocol.encode(message)
            await server.sio.emit(event, payload, to=sid, namespace=protocol.NAMESPACE)
            await asyncio.sleep(0.05)

    def on_connect() -> None:
        os.write(record, b'{"event": "connect"}\n')

    def on_message(event: str, message: object) -> None:
        nonlocal answering, silent_bytes, spoken
        audio = getattr(message, "audio", b"")
        action = getattr(message, "action", "")
        entry = {"sid": server.sender, "event": event, "audio": base64.b64encode(audio).decode(), "action": str(action)}
        os.write(record, json.dumps(entry).encode() + b"\n")
        if event == "start_session":
            silent_bytes, spoken = 0, False
        if str(action) == "interrupt" and answering is not None:
            answering.cancel()
        if event == "audio_chunk":
            silent_bytes, spoken = (0, True) if any(audio) else (silent_bytes + len(audio), spoken)
            if spoken and silent_bytes >= SILENCE_BYTES:
                spoken = False
                answering = asyncio.create_task(answer(server.sender))

    server.on_message = on_message
    server.refuse = on_connect
    await server.start(options.port, options.host, reuse_port=SHARED)
    os.write(record, b'{"event": "ready"}\n')
    await asyncio.Event().wait()


class RecordingServer:
    """The process, and what it has written."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "heard.jsonl"
        self._record.touch()
        self._kept = KeptPort()
        self.port = self._kept.number
        self.url = f"ws://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *options: str) -> None:
        """Start it; returns when it takes connections."""
        host = next((option.partition("=")[2] for option in options if option.startswith("--host=")), "127.0.0.1")
        self.url = f"ws://{host}:{self.port}"
        already = len(self.of("ready"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.recording_server", f"--port={self.port}", f"--record={self._record}",
             *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        await self.until(lambda: len(self.of("ready")) > already)

    def close(self) -> None:
        """It comes back no more."""
        self.kill()
        self._kept.let_go()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def standing_still(self):
        """It reads nothing and answers nobody, and no connection breaks."""
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if process is not None:
                process.send_signal(signal.SIGCONT)

    @property
    def heard(self) -> list[dict]:
        return [json.loads(line) for line in self._record.read_bytes().split(b"\n")[:-1]]

    def of(self, event: str) -> list[dict]:
        return [entry for entry in self.heard if entry["event"] == event]

    @property
    def sessions(self) -> list[bytes]:
        """What was heard in each session; one may still be heard of when the next has begun."""
        sessions: dict[str, bytearray] = {}
        for entry in self.heard:
            if entry["event"] == "start_session":
                sessions[entry["sid"]] = bytearray()
            elif entry["event"] == "audio_chunk":
                sessions[entry["sid"]] += base64.b64decode(entry["audio"])
        return [bytes(session) for session in sessions.values()]

    @property
    def summary(self) -> str:
        """What it heard, in a few words a session, for whoever looks for a fault."""
        words = []
        for entry in self.heard:
            audio = base64.b64decode(entry.get("audio", ""))
            kind = "speech" if any(audio) else "silence"
            words.append(f"{kind}:{len(audio) // 32}" if audio else entry.get("action") or f"\n{entry['event']}")
        return " ".join(words)

    async def until(self, condition, within_s: float = 60.0) -> None:
        """Wait for what a process wrote to a file, which tells nobody."""
        give_up_at = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up_at, f"never came; the last that was heard: {self.heard[-3:]}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def recording_server(folder: Path, *options: str) -> AsyncIterator[RecordingServer]:
    server = RecordingServer(folder)
    await server.start(*options)
    try:
        yield server
    finally:
        server.close()


if __name__ == "__main__":
    main()
