"""What a client is held to: as a table, and by clients who try."""

import asyncio

import pytest
import socketio

from selam_cli.agent.limits import NO_LIMITS, PUBLIC, SPEECH_BYTES_PER_S, Limits, Stay
from selam_cli.core import protocol
from selam_cli.core.protocol import AudioChunk, Control, StartSession
from tests.agent.test_server import CLOSING, Caller, agent, bare_socket, caller, chunks, sentence
from tests.support.jumping_clock import clock_ahead

CHUNK_BYTES = round(0.1 * SPEECH_BYTES_PER_S) + 100


def all_heard(stay, *, seconds, every_s, size_bytes=CHUNK_BYTES, begin=0.0):
    """Say whether a client may send so many seconds' worth of 100 ms chunks, one each `every_s`."""
    return all(stay.heard(size_bytes, begin + index * every_s) for index in range(round(seconds * 10)))


def test_a_kept_utterance_goes_through_at_once_and_then_the_conversation_goes_on():
    stay = Stay(PUBLIC, 0.0)
    assert all_heard(stay, seconds=121, every_s=0.0)
    assert all_heard(stay, seconds=600, every_s=0.1, begin=1.0)
    assert all_heard(stay, seconds=121, every_s=0.0, begin=602.0)
    assert not all_heard(stay, seconds=121, every_s=0.0, begin=603.0)


@pytest.mark.parametrize(("every_s", "allowed"), [(0.1, True), (0.03, True), (0.02, False)])
def test_speech_may_come_four_times_as_fast_as_it_is_spoken_for_as_long_as_it_likes(every_s, allowed):
    assert all_heard(Stay(PUBLIC, 0.0), seconds=3_600, every_s=every_s) is allowed


@pytest.mark.parametrize(("a_second", "allowed"), [(50, True), (150, True), (1_000, False)])
def test_small_messages_count_as_well(a_second, allowed):
    stay = Stay(PUBLIC, 0.0)
    assert all(stay.heard(40, index / a_second) for index in range(60 * a_second)) is allowed


def test_large_ones_count_by_their_size():
    stay = Stay(PUBLIC, 0.0)
    assert not all(stay.heard(4_000_000, 0.0) for _ in range(10))


def test_where_no_limits_hold_nothing_is_too_fast_and_nobody_is_overdue():
    stay = Stay(NO_LIMITS, 0.0)
    assert all(stay.heard(4_000_000, 0.0) for _ in range(1_000))
    assert stay.overdue(1e9, session_since=None, free_since=0.0) is None
    assert stay.overdue(1e9, session_since=0.0, free_since=0.0) is None


@pytest.mark.parametrize(
    ("now", "session_since", "free_since", "heard_at", "status"),
    [
        (59.0, None, 0.0, 0.0, None),
        (60.0, None, 0.0, 0.0, "no_session"),
        (60.0, None, 0.0, 59.0, "no_session"),  # whatever is said without a session
        (100.0, None, 90.0, 90.0, None),  # a session has just ended
        (609.0, 10.0, 0.0, 9.0, None),
        (610.0, 10.0, 0.0, 9.0, "idle"),
        (610.0, 10.0, 0.0, 300.0, None),
        (3_610.0, 10.0, 0.0, 3_609.0, "time_limit"),
    ],
)
def test_who_is_overdue(now, session_since, free_since, heard_at, status):
    stay = Stay(PUBLIC, 0.0)
    stay.heard(100, heard_at)
    assert stay.overdue(now, session_since=session_since, free_since=free_since) == status


@pytest.mark.parametrize(("limits", "status"), [(Limits(idle_s=15), "idle"), (Limits(session_s=15), "time_limit")])
async def test_a_session_that_is_over_is_told_and_its_connection_closed(limits, status):
    forward = clock_ahead()
    async with agent(limits=limits) as (url, _), caller(url, StartSession("mekdes")) as user:
        session = user.payloads("session_started")[0]["session_id"]
        forward(15)
        assert await user.until("session_ended") == {"session_id": session, "status": status}
        await user.until("disconnect")
    assert not user.payloads("error")


async def test_who_says_something_now_and_then_is_not_idle():
    forward = clock_ahead()
    async with agent(limits=Limits(idle_s=15)) as (url, _), caller(url, StartSession("mekdes")) as user:
        for count in (1, 2, 3):
            forward(8)
            await user.say(Control("interrupt"))
            await user.until("control_ack", count)
        assert not user.payloads("session_ended")
        forward(15)
        assert (await user.until("session_ended"))["status"] == "idle"


async def test_a_client_that_starts_no_session_is_told_and_let_go():
    forward = clock_ahead()
    async with agent(limits=Limits(start_s=15)) as (url, _), caller(url) as user:
        await user.until("connected")
        forward(15)
        await user.until("disconnect")
    assert [error["type"] for error in user.payloads("error")] == ["session_error"]


async def test_a_connection_that_never_joins_is_closed():
    forward = clock_ahead()
    async with agent(limits=Limits(start_s=15)) as (url, _):
        user = Caller()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await user.connect(url, api_key="sk-selam-test-other")
        await user.sio.shutdown()
        async with bare_socket(url, join=False) as socket:
            forward(15)
            ended = [message.type.name async for message in socket]
    assert "ERROR" not in ended


@pytest.mark.parametrize("said", [b"", b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: "])
async def test_a_connection_over_which_nothing_is_asked_for_is_closed_and_no_other(said):
    forward = clock_ahead()
    async with agent(limits=Limits(start_s=15)) as (url, _), caller(url, StartSession("mekdes")) as user:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(said)
        closed = asyncio.create_task(reader.read())
        for count in (1, 2):
            forward(4)
            await user.say(Control("interrupt"))
            await user.until("control_ack", count)
            assert not closed.done()
        forward(15)
        assert await asyncio.wait_for(closed, 60) == b""
        writer.close()
        await user.say(Control("interrupt"))
        await user.until("control_ack", 3)


async def test_a_flood_ends_with_the_reason_and_a_kept_utterance_does_not():
    kept = [AudioChunk(bytes(3_200))] * 1_200
    async with (
        agent(limits=Limits(paced=True)) as (url, _),
        caller(url, StartSession("mekdes")) as user,
        caller(url, StartSession("mekdes")) as other,
    ):
        await user.say(*kept, Control("interrupt"))
        await user.until("control_ack")
        await user.say(*[AudioChunk(bytes(600_000))] * 20)
        assert (await user.until("session_ended"))["status"] == "too_fast"
        assert [error["type"] for error in user.payloads("error")] == ["validation_error"]
        await user.until("disconnect")
        await other.say(*chunks(sentence()), AudioChunk(CLOSING))
        await other.until("audio_chunk")


async def test_without_limits_a_flood_is_only_work():
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(*[AudioChunk(bytes(600_000))] * 20, Control("interrupt"))
        await user.until("control_ack")
        assert not user.payloads("error")


@pytest.mark.parametrize("packet", ["4hello", "42/v1/audio/agent,{}", "4" + "[" * 100_000, b"\0"])
async def test_who_does_not_speak_socket_io_is_let_go_and_nobody_else(packet):
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as other, bare_socket(url) as socket:
        if isinstance(packet, bytes):
            await socket.send_bytes(packet)
        else:
            await socket.send_str(packet)
        async with asyncio.timeout(60):
            async for _ in socket:
                pass
        await other.say(Control("interrupt"))
        await other.until("control_ack")


async def test_joining_twice_by_one_connection_holds_one_place():
    async with agent(max_sessions=2) as (url, _), bare_socket(url) as socket:
        for _ in range(3):
            await socket.send_str(f"40{protocol.NAMESPACE},")
        async with caller(url) as other:
            await other.until("connected")
