"""Who may connect: with which key, from which web page, to which namespace, and as long as there is room."""

import asyncio

import aiohttp
import pytest
import socketio

from selam_cli.core import protocol
from tests.agent.test_server import KEY, Caller, agent, caller


@pytest.mark.parametrize(
    ("query", "error_type"),
    [
        ({"api_key": None}, "authentication_error"),
        ({"api_key": "sk-selam-test-other"}, "authentication_error"),
        ({"voice": None}, "validation_error"),
    ],
)
async def test_a_refusal_tells_its_type_in_the_connect_error(query, error_type):
    async with agent() as (url, _):
        user = Caller()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await user.connect(url, **query)
        report = protocol.error_report(user.payloads("refused")[0])
        await user.sio.shutdown()
    assert report.type == error_type
    assert report.message


async def test_a_full_agent_says_so_and_has_room_again_when_somebody_leaves():
    async with agent(max_sessions=1) as (url, _):
        async with caller(url):
            late = Caller()
            with pytest.raises(socketio.exceptions.ConnectionError):
                await late.connect(url)
            assert "full" in protocol.error_report(late.payloads("refused")[0]).message
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while (await (await http.get(f"{url}/healthz")).json())["sessions"]:
                await asyncio.sleep(0.01)
        async with caller(url) as again:
            await again.until("connected")


@pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
async def test_a_web_page_may_not_connect_unless_its_origin_is_allowed(transports):
    page = {"Origin": "https://evil.example"}
    async with agent() as (url, _):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Caller().connect(url, headers=page, transports=transports)


async def test_what_a_proxy_might_say_of_a_page_is_not_believed():
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    async with agent(allow_origins=("https://good.example",)) as (url, _):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Caller().connect(url, headers={"Origin": "https://evil.example", **forwarded})


async def test_a_web_page_whose_origin_is_allowed_connects():
    page = {"Origin": "https://good.example"}
    async with agent(allow_origins=("https://good.example",)) as (url, _), caller(url, headers=page) as user:
        await user.until("connected")


async def test_no_other_namespace_is_served():
    async with agent() as (url, _):
        user = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        with pytest.raises(socketio.exceptions.ConnectionError, match="namespaces failed"):
            await user.connect(f"{url}?api_key={KEY}&voice=mekdes", namespaces=["/"], transports=["websocket"])
        await user.shutdown()
