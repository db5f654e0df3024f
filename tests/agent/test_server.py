"""The embedded agent over real Socket.IO, spoken to by python-socketio's client."""

import asyncio
import socket as sockets
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import numpy as np
import pytest
import socketio

from selam_cli.agent import server
from selam_cli.agent.echo_responder import Echo
from selam_cli.agent.serve_settings import ServeSettings
from selam_cli.agent.server import serve
from selam_cli.core import protocol
from selam_cli.core.protocol import Action, AudioChunk, Control, EndSession, StartSession
from selam_cli.errors import SelamError
from tests.support.speech import correlation, spoken, trimmed

KEY = "sk-selam-test-agent"
CLOSING = bytes(2 * 16_000)


@asynccontextmanager
async def agent(metrics=None, **changes):
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = ServeSettings(port=0, keys=frozenset({KEY}), **changes)
    task = asyncio.create_task(serve(settings, Echo(), on_ready=port.set_result, stop=stop, metrics=metrics))
    try:
        yield f"http://127.0.0.1:{await port}", stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


class Caller:
    """A client that knows only the wire."""

    def __init__(self):
        self.heard = []
        self._changed = asyncio.Event()
        self.sio = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.sio.on("*", self._on_event, namespace=protocol.NAMESPACE)
        self.sio.on("connect_error", self._on_refused, namespace=protocol.NAMESPACE)
        self.sio.on("disconnect", lambda *_: self._on_event("disconnect"), namespace=protocol.NAMESPACE)

    def _on_event(self, event, payload=None):
        self.heard.append((event, payload))
        self._changed.set()

    def _on_refused(self, reason=None):
        self._on_event("refused", reason)

    async def connect(self, url, headers=None, transports=("websocket",), **query):
        query = {"api_key": KEY, "voice": "mekdes", **query}
        query = urlencode({name: value for name, value in query.items() if value is not None})
        await self.sio.connect(
            f"{url}?{query}", headers=headers or {}, namespaces=[protocol.NAMESPACE], transports=list(transports)
        )

    async def say(self, *messages):
        for message in messages:
            await self.emit(*protocol.encode(message))

    async def emit(self, event, payload=None):
        await self.sio.emit(event, payload, namespace=protocol.NAMESPACE)

    async def until(self, event, count=1):
        async with asyncio.timeout(120):
            while len(self.payloads(event)) < count:
                await self.more()
        return self.payloads(event)[count - 1]

    async def more(self):
        """Wait for whatever comes next."""
        self._changed.clear()
        await self._changed.wait()

    def payloads(self, event):
        return [payload for heard, payload in self.heard if heard == event]

    @property
    def order(self):
        """The events heard, each run of the same kind as one."""
        names = [event for event, _ in self.heard]
        return [name for name, before in zip(names, [None, *names], strict=False) if name != before]

    @property
    def reply(self):
        chunks = [protocol.decode_server("audio_chunk", payload).audio for payload in self.payloads("audio_chunk")]
        return np.frombuffer(b"".join(chunks), "<i2")


@asynccontextmanager
async def caller(url, session=None, **options):
    someone = Caller()
    await someone.connect(url, **options)
    try:
        if session is not None:
            await someone.until("connected")
            await someone.say(session)
            await someone.until("session_started")
        yield someone
    finally:
        await someone.sio.disconnect()


def chunks(samples, size=1_600):
    return [AudioChunk(samples[start : start + size].tobytes()) for start in range(0, len(samples), size)]


def sentence():
    return spoken("The birch canoe slid on the smooth planks.")


def remark():
    """Ten seconds, so that its echo is still far from its end when a slow machine gets round to interrupting it."""
    return np.tile(sentence(), 4)


async def test_a_whole_turn_is_heard_and_played_back():
    said = sentence()
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(*chunks(said), AudioChunk(CLOSING))
        end = await user.until("audio_end")
        await user.say(EndSession())
        ended = await user.until("session_ended")
    assert user.order[:7] == [
        "connected", "session_started", "transcription", "response", "audio_chunk", "audio_end", "session_ended",
    ]  # fmt: skip
    started = user.payloads("session_started")[0]
    assert ended == {"session_id": started["session_id"], "status": "ended"}
    transcription = user.payloads("transcription")[0]
    assert transcription["is_final"] is True
    assert transcription["text"].endswith("s of speech, not transcribed)")
    assert user.payloads("response")[0]["text"].startswith("You spoke for ")
    assert end["total_chunks"] == len(user.payloads("audio_chunk"))
    assert {(p["format"], p["sample_rate"]) for p in user.payloads("audio_chunk")} == {("pcm16", 16_000)}
    assert correlation(trimmed(said), user.reply)[0] >= 0.99


async def test_the_reply_is_paced_and_an_interrupt_stops_it_before_the_acknowledgement():
    said = remark()
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(*chunks(said), AudioChunk(CLOSING))
        await user.until("audio_chunk")
        await user.say(Control(Action.INTERRUPT))
        assert await user.until("control_ack") == {"action": "interrupt", "status": "executed"}
        sent = len(user.payloads("audio_chunk"))
        assert user.payloads("audio_end") == [{"total_chunks": sent}]
        await user.say(Control(Action.STOP_LISTENING))
        await user.until("control_ack", 2)
        assert len(user.payloads("audio_chunk")) == sent
    assert sent * 1_600 < len(said) / 2, "a reply that was sent at once cannot be called back"


async def test_speech_over_a_reply_interrupts_it():
    said = remark()
    async with agent() as (url, _), caller(url, StartSession("mekdes", interrupt_threshold=8)) as user:
        await user.say(*chunks(said), AudioChunk(CLOSING))
        await user.until("audio_chunk")
        await user.say(*chunks(spoken("Stop, please stop now.")))
        await user.until("audio_end")
        cut_at = user.payloads("audio_end")[0]["total_chunks"]
        await user.say(AudioChunk(CLOSING))
        await user.until("transcription", 2)
    assert cut_at * 1_600 < len(said)


async def test_pause_freezes_the_reply_and_resume_goes_on_with_it():
    said = sentence()
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(*chunks(said), AudioChunk(CLOSING))
        await user.until("audio_chunk")
        await user.say(Control(Action.PAUSE))
        await user.until("control_ack")
        frozen = len(user.payloads("audio_chunk"))
        await user.say(Control(Action.PAUSE))
        await user.until("control_ack", 2)
        assert len(user.payloads("audio_chunk")) == frozen
        await user.say(Control(Action.RESUME))
        await user.until("audio_end")
    assert correlation(trimmed(said), user.reply)[0] >= 0.99


async def test_stop_listening_drops_what_was_being_said():
    said = sentence()
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(*chunks(said), Control(Action.STOP_LISTENING), *chunks(said), AudioChunk(CLOSING))
        await user.say(Control(Action.START_LISTENING), AudioChunk(CLOSING), Control(Action.INTERRUPT))
        await user.until("control_ack", 3)
        assert not user.payloads("transcription")
        await user.say(*chunks(said), AudioChunk(CLOSING))
        await user.until("transcription")


@pytest.mark.parametrize("threshold", [30_000])
async def test_a_vad_threshold_that_nobody_reaches_hears_nothing(threshold):
    async with agent() as (url, _), caller(url, StartSession("mekdes", vad_threshold=threshold)) as user:
        await user.say(*chunks(sentence()), AudioChunk(CLOSING), Control(Action.INTERRUPT))
        await user.until("control_ack")
        assert not user.payloads("transcription")


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("control", {"action": "dance"}),
        ("control", None),
        ("control", 7),
        ("audio_chunk", {"audio": "not base64!", "format": "pcm16", "sample_rate": 16_000}),
        ("audio_chunk", {"audio": "AQA=", "format": "mp3"}),
        ("audio_chunk", {"audio": "AQA=", "sample_rate": 44_100}),
        ("audio_chunk", None),
    ],
)
async def test_a_bad_payload_is_a_validation_error_and_the_session_goes_on(event, payload):
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.emit(event, payload)
        error = await user.until("error")
        assert error["type"] == "validation_error"
        assert error["message"]
        await user.say(Control(Action.INTERRUPT))
        await user.until("control_ack")


@pytest.mark.parametrize(
    "payload",
    [{}, {"voice": 3}, {"voice": "mekdes", "language": "xx"}, {"voice": "mekdes", "vad_threshold": 99_999}, None],
)
async def test_a_session_with_bad_parameters_is_not_started(payload):
    async with agent() as (url, _), caller(url) as user:
        await user.emit("start_session", payload)
        assert (await user.until("error"))["type"] == "validation_error"
        assert not user.payloads("session_started")


@pytest.mark.parametrize("language", ["am-ET", "AM", "amh", "Amharic", "አማርኛ"])
async def test_a_session_may_name_its_language_in_any_writing(language):
    async with agent() as (url, _), caller(url) as user:
        await user.emit("start_session", {"voice": "Mekdes", "language": language})
        await user.until("session_started")
        assert not user.payloads("error")


async def test_one_connection_carries_one_session_at_a_time():
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(StartSession("ubax"))
        assert (await user.until("error"))["type"] == "session_error"
        await user.say(EndSession())
        await user.until("session_ended")
        await user.say(StartSession("ubax"))
        await user.until("session_started", 2)


async def test_audio_before_a_session_is_told_once():
    async with agent() as (url, _), caller(url) as user:
        await user.say(*chunks(np.ones(16_000, np.int16)))
        await user.say(StartSession("mekdes"))
        await user.until("session_started")
    assert [error["type"] for error in user.payloads("error")] == ["session_error"]


async def test_a_chunk_that_is_far_too_long_is_told_and_the_session_goes_on():
    async with agent() as (url, _), caller(url, StartSession("mekdes")) as user:
        await user.say(AudioChunk(bytes(1_500_000)), Control(Action.INTERRUPT))
        await user.until("control_ack")
    assert [error["type"] for error in user.payloads("error")] == ["validation_error"]


def takes_little(address):
    """Make a socket for which little waits on its way, so that who does not read is soon known not to."""
    made = sockets.socket(*address[:3])
    made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    return made


@asynccontextmanager
async def bare_socket(url, *, join=True, key=KEY):
    """A WebSocket that offers compression; its packets are read as they come."""
    query = urlencode({"EIO": 4, "transport": "websocket", "api_key": key, "voice": "mekdes"})
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=takes_little)) as http,
        http.ws_connect(f"{url}/socket.io/?{query}", compress=15, autoping=False) as socket,
    ):
        assert (await socket.receive_str(timeout=60)).startswith("0")
        if join:
            await socket.send_str(f"40{protocol.NAMESPACE},")
        yield socket


async def test_the_greeting_comes_after_the_namespace_is_up_and_nothing_is_compressed():
    async with agent() as (url, _), bare_socket(url) as socket:
        assert (await socket.receive_str(timeout=60)).startswith(f"40{protocol.NAMESPACE},")
        assert (await socket.receive_str(timeout=60)).startswith(f'42{protocol.NAMESPACE},["connected",')
        assert socket.compress == 0


async def test_a_client_that_floods_and_takes_no_answer_is_let_go(monkeypatch):
    listen = sockets.socket.listen

    def listen_and_send_little(self, *waiting):
        self.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4_096)  # the connections' as well, or it grows to MBs
        listen(self, *waiting)

    monkeypatch.setattr(sockets.socket, "listen", listen_and_send_little)
    wrong = f'42{protocol.NAMESPACE},["control",{{"action":"{"x" * 200}"}}]'
    async with agent() as (url, _), bare_socket(url) as socket, caller(url) as other:
        await other.until("connected")
        await socket.send_str(f'42{protocol.NAMESPACE},["start_session",{{"voice":"mekdes"}}]')

        async def flood():
            while True:
                await socket.send_str(wrong)

        with pytest.raises((ConnectionError, aiohttp.ClientError)):
            await asyncio.wait_for(flood(), 60)
        await other.say(StartSession("mekdes"))
        await other.until("session_started")


async def test_when_the_agent_stops_every_session_is_told():
    async with (
        agent() as (url, stop),
        caller(url, StartSession("mekdes")) as one,
        caller(url, StartSession("ubax")) as two,
    ):
        stop.set()
        for user in (one, two):
            assert (await user.until("session_ended"))["status"] == "ended"


async def test_a_port_that_is_taken_is_told_in_a_sentence():
    async with agent() as (url, _):
        port = int(url.rpartition(":")[2])
        with pytest.raises(SelamError, match=f"cannot listen on 127.0.0.1:{port}"):
            await serve(ServeSettings(port=port), Echo(), on_ready=lambda _: None, stop=asyncio.Event())


async def test_a_client_that_vanishes_leaves_nothing_behind():
    async with agent() as (url, _):
        for _ in range(5):
            async with caller(url, StartSession("mekdes")) as user:
                await user.say(*chunks(sentence()), AudioChunk(CLOSING))
                await user.until("audio_chunk")
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while (await (await http.get(f"{url}/healthz")).json())["sessions"]:
                await asyncio.sleep(0.01)
        left = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}
        assert not left & {"Client._send_outbox", "Conversation._answer"}


async def test_a_client_that_has_just_left_is_not_waited_for_at_the_end(monkeypatch):
    monkeypatch.setattr(server, "GOODBYE_S", 600)
    async with agent() as (url, _), caller(url, StartSession("mekdes")):
        pass
