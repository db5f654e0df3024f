import asyncio
import contextlib

import pytest
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.core.protocol import (
    Action,
    AudioChunk,
    AudioEnd,
    Connected,
    Control,
    ErrorReport,
    Response,
    StartSession,
)
from selam_cli.engine.link import link as link_module
from selam_cli.engine.link import outbox, policy
from selam_cli.engine.link.callbacks import LinkCallbacks
from selam_cli.engine.link.link import Link
from selam_cli.errors import (
    AuthenticationError,
    AuthorizationError,
    ConnectionFailed,
    SelamError,
    SessionError,
    ValidationError,
)
from tests.support.voice_server import voice_server

SECRET = "sk-selam-test-canary"


class Seen:
    """What a link told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self._changed = asyncio.Event()

    def note(self, name):
        def take(*arguments):
            self.told.append((name, arguments[0] if len(arguments) == 1 else arguments))
            self._changed.set()

        return take

    def of(self, *names):
        return [value for told, value in self.told if told in names]

    async def until(self, name, count=1):
        async with asyncio.timeout(20):
            while len(self.of(name)) < count:
                self._changed.clear()
                await self._changed.wait()

    @property
    def callbacks(self):
        names = LinkCallbacks.__dataclass_fields__
        return LinkCallbacks(**{name: self.note(name) for name in names})


def link_to(url, seen, attempts=1):
    async def address():
        return f"{url}?api_key={SECRET}&voice=mekdes"

    return Link(address, lambda: StartSession("mekdes", "am"), seen.callbacks, attempts=attempts)


@contextlib.asynccontextmanager
async def running(link):
    task = asyncio.create_task(link.run())
    try:
        yield task
    finally:
        await link.leave()
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def server():
    async with voice_server() as started:
        yield started


async def test_a_session_is_started_once_connected_has_come_and_ended_before_leaving(server):
    seen = Seen()
    link = link_to(server.url, seen)
    async with running(link):
        await seen.until("on_up")
    assert [event for event, _ in server.received if event != "disconnect"] == [
        "connect",
        "start_session",
        "end_session",
    ]
    assert server.messages(StartSession) == [StartSession("mekdes", "am")]
    assert server.queries[0]["api_key"] == [SECRET]
    assert server.queries[0]["transport"] == ["websocket"]
    assert isinstance(seen.of("on_message")[0], Connected)


async def test_messages_leave_in_the_order_in_which_they_were_sent(server):
    seen = Seen()
    link = link_to(server.url, seen)
    sent = []
    async with running(link):
        await seen.until("on_up")
        for number in range(100):
            sent.append(AudioChunk(bytes([number, 0]) * 1_600))
            if number % 10 == 0:
                sent.append(Control(Action.INTERRUPT))
        for message in sent:
            link.send(message)
        await server.until(lambda: len(server.messages((AudioChunk, Control))) == len(sent))
    assert server.messages((AudioChunk, Control)) == sent
    assert seen.of("on_sent")[: len(sent)] == sent


async def test_after_a_loss_the_session_is_started_again_with_the_same_settings(server):
    seen = Seen()
    async with running(link_to(server.url, seen)):
        await seen.until("on_up")
        await server.drop()
        await seen.until("on_lost")
        await seen.until("on_up", 2)
    assert server.messages(StartSession) == [StartSession("mekdes", "am")] * 2
    assert [query["api_key"] for query in server.queries] == [[SECRET]] * 2


@pytest.mark.parametrize(("steady_after_s", "waits"), [(0.0, [0.5, 0.5, 0.5]), (3_600.0, [0.5, 1.0, 2.0])])
async def test_how_long_a_session_held_decides_on_the_waits(server, monkeypatch, steady_after_s, waits):
    monkeypatch.setattr(policy, "STEADY_AFTER_S", steady_after_s)
    monkeypatch.setattr(link_module.random, "random", lambda: 1.0)
    monkeypatch.setattr(policy.RetryPolicy, "hurried", lambda _: None)  # the test's hurry is not to shorten the waits
    seen = Seen()
    link = link_to(server.url, seen)
    async with running(link):
        for number in range(1, 4):
            await seen.until("on_up", number)
            await server.drop()
            await seen.until("on_retry", number)
            link.hurry()
    assert seen.of("on_retry") == [(1, wait) for wait in waits]


async def test_what_waits_too_long_is_dropped_and_told(server, monkeypatch):
    monkeypatch.setattr(outbox, "AUDIO_AT_MOST_S", 0.5)
    seen = Seen()
    link = link_to(server.url, seen)
    async with running(link):
        await seen.until("on_up")
        for _ in range(8):  # in one go, so that nothing leaves meanwhile
            link.send(AudioChunk(bytes(3_200)))
        assert link.queued_s == pytest.approx(0.5)
    assert sum(seen.of("on_dropped")) == pytest.approx(0.3)


async def test_nothing_waits_for_a_server_that_is_not_there():
    seen = Seen()
    link = link_to("ws://127.0.0.1:1", seen)
    link.send(AudioChunk(bytes(3_200)))
    link.withdraw_audio()
    assert (link.up, link.queued_s) == (False, 0.0)
    await link.leave()
    await link.run()
    assert seen.told == []


async def test_restart_ends_one_session_and_starts_another_without_calling_it_a_loss(server):
    seen = Seen()
    link = link_to(server.url, seen)
    async with running(link):
        await seen.until("on_up")
        await link.restart()
        await seen.until("on_up", 2)
    events = [event for event, _ in server.received if event not in {"connect", "disconnect"}]
    assert events == ["start_session", "end_session", "start_session", "end_session"]
    assert not seen.of("on_lost")


async def test_nothing_more_is_said_to_a_session_that_is_being_ended(server):
    seen = Seen()
    link = link_to(server.url, seen)
    async with running(link):
        await seen.until("on_up")
        restarting = asyncio.create_task(link.restart())
        await asyncio.sleep(0)
        assert not link.up
        link.send(Control(Action.PAUSE))
        await restarting
        await seen.until("on_up", 2)
        assert link.up
    assert server.actions == []


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (
            Refused("authentication_error", {"type": "authentication_error", "message": "unknown key"}),
            AuthenticationError,
        ),
        (Refused("authentication_error"), AuthenticationError),
        (Refused({"error": {"type": "authorization_error", "message": "OWNER only", "code": 403}}), AuthorizationError),
        (Refused("validation_error: no such voice"), ValidationError),
        (Refused("no"), SessionError),
    ],
)
async def test_a_refusal_in_any_shape_is_a_typed_error_and_is_not_tried_again(server, refusal, kind):
    def refuse():
        raise refusal

    server.refuse = refuse
    with pytest.raises(kind) as caught:
        await asyncio.wait_for(link_to(server.url, Seen()).run(), 20)
    assert caught.value.remedy
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert len(server.queries) == 1


@pytest.mark.parametrize("error_type", ["authentication_error", "authorization_error"])
async def test_an_error_event_and_a_disconnect_refuse_as_well(server, error_type):
    server.greets = False

    async def refuse(event, _):
        await server.send(ErrorReport(error_type, "not you"))
        await server.drop()

    seen = Seen()
    task = asyncio.create_task(link_to(server.url, seen).run())
    await server.until(lambda: server.sids)
    await refuse("connect", None)
    with pytest.raises((AuthenticationError, AuthorizationError)) as caught:
        await asyncio.wait_for(task, 20)
    assert caught.value.type == error_type


async def test_an_engine_of_the_servers_that_refuses_the_servers_key_is_no_refusal_of_the_client(server):
    """A session whose turn ended with such an error goes on: its connection is mended when it breaks later."""
    seen = Seen()
    async with running(link_to(server.url, seen)):
        await seen.until("on_up")
        await server.send(ErrorReport("authentication_error", "The thinking server does not accept the API key."))
        await server.send(AudioEnd(0))
        await server.drop()
        await seen.until("on_up", 2)


@contextlib.asynccontextmanager
async def http_server(handler):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, AuthorizationError), (404, ConnectionFailed), (500, ConnectionFailed)],
)
async def test_an_http_status_has_its_own_sentence(status, kind):
    async def answer(_):
        return web.Response(status=status)

    async with http_server(answer) as url:
        with pytest.raises(kind) as caught:
            await link_to(url, Seen()).run()
    assert caught.value.reason
    assert SECRET not in repr(caught.value)


async def test_a_websocket_that_is_no_socketio_server_is_told_as_such():
    async def answer(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        await socket.receive()
        return socket

    async with http_server(answer) as url:
        with pytest.raises(ConnectionFailed, match=r"no Socket\.IO server"):
            await link_to(url, Seen()).run()


@pytest.mark.parametrize(
    ("url", "said"),
    [("ws://127.0.0.1:1", "Nothing answers"), ("ws://no-such-host.invalid", "The host of"), ("ws://127.0.0.1:0", ".")],
)
async def test_a_server_that_is_not_there_has_its_own_sentence(url, said):
    with pytest.raises(ConnectionFailed, match=said) as caught:
        await link_to(url, Seen()).run()
    assert SECRET not in repr(caught.value)


async def test_plain_http_behind_wss_is_told():
    async def answer(_):
        return web.Response()

    async with http_server(answer) as url:
        with pytest.raises(ConnectionFailed, match="TLS"):
            await link_to(url.replace("ws://", "wss://"), Seen()).run()


@pytest.fixture
def endless_waits(monkeypatch):
    """No wait ends by itself."""
    monkeypatch.setattr(policy, "BACKOFF_FIRST_S", 3_600.0)
    monkeypatch.setattr(policy, "BACKOFF_MOST_S", 360_000.0)
    monkeypatch.setattr(link_module.random, "random", lambda: 1.0)


async def test_attempts_in_a_row_are_counted_and_a_hurry_ends_the_wait(endless_waits):
    seen = Seen()
    link = link_to("ws://127.0.0.1:1", seen, attempts=3)
    task = asyncio.create_task(link.run())
    for attempt in range(1, 3):
        await seen.until("on_retry", attempt)
        link.hurry()
    with pytest.raises(ConnectionFailed):
        await asyncio.wait_for(task, 20)
    assert seen.of("on_retry") == [(2, 3_600.0), (3, 3_600.0)], "a hurry makes the waits short again"


async def test_a_hurry_holds_for_one_attempt(endless_waits):
    seen = Seen()
    link = link_to("ws://127.0.0.1:1", seen, attempts=None)
    async with running(link):
        await seen.until("on_connecting")
        await seen.until("on_retry")
        link.hurry()
        await seen.until("on_retry", 2)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(seen.of("on_connecting")) == 2


async def test_a_refusal_ends_the_link_and_a_server_that_is_not_there_does_not(server):
    def refuse():
        raise Refused("authentication_error", {"type": "authentication_error", "message": "unknown key"})

    server.refuse = refuse
    seen = Seen()
    with pytest.raises(AuthenticationError):
        await asyncio.wait_for(link_to(server.url, seen, attempts=None).run(), 20)
    assert not seen.of("on_lost", "on_retry")


async def test_nothing_waits_any_more_once_the_connection_is_lost(server, endless_waits):
    seen = Seen()
    link = link_to(server.url, seen)
    async with running(link):
        await seen.until("on_up")
        link._connection._sender._outgoing.set = lambda: None  # as if the connection took nothing
        link.send(AudioChunk(bytes(3_200)))
        assert link.queued_s == pytest.approx(0.1)
        await server.drop()
        await seen.until("on_retry")
        assert link.queued_s == 0.0


async def test_a_malformed_payload_is_told_and_does_not_end_the_session(server):
    seen = Seen()
    async with running(link_to(server.url, seen)):
        await seen.until("on_up")
        await server.emit("response", {"text": 5})
        await server.emit("mood", {"happy": True})
        await server.emit("response")
        await server.send(Response("still here"))
        await server.until(lambda: server.sids)
        async with asyncio.timeout(20):
            while Response("still here") not in seen.of("on_message"):
                await asyncio.sleep(0)
    assert [error.event for error in seen.of("on_malformed")] == ["response", "response"]


def test_errors_know_their_exit_status():
    kinds = {error.type: error.exit_code for error in (SelamError, AuthenticationError, ConnectionFailed, SessionError)}
    assert kinds == {"internal_error": 1, "authentication_error": 3, "connection_error": 4, "session_error": 6}
