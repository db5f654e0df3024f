"""One attempt against a server: what it holds, what it leaves behind, and that nothing follows its end."""

import asyncio

import pytest

from selam_cli.core.protocol import Action, AudioChunk, Control, EndSession, Response, SessionEnded, StartSession
from selam_cli.engine.link.connection import Connection
from selam_cli.engine.link.refusals import SessionOver
from selam_cli.errors import ConnectionFailed
from tests.engine.link.test_link import Seen
from tests.support.voice_server import voice_server


@pytest.fixture
async def server():
    async with voice_server() as started:
        yield started


def connection_to(url, seen):
    return Connection(f"{url}?voice=mekdes", seen.callbacks, seen.note("host"))


def held(connection):
    return asyncio.create_task(connection.hold(lambda: StartSession("mekdes", "am")))


async def test_it_ends_with_its_session_and_says_how_long_that_was(server):
    seen = Seen()
    connection = connection_to(server.url, seen)
    assert not connection.up
    holding = held(connection)
    await seen.until("on_up")
    assert connection.up
    assert connection.session_s is None
    await server.drop()
    await asyncio.wait_for(holding, 20)
    assert not connection.up
    assert connection.session_s >= 0.0


async def test_the_hosts_to_watch_are_told_the_one_that_was_named_and_the_one_that_answered(server):
    seen = Seen()
    holding = held(connection_to(server.url.replace("127.0.0.1", "localhost"), seen))
    await seen.until("on_up")
    await server.drop()
    await asyncio.wait_for(holding, 20)
    assert seen.of("host")[0] == "localhost"
    assert seen.of("host")[1] in {"127.0.0.1", "::1"}


async def test_a_message_that_arrives_once_it_is_over_is_told_nobody(server):
    seen = Seen()
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await seen.until("on_up")
    await server.drop()
    await asyncio.wait_for(holding, 20)
    told = list(seen.told)
    for event, payload in (("response", {"text": "late"}), ("session_started", {}), ("response", 5), ("mood", {})):
        connection._on_event(event, payload)
    assert seen.told == told
    assert not connection.up


async def test_a_session_that_starts_as_the_connection_is_lost_is_no_session(server):
    seen = Seen()
    server.starts = False
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await server.until(lambda: server.messages(StartSession))
    connection._on_disconnect()
    connection._on_event("session_started", {"session_id": "late"})
    assert not connection.up
    with pytest.raises(ConnectionFailed):
        await asyncio.wait_for(holding, 20)
    assert not seen.of("on_up")


async def test_what_is_said_before_the_session_or_after_it_waits_for_nobody(server):
    seen = Seen()
    server.starts = False
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await server.until(lambda: server.messages(StartSession))
    connection.send(AudioChunk(bytes(3_200)))
    assert connection.queued_s == 0.0
    await connection.leave()
    with pytest.raises(ConnectionFailed):
        await asyncio.wait_for(holding, 20)
    assert connection.session_s is None
    connection.send(Control(Action.PAUSE))
    assert server.messages((AudioChunk, Control, EndSession)) == []


async def test_what_waits_is_taken_back_before_the_session_is_ended_and_the_end_is_heard(server):
    seen = Seen()
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await seen.until("on_up")
    connection.send(Control(Action.INTERRUPT))
    connection.send(AudioChunk(bytes(3_200)))
    leaving = asyncio.create_task(connection.leave())
    await asyncio.sleep(0)
    assert not connection.up
    assert connection.send(AudioChunk(bytes(3_200))) == 0.0
    await leaving
    await asyncio.wait_for(holding, 20)
    assert server.messages((Control, AudioChunk, EndSession)) == [Control(Action.INTERRUPT), EndSession()]
    assert any(isinstance(message, SessionEnded) for message in seen.of("on_message"))


async def test_who_leaves_twice_is_given_the_same_goodbye(server):
    seen = Seen()
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await seen.until("on_up")
    await asyncio.gather(connection.leave(), connection.leave())
    await asyncio.wait_for(holding, 20)
    assert len(server.messages(EndSession)) == 1


async def test_the_reason_for_which_the_server_ends_a_session_is_what_it_ends_with(server):
    seen = Seen()
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await seen.until("on_up")
    await server.send(Response("One more thing"))
    await server.send(SessionEnded("session-1", "idle"))
    with pytest.raises(SessionOver):
        await asyncio.wait_for(holding, 20)
    assert seen.of("on_message")[-1] == SessionEnded("session-1", "idle")


async def test_an_attempt_that_is_given_up_leaves_nothing_behind(server):
    seen = Seen()
    server.greets = False
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await server.until(lambda: server.sids)
    holding.cancel()
    await asyncio.wait({holding})
    await server.until(lambda: "disconnect" in [event for event, _ in server.received])
    assert connection._client.eio.http.closed


async def test_an_attempt_that_is_cancelled_while_it_says_goodbye_leaves_nothing_open(server):
    seen = Seen()
    connection = connection_to(server.url, seen)
    holding = held(connection)
    await seen.until("on_up")
    http, goodbye = connection._client.eio.http, asyncio.Event()

    async def disconnect():
        goodbye.set()
        await asyncio.Event().wait()

    connection._client.disconnect = disconnect
    holding.cancel()
    await asyncio.wait_for(goodbye.wait(), 20)
    holding.cancel()
    await asyncio.wait({holding})
    assert http.closed
