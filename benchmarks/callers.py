"""Many clients in one process, on bare WebSockets, for measuring a server: `benchmarks.callers URL KIND COUNT`.

Told "measure" on standard input once they have all joined, they send and get a chunk every 100 ms for some seconds,
each at its own moment. With the agent a chunk comes back only while it answers, so each says something first and has a
quiet microphone while the answer plays: every session of the window is one in which both directions are busy.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from dataclasses import dataclass, field

import aiohttp
import numpy as np
import uvloop

NAMESPACE = "/v1/audio/agent"
WINDOW_S = 4.0
SETTLE_S = 1.0
SPEECH_S = 7.0
CHUNK_S = 0.1
CHUNK_SAMPLES = 1_600


@dataclass
class Session:
    """One client: what it has got, and when."""

    socket: aiohttp.ClientWebSocketResponse
    arrivals: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    got: dict[str, asyncio.Event] = field(default_factory=dict)

    async def read(self) -> None:
        """Take what comes until the connection ends."""
        chunk = f'42{NAMESPACE},["audio_chunk"'
        async for message in self.socket:
            text = message.data
            if text.startswith(chunk):
                self.arrivals.append(time.monotonic())
            elif text == "2":
                await self.socket.send_str("3")
            elif text.startswith("42"):
                self.event(text[len(NAMESPACE) + 3 :].split('"', 2)[1]).set()

    def event(self, name: str) -> asyncio.Event:
        """Return what is set when an event of that name comes."""
        return self.got.setdefault(name, asyncio.Event())

    async def say(self, event: str, payload: object) -> None:
        """Send an event."""
        await self.socket.send_str(packet(event, payload))


def packet(event: str, payload: object) -> str:
    """Write an event as it goes over the wire."""
    return f"42{NAMESPACE},{json.dumps([event, payload], separators=(',', ':'))}"


def chunk(samples: np.ndarray) -> str:
    """Write a chunk of sound as it goes over the wire."""
    audio = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    return packet("audio_chunk", {"audio": audio, "format": "pcm16", "sample_rate": 16_000})


def speech() -> list[str]:
    """Return the chunks of a buzz that a voice detector takes for a voice."""
    t = np.arange(round(16_000 * SPEECH_S)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 130 * k * t) / k * (2.0 if 5 <= k <= 9 else 1.0) for k in range(1, 25))
    loud = (6_000 * (0.7 + 0.3 * np.sin(2 * np.pi * 4 * t)) * buzz / np.abs(buzz).max() * 2).astype(np.int16)
    return [chunk(part) for part in loud.reshape(-1, CHUNK_SAMPLES)]


async def join(http: aiohttp.ClientSession, url: str) -> Session:
    """Connect and start a session."""
    socket = await http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket&voice=mekdes", max_msg_size=0)
    await socket.receive()
    await socket.send_str(f"40{NAMESPACE},")
    await socket.receive()
    session = Session(socket)
    session.reader = asyncio.create_task(session.read())  # type: ignore[attr-defined]  # kept from the collector
    await session.say("start_session", {"voice": "mekdes"})
    await asyncio.wait_for(session.event("session_started").wait(), 20)
    return session


async def send_every_100_ms(sessions: list[Session], line: str, until: float) -> list[float]:
    """Have each session send a chunk every 100 ms, spread evenly; return how late each was sent."""
    begin, late, count = time.monotonic(), [], 0
    while (due := begin + count * CHUNK_S / len(sessions)) < until:
        wait = due - time.monotonic()
        if wait > 0.001:
            await asyncio.sleep(wait)
        session = sessions[count % len(sessions)]
        now = time.monotonic()
        session.sent.append(now)
        late.append(now - due)
        await session.socket.send_str(line)
        count += 1
    return late


async def speak_first(sessions: list[Session]) -> None:
    """Have every session say something, and wait until the agent has heard it all; none has finished yet."""
    lines = speech()
    for session in sessions:
        for line in lines:
            await session.socket.send_str(line)
    for session in sessions:
        await session.say("control", {"action": "interrupt"})
    for session in sessions:
        await session.event("control_ack").wait()


def of_replies(session: Session, window: tuple[float, float]) -> list[float]:
    """How much later than paced each chunk of an answer came, against the earliest of them."""
    due = [arrival - index * CHUNK_S for index, arrival in enumerate(session.arrivals)]
    earliest = min(due, default=0.0)
    return [
        lag - earliest for lag, arrival in zip(due, session.arrivals, strict=True) if window[0] <= arrival < window[1]
    ]


def of_echoes(session: Session, window: tuple[float, float]) -> list[float]:
    """How long each chunk took to come back."""
    return [
        arrival - sent
        for sent, arrival in zip(session.sent, session.arrivals, strict=False)
        if window[0] <= arrival < window[1]
    ]


async def main(url: str, kind: str, count: int) -> None:
    """Join, tell, wait for the word, measure, tell."""
    quiet = chunk(np.random.default_rng(5).normal(0, 100, CHUNK_SAMPLES))
    closing = chunk(np.zeros(CHUNK_SAMPLES))
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sessions: list[Session] = []
        for start in range(0, count, 25):
            sessions += await asyncio.gather(*(join(http, url) for _ in range(min(25, count - start))))
        tell({"joined": len(sessions)})
        await loop.run_in_executor(None, sys.stdin.readline)
        if kind == "agent":
            await speak_first(sessions)
            for _ in range(6):
                for session in sessions:
                    await session.socket.send_str(closing)
            for session in sessions:
                await session.event("transcription").wait()
        begin = time.monotonic() + SETTLE_S
        loop.call_at(loop.time() + SETTLE_S, tell, {"window": "begins"})
        loop.call_at(loop.time() + SETTLE_S + WINDOW_S, tell, {"window": "ends"})
        own = await send_every_100_ms(sessions, quiet, begin + WINDOW_S + 0.2)
        window = (begin, begin + WINDOW_S)
        lateness = of_replies if kind == "agent" else of_echoes
        late = [value for session in sessions for value in lateness(session, window)]
        tell(
            {
                "got": len(late) / (count * WINDOW_S / CHUNK_S),
                "late_p99_s": float(np.percentile(late, 99)) if late else 99.0,
                "own_p99_s": float(np.percentile(own, 99)),
            }
        )


def tell(fields: dict[str, object]) -> None:
    """Print a line for the one who measures."""
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
