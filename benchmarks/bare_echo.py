"""What `serve` is measured against: python-socketio with its defaults, sending each chunk back and nothing else."""

from __future__ import annotations

import asyncio

import socketio
import uvloop
from aiohttp import web

NAMESPACE = "/v1/audio/agent"


async def main() -> None:
    """Serve on a free port, which is printed, until ended."""
    server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*", namespaces=[NAMESPACE])

    async def on_chunk(sid: str, payload: object) -> None:
        await server.emit("audio_chunk", payload, to=sid, namespace=NAMESPACE)

    async def on_start(sid: str, _: object) -> None:
        await server.emit("session_started", {}, to=sid, namespace=NAMESPACE)

    server.on("connect", lambda *_: None, namespace=NAMESPACE)
    server.on("audio_chunk", on_chunk, namespace=NAMESPACE)
    server.on("start_session", on_start, namespace=NAMESPACE)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"Listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
