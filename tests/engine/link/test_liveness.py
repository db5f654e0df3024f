"""Whether the other end still reads: servers that answer pings, and one that does not."""

import asyncio
import json
import subprocess

from aiohttp import WSMsgType, web

from selam_cli.core import events
from selam_cli.engine.link import liveness
from tests.support.node import node_command
from tests.support.talker import talker, tone


async def test_an_official_server_answers_the_pings_and_takes_a_long_utterance_faster_than_it_was_said():
    command, environment = node_command("server.mjs")
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 24
    )
    try:
        port = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))["port"]
        said = tone(60.0)
        async with talker(f"ws://127.0.0.1:{port}") as user:
            await user.until(events.SessionStarted)
            user.utter(said)
            await user.until(events.Response)
        heard = 0
        while heard < len(said) * 2 + 32_000:
            heard += json.loads(await asyncio.wait_for(process.stdout.readline(), 30)).get("bytes") or 0
        assert heard == len(said) * 2 + 32_000
        assert "stalled" not in [notice.code for notice in user.of(events.Notice)]
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


PINGS, HEARD = web.AppKey("pings", list), web.AppKey("heard", list)


async def deaf_to_pings(request):
    """The protocol by hand, for a WebSocket library that leaves pings to its user, who leaves them alone."""
    peer = web.WebSocketResponse(autoping=False)
    await peer.prepare(request)
    await peer.send_str('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
    async for message in peer:
        if message.type is not WSMsgType.TEXT:
            request.app[PINGS].append(message.data)
        elif message.data.startswith("40"):
            await peer.send_str('40/v1/audio/agent,{"sid":"y"}')
            await peer.send_str('42/v1/audio/agent,["connected",{"sid":"y"}]')
        elif '"start_session"' in message.data:
            await peer.send_str('42/v1/audio/agent,["session_started",{}]')
        elif '"audio_chunk"' in message.data:
            request.app[HEARD].append(1)
    return peer


async def test_a_peer_that_answers_no_ping_is_not_taken_for_one_that_reads_nothing(monkeypatch):
    pings, heard = [], []
    app = web.Application()
    app[PINGS], app[HEARD] = pings, heard
    app.router.add_get("/socket.io/", deaf_to_pings)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with talker(f"ws://127.0.0.1:{runner.addresses[0][1]}") as user:
            await user.until(events.SessionStarted)
            user.utter(tone(0.5))
            await user.until(events.StateChanged, lambda state: heard and state.queued_seconds == 0.0)
            for name in ("TICK_S", "STALLED_S", "LOST_S", "PROBE_LOST_S", "PROBE_EVERY_S"):
                monkeypatch.setattr(liveness, name, 0.01)
            await asyncio.sleep(0.5)  # the watch's first tick, and then many short ones
            assert user.engine._link.up
        assert len(pings) > 1
        assert not user.of(events.Reconnecting)
        assert "stalled" not in [notice.code for notice in user.of(events.Notice)]
    finally:
        await runner.cleanup()
