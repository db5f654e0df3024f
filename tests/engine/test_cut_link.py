"""A link that is cut in mid-utterance, as `ask` meets it, and a network that goes and comes back."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from aiohttp import WSMsgType, web

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioEnd, Response, StartSession
from selam_cli.engine import events
from selam_cli.engine.link import link, liveness
from selam_cli.sound.files import write_wav
from tests.engine.test_lost_and_found import heard_in_session
from tests.support.needs import need_right
from tests.support.node import node_command
from tests.support.processes import in_a_process_of_its_own
from tests.support.speech import correlation, spoken
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server
from tests.test_ask import ask


class Cable:
    """A TCP proxy: what goes through it can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pieces: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._taken = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._taken, reuse_address=True)
        self._taken = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection off, and take no further one."""
        self._server.close()
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            piece.transport.abort()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._taken}"

    async def _join(self, reader, writer) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._pieces += [writer, far_writer]
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    @staticmethod
    async def _pass(reader, writer) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@contextlib.asynccontextmanager
async def cabled():
    async with voice_server() as server:
        cable = Cable(int(server.url.rpartition(":")[2]))
        await cable.mend()
        try:
            yield server, cable
        finally:
            cable.cut()


async def test_after_a_cut_of_three_seconds_the_second_session_holds_the_whole_utterance(tmp_path):
    said = spoken("The quick brown fox jumps over the lazy dog, and then it sleeps until the morning.")
    question = tmp_path / "question.wav"
    write_wav(str(question), said, 16_000)
    async with cabled() as (server, cable):
        asking = asyncio.create_task(ask(str(question), "--server", cable.url))
        await server.until(lambda: len(server.audio) >= len(said) // 2)  # a quarter of it
        cable.cut()
        await asyncio.sleep(3.0)
        await cable.mend()
        await server.until(lambda: len(server.messages(StartSession)) == 2)
        await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
        await server.send(protocol.Transcription("the quick brown fox"))
        await server.send(Response("It sleeps."))
        await server.send(AudioEnd(0))
        status, output, errors = await asking
    assert (status, output) == (0, "You: the quick brown fox\nAgent: It sleeps.\n")
    assert correlation(said, np.frombuffer(heard_in_session(server, 2), "<i2"))[0] >= 0.99
    assert heard_in_session(server, 2)[: len(said) * 2] == said.tobytes()
    assert "within 10 s" in errors
    assert "sent again, from its beginning" in errors


async def test_a_question_whose_link_stays_cut_is_told_as_lost(tmp_path):
    question = tmp_path / "question.wav"
    write_wav(str(question), tone(1.5), 16_000)
    (tmp_path / "config.toml").write_text("resend_within_s = 1\n")
    async with cabled() as (server, cable):
        asking = asyncio.create_task(
            ask(str(question), "--json", "--server", cable.url,
                environment={"SELAM_CONFIG": str(tmp_path / "config.toml")})
        )  # fmt: skip
        await server.until(lambda: server.audio)
        cable.cut()
        status, output, errors = await asking
    assert status == 4
    assert "was not back within 1 s" in errors
    lines = [json.loads(line) for line in output.splitlines()]
    assert next(line["outcome"] for line in lines if line["event"] == "utterance") == "kept"


# --- the network comes back -------------------------------------------------------------------------------------------


async def a_network_that_comes_back() -> None:
    """Run in a network namespace of its own, from which no way leads out at first."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    link.BACKOFF_FIRST_S = link.BACKOFF_MOST_S = 3_600.0
    async with voice_server() as server, talker(server.url) as user:
        await user.until(events.SessionStarted)
        await server.drop()
        await user.until(events.Reconnecting)
        subprocess.run(["ip", "route", "add", "default", "dev", "lo"], check=True)
        await user.until(events.SessionStarted, count=2)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_network_that_comes_back_is_noticed_at_once():
    allowed = shutil.which("unshare") and shutil.which("ip")
    look = ["unshare", "-rn", "ip", "link", "set", "lo", "up"]
    allowed = allowed and subprocess.run(look, capture_output=True, check=False).returncode == 0
    need_right("to make a network namespace", allowed)
    in_a_process_of_its_own(f"{__name__}:a_network_that_comes_back", None, before=["unshare", "-rn"])


# --- peers of other kinds ---------------------------------------------------------------------------------------------


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
