"""Thinking through an OpenAI-compatible server: what streams, what stops, and what a user is told when it fails."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest
from aiohttp import web

from selam_cli.agent.llm.openai import MAX_ANSWER_CHARACTERS, ChatThinker
from selam_cli.agent.providers import Message, Prompt
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.rest.sse import MAX_EVENT_BYTES
from tests.support.openai_server import (
    END,
    came_and_fault,
    drops,
    event,
    hangs,
    in_turn,
    refuses,
    replies,
    says,
    streams,
    streams_and_drops,
)

KEY = "sk-selam-test-4711"
CHAT = "chat/completions"
PROMPT = Prompt((Message("user", "Hello?"),), "en")


async def pieces_and_fault(thinker: ChatThinker, prompt: Prompt = PROMPT) -> tuple[list[str], EngineFault | None]:
    pieces, fault = await came_and_fault(thinker.think(prompt))
    assert fault is None or KEY not in fault.message
    return pieces, fault


@pytest.fixture
def thinker(rest, server):
    return ChatThinker(rest, server.endpoint())


# --- what is asked ----------------------------------------------------------------------------------------------------


async def test_the_server_is_asked_as_the_protocol_wants_it(server, thinker):
    server.answers[CHAT] = says("Hello.")
    history = (Message("user", "Hi"), Message("assistant", "Hey"), Message("user", "Hello?"))
    await pieces_and_fault(thinker, Prompt(history, "am", "Be brief."))
    request = server.received[0]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.json["model"] == "selam-turbo"
    assert request.json["stream"] is True
    system, *rest_of_them = request.json["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith("Be brief.")
    assert "Amharic" in system["content"]
    assert "spoken" in system["content"]
    assert rest_of_them == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hey"},
        {"role": "user", "content": "Hello?"},
    ]


async def test_a_server_without_a_key_is_sent_none(server, rest):
    server.answers[CHAT] = says("Hello.")
    await pieces_and_fault(ChatThinker(rest, server.endpoint(api_key=""), extra={"max_tokens": 50}))
    assert "Authorization" not in server.received[0].headers
    assert server.received[0].json["max_tokens"] == 50


async def test_a_server_whose_model_nobody_named_is_asked_for_one_once(server, rest):
    server.answers["models"] = replies({"data": [{"id": "nomic-embed-text"}, {"id": "gemma"}, {"id": "llama"}]})
    server.answers[CHAT] = says("Hello.")
    thinker = ChatThinker(rest, server.endpoint(model=""))
    await pieces_and_fault(thinker)
    await pieces_and_fault(thinker)
    assert [request.path for request in server.received] == ["/v1/models", f"/v1/{CHAT}", f"/v1/{CHAT}"]
    assert server.received[1].json["model"] == "gemma"
    assert thinker.name.startswith("gemma at ")


async def test_a_server_without_any_model_says_so(server, rest):
    server.answers["models"] = replies({"data": []})
    _, fault = await pieces_and_fault(ChatThinker(rest, server.endpoint(model="")))
    assert fault.type == "validation_error"
    assert "no model" in fault.message


# --- what comes -------------------------------------------------------------------------------------------------------


async def test_a_piece_is_passed_on_before_the_next_is_made(server, thinker):
    go_on = asyncio.Event()
    server.answers[CHAT] = streams(event(role="assistant"), event("Hel"), go_on, event("lo."), END)
    async with aclosing(thinker.think(PROMPT)) as answer:
        assert await anext(answer) == "Hel"
        go_on.set()
        assert [piece async for piece in answer] == ["lo."]


async def test_characters_may_be_split_anywhere(server, thinker):
    stream = event("ሰላም") + event(" ዓለም።") + END
    server.answers[CHAT] = streams(*(stream[at : at + 7] for at in range(0, len(stream), 7)))
    assert await pieces_and_fault(thinker) == (["ሰላም", " ዓለም።"], None)


async def test_thoughts_are_not_spoken(server, thinker):
    server.answers[CHAT] = streams(
        event(reasoning_content="hm"),
        event(reasoning="hm"),
        event("<thi"),
        event("nk>hm"),
        event("</think>\n\nYes"),
        event([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "."}]),
        END,
    )
    pieces, fault = await pieces_and_fault(thinker)
    assert ("".join(pieces), fault) == ("Yes.", None)


@pytest.mark.parametrize(
    "body",
    [
        event("Hello.") + event(finish_reason="stop"),
        event("Hello.") + b"data: [DONE]\n\n",
        event("Hello.") + event(finish_reason="stop").rstrip(),
        b": keep alive\n\n" + event("Hello.", "stop") + b'data: {"choices": [], "usage": {}}\n\n' + b"data: [DONE]\n\n",
        (event("Hello.") + END).replace(b"\n", b"\r\n"),
        event("Hello.") + event("", "stop") + b"data: what comes after the end is nobody's\n\n",
        event("Hello.\ud83d") + END,
        event(refusal="Hello.") + END,
    ],
)
async def test_servers_differ_in_how_they_end(server, thinker, body):
    server.answers[CHAT] = streams(body)
    assert await pieces_and_fault(thinker) == (["Hello."], None)


async def test_a_server_that_does_not_stream_is_understood(server, thinker):
    choice = {"message": {"role": "assistant", "content": "<think>hm</think>Hello."}, "finish_reason": "stop"}
    server.answers[CHAT] = replies({"choices": [choice]})
    assert await pieces_and_fault(thinker) == (["Hello."], None)


async def test_a_connection_is_used_again(server, thinker):
    server.answers[CHAT] = says("Hello.")
    for _ in range(3):
        await pieces_and_fault(thinker)
    assert len({request.arrived_on for request in server.received}) == 1


async def test_a_connection_that_the_server_gave_up_meanwhile_is_replaced(server, thinker):
    server.answers[CHAT] = in_turn(says("One."), drops, says("Two."))
    assert await pieces_and_fault(thinker) == (["One."], None)
    assert await pieces_and_fault(thinker) == (["Two."], None)


# --- what stops -------------------------------------------------------------------------------------------------------


async def test_closing_the_answer_closes_the_connection(server, thinker):
    server.answers[CHAT] = streams(event("One"), then_hangs=True)
    answer = thinker.think(PROMPT)
    assert await anext(answer) == "One"
    await answer.aclose()
    await asyncio.wait_for(server.received[0].gone.wait(), 60)


@pytest.mark.parametrize("answer", [hangs, streams(event("One"), then_hangs=True)])
async def test_cancelling_the_answer_closes_the_connection(server, thinker, answer):
    server.answers[CHAT] = answer
    thinking = asyncio.create_task(pieces_and_fault(thinker))
    request = await server.request()
    thinking.cancel()
    await asyncio.wait({thinking})
    assert thinking.cancelled()
    await asyncio.wait_for(request.gone.wait(), 60)


async def test_closing_the_client_closes_everything(server):
    rest = RestClient()
    server.answers[CHAT] = streams(event("One"), then_hangs=True)
    answer = ChatThinker(rest, server.endpoint()).think(PROMPT)
    await anext(answer)
    await rest.close()
    await asyncio.wait_for(server.received[0].gone.wait(), 60)
    with pytest.raises(EngineFault, match="broke off"):
        await anext(answer)
    with pytest.raises(EngineFault, match="ending"):
        await anext(ChatThinker(rest, server.endpoint()).think(PROMPT))
    await rest.close()


# --- what fails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error_type", "words"),
    [
        (refuses(400, "temperature is wrong"), "validation_error", "temperature is wrong"),
        (refuses(400, "API key not valid"), "authentication_error", "does not accept the API key"),
        (refuses(401, f"Incorrect key {KEY}"), "authentication_error", "does not accept the API key"),
        (refuses(402, "pay"), "authorization_error", "no credit"),
        (refuses(403, f"{KEY} may not"), "authorization_error", "It says: [hidden] may not."),
        (refuses(404, "gone"), "validation_error", "/chat/completions"),
        (
            refuses(404, "The model does not exist", code="model_not_found"),
            "validation_error",
            "no model 'selam-turbo'",
        ),
        (refuses(404, 'model "selam-turbo" not found'), "validation_error", "no model 'selam-turbo'"),
        (refuses(422, "x", type="session_error"), "session_error", "It says: x."),
        (refuses(413, "x"), "validation_error", "too long"),
        (refuses(429, "slow down"), "session_error", "Try again in a moment."),
        (refuses(429, "x", {"Retry-After": "30"}), "session_error", "Try again in 30 s."),
        (refuses(429, "x", {"Retry-After": "600"}), "session_error", "Try again in 10 minutes."),
        (refuses(429, "x", {"Retry-After": "soon"}), "session_error", "Try again in a moment."),
        (
            refuses(
                429, "x", {"Retry-After": "Wed, 21 Oct 2015 07:28:40 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
            ),
            "session_error",
            "Try again in 40 s.",
        ),
        (refuses(429, "x", code="insufficient_quota"), "authorization_error", "no credit"),
        (refuses(500, "boom\x1b[2J"), "session_error", "It says: boom\\x1b[2J."),
        (refuses(503, "x", {"Retry-After": "7"}), "session_error", "Try again in 7 s"),
        (replies("<html><h1>Bad gateway</h1></html>", 502), "session_error", "HTTP status 502"),
        (replies({"detail": [{"loc": ["body"], "msg": "missing"}]}, 422), "validation_error", "missing"),
        (replies([], 400), "validation_error", "refused the request"),
        (replies("x" * 200_000, 500), "session_error", "failed"),
        (replies("[" * 100_000, 500), "session_error", "failed"),
        (replies("", 204), "session_error", "HTTP status 204"),
        (drops, "session_error", "closed the connection"),
    ],
)
async def test_a_refusal_is_told_as_what_it_means(server, thinker, answer, error_type, words):
    server.answers[CHAT] = answer
    pieces, fault = await pieces_and_fault(thinker)
    assert (pieces, fault.type) == ([], error_type)
    assert words in fault.message
    assert "127.0.0.1" in fault.message
    assert len(fault.message) < 500


async def test_a_missing_key_is_asked_for_where_it_is_set(server, rest):
    server.answers[CHAT] = refuses(401)
    _, fault = await pieces_and_fault(ChatThinker(rest, server.endpoint(api_key="", key_source="SELAM_API_KEY")))
    assert fault.type == "authentication_error"
    assert "wants an API key. Set one in SELAM_API_KEY." in fault.message


@pytest.mark.parametrize("body", [event("Hello") + event("."), event("Hello.")[:-9]])
async def test_an_answer_that_breaks_off_stands_as_far_as_it_came(server, thinker, body):
    server.answers[CHAT] = streams_and_drops(event("One. "), body)
    pieces, fault = await pieces_and_fault(thinker)
    assert "".join(pieces).startswith("One. ")
    assert fault.type == "session_error"


@pytest.mark.parametrize(
    "wrong",
    [
        b'data: {"choices": [\n\n',
        b"data: 5\n\n",
        b"data: [[[[\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"choices": "none"}\n\n',
        b'data: {"choices": [5]}\n\n',
        b'data: {"choices": [{"delta": 5}]}\n\n',
        b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
        b'data: {"error": {"message": "out of memory"}}\n\n',
        b'data: {"error": "out of memory"}\n\n',
        b"data: " + b"x" * (MAX_EVENT_BYTES + 1),
        b"x" * (MAX_EVENT_BYTES + 1),
        event("x" * (MAX_ANSWER_CHARACTERS + 1)),
    ],
)
async def test_garbage_in_the_middle_is_one_error_after_what_came(server, thinker, wrong):
    server.answers[CHAT] = streams(event("One. "), wrong, event("Two."), END)
    pieces, fault = await pieces_and_fault(thinker)
    assert pieces == ["One. "]
    assert fault.type == "session_error"


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        (b'data: {"error": {"message": "x", "code": 429}}\n\n', "session_error"),
        (b'data: {"error": {"message": "x", "code": 401}}\n\n', "authentication_error"),
        (b'data: {"error": {"message": "x", "type": "authorization_error"}}\n\n', "authorization_error"),
        (b'data: {"error": {"message": "x", "code": "odd"}}\n\n', "session_error"),
    ],
)
async def test_an_error_within_the_stream_keeps_its_meaning(server, thinker, body, error_type):
    server.answers[CHAT] = streams(body)
    _, fault = await pieces_and_fault(thinker)
    assert fault.type == error_type


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (streams(b"<html>Welcome</html>", content_type="text/html"), "none of the OpenAI protocol's"),
        (streams(b"<html>Welcome</html>"), "none of the OpenAI protocol's"),
        (streams(b""), "none of the OpenAI protocol's"),
        (replies({"choices": []}), "none of the OpenAI protocol's"),
        (replies([1]), "none of the OpenAI protocol's"),
        (replies("{", headers={"Content-Type": "application/json"}), "none of the OpenAI protocol's"),
        (streams(END), "empty answer"),
        (streams(event(finish_reason="content_filter")), "withheld"),
        (streams(event("<think>hm"), event(finish_reason="length")), "thinking"),
    ],
)
async def test_no_answer_is_told(server, thinker, answer, words):
    server.answers[CHAT] = answer
    pieces, fault = await pieces_and_fault(thinker)
    assert (pieces, fault.type) == ([], "session_error")
    assert words in fault.message


NO_HEAD_OR_BODY = TimeOuts(first_byte_s=0.3)
NO_MORE = TimeOuts(between_s=0.3)


@pytest.mark.parametrize(
    ("answer", "time_outs", "came"),
    [
        (hangs, NO_HEAD_OR_BODY, []),
        (streams(then_hangs=True), NO_HEAD_OR_BODY, []),
        (streams(event("One"), then_hangs=True), NO_MORE, ["One"]),
        (streams(event("One") + b": still here\n\n" * 3, then_hangs=True), NO_MORE, ["One"]),
    ],
)
async def test_a_server_that_hangs_is_told_and_left(server, answer, time_outs, came):
    rest = RestClient(time_outs)
    server.answers[CHAT] = answer
    pieces, fault = await pieces_and_fault(ChatThinker(rest, server.endpoint()))
    assert (pieces, fault.type) == (came, "session_error")
    assert "did not answer in time" in fault.message
    request = await server.request()
    await asyncio.wait_for(request.gone.wait(), 60)
    await rest.close()


async def test_a_server_that_keeps_a_connection_alive_for_ever_is_left(server):
    async def heartbeat(request, _):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.02)

    rest = RestClient(TimeOuts(waiting_s=0.3))
    server.answers[CHAT] = heartbeat
    _, fault = await pieces_and_fault(ChatThinker(rest, server.endpoint()))
    assert "did not answer in time" in fault.message
    await rest.close()


async def test_a_short_wait_is_waited_for_once(server, thinker):
    busy = refuses(429, "x", {"Retry-After": "0"})
    server.answers[CHAT] = in_turn(busy, says("Hello."))
    assert await pieces_and_fault(thinker) == (["Hello."], None)
    server.answers[CHAT] = in_turn(busy, busy, says("Hello."))
    _, fault = await pieces_and_fault(thinker)
    assert "takes no more requests" in fault.message


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {"retry-after-ms": "20"}])
async def test_a_wait_is_as_long_as_the_server_says(server, thinker, monkeypatch, headers):
    waits = []
    monkeypatch.setattr(
        "selam_cli.agent.rest.client.asyncio.sleep", lambda seconds: waits.append(seconds) or _nothing()
    )
    server.answers[CHAT] = in_turn(refuses(429, "x", headers), says("Hello."))
    assert await pieces_and_fault(thinker) == (["Hello."], None)
    assert waits == [1.0 if "Retry-After" in headers else 0.02]


async def _nothing():
    return None


async def test_a_stranger_s_json_may_hold_anything(server, thinker):
    odd = {"choices": [{"delta": {"content": None, "tool_calls": [{"id": 1}]}, "finish_reason": None}], "error": None}
    server.answers[CHAT] = streams(b"data: " + json.dumps(odd).encode() + b"\n\n", event("Hello."), END)
    assert await pieces_and_fault(thinker) == (["Hello."], None)
