"""What a client may put into packets: what is too much or none ends its connection, its session and nobody else's."""

import asyncio
import contextlib
import json
import logging
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import pytest

from selam_cli.agent import server
from selam_cli.agent.limits import BURST_S, MESSAGE_COSTS_S, Limits
from selam_cli.agent.packets import MAX_BYTES_BEFORE_JOINING, MAX_MESSAGE_BYTES, MAX_PACKETS_A_POST
from selam_cli.agent.prometheus import PrometheusMetrics
from selam_cli.agent.transport import MOST_BEFORE_JOINING
from selam_cli.core import protocol
from selam_cli.core.protocol import AudioChunk, Control, StartSession
from tests.agent.test_metrics import figures
from tests.agent.test_server import CLOSING, KEY, agent, bare_socket, caller, chunks, sentence

JOIN = f"40{protocol.NAMESPACE},"
EVENT = f"42{protocol.NAMESPACE},"


async def until_closed(socket):
    async with asyncio.timeout(60):
        async for _ in socket:
            pass


async def until_nobody_is_in(url):
    async with asyncio.timeout(60):
        while (await figures(url))["connections",]:
            await asyncio.sleep(0.01)


# --- by WebSocket -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["x", "", "9", "2", "5", "6", "4", "4[1]", "4" + "[" * 100_000, b"", b"\0"])
@pytest.mark.parametrize("join", [True, False])
async def test_what_is_no_packet_ends_the_connection_and_its_session_at_once(frame, join, caplog):
    async with (
        agent(metrics=PrometheusMetrics()) as (url, _),
        bare_socket(url, join=join) as socket,
    ):
        if join:
            await socket.send_str(f'{EVENT}["start_session",{{"voice":"mekdes"}}]')
        await (socket.send_bytes if isinstance(frame, bytes) else socket.send_str)(frame)
        await until_closed(socket)
        await until_nobody_is_in(url)
        told = await figures(url)
    assert told["sessions",] == 0
    assert join or not errors_in(caplog), "a stranger can fill the log"


def errors_in(caplog):
    """Return what was logged of errors that each such packet would be logged of.

    What asyncio says of objects that are collected meanwhile is of another test's.
    """
    told = [record for record in caplog.records if record.levelno >= logging.WARNING and record.name != "asyncio"]
    return [record for record in told if "further occurrences" not in record.getMessage()]


@pytest.mark.parametrize("name", ["connect", "disconnect", "*"])
async def test_a_client_cannot_say_what_the_library_says_of_connections(name):
    async with agent(metrics=PrometheusMetrics()) as (url, _), bare_socket(url) as socket:
        query = urlencode({"api_key": KEY, "voice": "mekdes"})
        await socket.send_str(f'{EVENT}["{name}",{{"QUERY_STRING":"{query}"}}]')
        await until_closed(socket)
        await until_nobody_is_in(url)


async def test_sound_may_come_as_bytes():
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        for chunk in (*chunks(sentence()), AudioChunk(CLOSING)):
            await user.emit("audio_chunk", {"audio": chunk.audio, "format": "pcm16", "sample_rate": 16_000})
        await user.until("audio_chunk")
        assert not user.payloads("error")


@pytest.mark.parametrize("count", [11, 999_999_999])
async def test_more_attachments_than_a_message_can_have_are_not_waited_for(count):
    async with agent() as (url, _), bare_socket(url) as socket:
        await socket.send_str(f'45{count}-{protocol.NAMESPACE},["audio_chunk",{{"_placeholder":true,"num":0}}]')
        await until_closed(socket)


async def test_attachments_together_are_no_larger_than_a_message():
    half = bytes(MAX_MESSAGE_BYTES // 2)
    async with agent() as (url, _), bare_socket(url) as socket:
        await socket.send_str(f'459-{protocol.NAMESPACE},["audio_chunk",{{"_placeholder":true,"num":0}}]')
        for part in (half, half, b"\0"):
            await socket.send_bytes(part)
        await until_closed(socket)


async def test_a_message_that_unfolds_to_a_hundred_times_its_size_is_not_read():
    async with agent() as (url, _), bare_socket(url) as socket:
        await socket.send_str(f'{EVENT}["control",[{"[]," * 100_000}0]]')
        await until_closed(socket)


async def test_who_has_not_joined_has_nothing_long_to_say():
    async with agent() as (url, _), bare_socket(url, join=False) as socket:
        await socket.send_str(f'42/elsewhere,["{"x" * MAX_BYTES_BEFORE_JOINING}"]')
        await until_closed(socket)


@pytest.mark.parametrize("ping", [True, False])
async def test_pings_and_pongs_of_who_has_not_joined_are_not_answered_for_ever(ping):
    async with agent() as (url, _), bare_socket(url, join=False) as socket:
        for _ in range(MOST_BEFORE_JOINING + 1):
            await (socket.ping() if ping else socket.pong())
        await until_closed(socket)


@pytest.mark.parametrize("packet", ["3", f"{JOIN}{{}}"])
async def test_nor_are_packets(packet):
    async with agent() as (url, _), bare_socket(url, join=False, key="sk-selam-test-other") as socket:
        for _ in range(MOST_BEFORE_JOINING + 1):
            await socket.send_str(packet)
        await until_closed(socket)


async def test_where_limits_hold_pings_count_as_messages_do():
    async with (
        agent(limits=Limits(paced=True)) as (url, _),
        bare_socket(url) as socket,
        caller(url, StartSession("mekdes")) as other,
    ):
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            for _ in range(2 * round(BURST_S / MESSAGE_COSTS_S)):
                await socket.ping()
        await until_closed(socket)
        await other.say(Control("interrupt"))
        await other.until("control_ack")


async def test_a_ping_is_answered_and_ends_nothing():
    async with agent() as (url, _), bare_socket(url) as socket:
        await socket.ping(b"are you there?")
        await socket.send_str(f'{EVENT}["start_session",{{"voice":"mekdes"}}]')
        seen = []
        while "session_started" not in str(seen):
            seen.append(await socket.receive(timeout=20))
    assert b"are you there?" in [message.data for message in seen]


async def test_of_too_many_who_have_not_joined_the_oldest_goes(monkeypatch):
    monkeypatch.setattr(server, "MOST_WAITING", 2)
    async with (
        agent() as (url, _),
        caller(url, StartSession("mekdes")) as user,
        bare_socket(url, join=False) as oldest,
        poller(url, join=False) as younger,
        bare_socket(url, join=False),
    ):
        await until_closed(oldest)
        assert await younger.post("3") == 200
        async with bare_socket(url, join=False):
            assert await younger.post("3") == 400
        await user.say(Control("interrupt"))
        await user.until("control_ack")


async def test_a_second_websocket_of_a_connection_is_refused_and_the_first_is_still_held_to_the_rules():
    query = urlencode({"EIO": "4", "transport": "websocket", "api_key": KEY, "voice": "mekdes"})
    async with (
        agent() as (url, _),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/socket.io/?{query}") as socket,
    ):
        sid = json.loads((await socket.receive_str(timeout=20)).removeprefix("0"))["sid"]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{url}/socket.io/?{query}&sid={sid}")
        await socket.send_str("9")
        await until_closed(socket)


# --- by long-polling --------------------------------------------------------------------------------------------------


class Poller:
    """A client that polls, at the level of HTTP."""

    def __init__(self, http, url):
        self._http = http
        self._address = (
            f"{url}/socket.io/?{urlencode({'EIO': 4, 'transport': 'polling', 'api_key': KEY, 'voice': 'x'})}"
        )

    async def open(self):
        opened = json.loads((await self.get()).removeprefix("0"))
        self._address += f"&sid={opened['sid']}"

    async def get(self):
        async with self._http.get(self._address) as answer:
            return await answer.text()

    async def post(self, *packets):
        async with self._http.post(self._address, data="\x1e".join(packets).encode()) as answer:
            return answer.status


@asynccontextmanager
async def poller(url, *, join=True):
    async with aiohttp.ClientSession() as http:
        client = Poller(http, url)
        await client.open()
        if join:
            assert await client.post(JOIN) == 200
        yield client
        with contextlib.suppress(aiohttp.ClientError):  # where the agent has stopped
            await client.post("1")  # it leaves, and is not waited for


async def test_who_polls_may_catch_up_with_more_than_sixteen_packets_and_more_than_one_segment():
    loud = f'{EVENT}["control",{{"action":"{"dance" * 200}"}}]'
    async with agent() as (url, _), poller(url) as client:
        assert await client.post(f'{EVENT}["start_session",{{"voice":"mekdes"}}]', *[loud] * 400) == 200
        answer = ""
        async with asyncio.timeout(60):
            while answer.count("validation_error") < 400:
                answer += await client.get()
        assert answer.count("validation_error") == 400


@pytest.mark.parametrize("body", ["x", "4\x1ex", "ba", "\x1e"])
@pytest.mark.parametrize("join", [True, False])
async def test_a_post_that_holds_no_packets_ends_the_connection(body, join, caplog):
    async with agent(metrics=PrometheusMetrics()) as (url, _), poller(url, join=join) as client:
        assert await client.post(body) == 400
        assert await client.post(JOIN) == 400
        await until_nobody_is_in(url)
    assert join or not errors_in(caplog), "a stranger can fill the log"


async def test_a_post_of_too_many_packets_is_refused_and_never_lost_without_a_word():
    async with agent() as (url, _), poller(url) as client:
        assert await client.post(*["3"] * (MAX_PACKETS_A_POST + 1)) == 400
        assert await client.post("3") == 400


async def test_a_post_of_who_has_not_joined_is_not_waited_for_when_it_is_long():
    async with agent() as (url, _), poller(url, join=False) as client:
        assert await client.post("4" * (MAX_BYTES_BEFORE_JOINING + 1)) == 413
        assert await client.post(JOIN) == 200


@pytest.mark.parametrize("says", ["6", None])
async def test_who_tries_a_websocket_in_vain_polls_on_and_is_told_when_the_agent_stops(says):
    async with agent() as (url, stop), poller(url) as client:
        await client.post(f'{EVENT}["start_session",{{"voice":"mekdes"}}]')
        async with client._http.ws_connect(client._address.replace("=polling", "=websocket")) as socket:
            if says is not None:
                await socket.send_str(says)
                await until_closed(socket)
        heard = ""
        async with asyncio.timeout(60):
            while "session_started" not in heard:
                heard += await client.get()
        waiting = asyncio.create_task(client.get())
        assert await client.post(f'{EVENT}["control",{{"action":"interrupt"}}]') == 200
        assert "control_ack" in await waiting
        waiting = asyncio.create_task(client.get())
        await client.post("3")  # so that the agent knows of who waits
        stop.set()
        assert "session_ended" in await waiting


async def test_a_post_that_does_not_tell_its_length_is_not_taken_for_an_empty_one():
    async def pieces():
        yield b"3"

    async with agent() as (url, _), poller(url) as client:
        assert (await client._http.post(client._address, data=pieces())).status == 411


async def test_one_post_comes_after_another():
    go_on = asyncio.Event()

    async def slow():
        yield b"3"
        await go_on.wait()
        yield b"\x1e3"

    async with agent() as (url, _), poller(url) as client:
        headers = {"Content-Length": "3"}
        first = asyncio.create_task(client._http.post(client._address, data=slow(), headers=headers))
        async with asyncio.timeout(60):
            while await client.post("3") == 200:  # until the first one is under way
                await asyncio.sleep(0.01)
        go_on.set()
        assert (await first).status == 200
        assert await client.post("3") == 200


async def test_acknowledgements_that_nobody_takes_are_not_kept_for_ever():
    asks = f'{EVENT}7["unheard of"]'
    async with agent() as (url, _), caller(url) as other, poller(url) as client:
        async with asyncio.timeout(60):
            while await client.post(*[asks] * 500) == 200:
                pass
        await other.say(StartSession("mekdes"), Control("interrupt"))
        await other.until("control_ack")
