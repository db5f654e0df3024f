"""The agent while its service is away: who answers, what is said of it, and that the service is asked again."""

import asyncio
import socket

import aiohttp
import pytest

from selam_cli.agent import provider_choice
from selam_cli.agent.pipeline import Engines, Pipeline
from selam_cli.agent.provider_choice import choose_engines
from selam_cli.agent.providers import Message, Prompt
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.faults import Unreachable
from selam_cli.agent.spare import Reach, SynthesizerWithSpares, ThinkerWithSpare
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.credentials.handshake import Credentials
from tests.agent.test_pipeline import Ears, Mind, dialogue, shown, turn
from tests.support.openai_server import event, openai_server, streams

AWAY = Unreachable("session_error", "The host of api.selamgpt.com is not known. Check the network.")
PROMPT = Prompt((Message("user", "What time is it?"),), "en")
KEY = Credentials(api_key="sk-selam-test-4711")
NOBODY = {"OLLAMA_HOST": "127.0.0.1:9"}


class Voice:
    """Speaks what it is given; an exception is raised."""

    name = "test voice"

    def __init__(self, sound, languages=("en", "so")):
        self.sound = sound
        self.languages = frozenset(languages)

    async def speak(self, text, language, voice):
        if isinstance(self.sound, Exception):
            raise self.sound
        yield self.sound

    def silence(self, language):
        return "It is silent."

    async def close(self):
        pass


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
async def reach(closed_port):
    reach = Reach(Endpoint(f"http://127.0.0.1:{closed_port}/v1"), [60])
    yield reach
    await reach.close()


async def thought(thinker):
    return "".join([piece async for piece in thinker.think(PROMPT)])


async def spoken(voice, language="en"):
    return b"".join([piece async for piece in voice.speak("One.", language, "aria")])


async def test_while_it_is_away_the_next_thinker_answers_and_the_service_is_left_alone(reach):
    first = Mind(AWAY)
    thinker = ThinkerWithSpare(first, Mind("It is noon."), reach)
    assert await thought(thinker) == "It is noon."
    assert await thought(thinker) == "It is noon."
    assert len(first.prompts) == 1, "a turn does not wait for what is known to be away"
    assert thinker.instead() == "test mind answers"


async def test_in_the_last_place_what_was_understood_is_repeated(reach):
    assert await thought(ThinkerWithSpare(Mind(AWAY), None, reach)) == "You said: What time is it?"


@pytest.mark.parametrize("pieces", [(EngineFault("authentication_error", "No."),), ("It is", AWAY)])
async def test_what_the_service_says_itself_and_what_broke_off_is_told_as_ever(reach, pieces):
    with pytest.raises(EngineFault):
        await thought(ThinkerWithSpare(Mind(*pieces), Mind("It is noon."), reach))


async def test_a_voice_that_is_away_is_replaced_by_the_next_for_the_language(reach):
    voice = SynthesizerWithSpares(
        Voice(AWAY), lambda: [Voice(b"no", languages=("am",)), Voice(b"here", languages=("en",))], reach
    )
    assert await spoken(voice) == b"here"
    assert await spoken(voice, "so") == b""
    assert voice.instead("so") == "answers are text only"


async def test_it_is_used_again_as_soon_as_it_is_found():
    not_yet = socket.socket()  # taken, so that nobody else is found there
    not_yet.bind(("127.0.0.1", 0))
    reach = Reach(Endpoint(f"http://127.0.0.1:{not_yet.getsockname()[1]}/v1"), [0.02])
    await reach.look(10)
    assert isinstance(reach.fault, Unreachable)
    thinker = ThinkerWithSpare(Mind("It is noon."), None, reach)
    assert await thought(thinker) == "You said: What time is it?"

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, sock=not_yet):
        async with asyncio.timeout(30):
            while reach.fault is not None:
                await asyncio.sleep(0.01)
    assert await thought(thinker) == "It is noon."
    await reach.close()


async def test_a_network_that_drops_everything_costs_one_turn_a_moment_and_the_next_ones_nothing(monkeypatch):
    """As of a name server that never answers."""
    hung = []

    async def hang(*_, **__):
        hung.append(asyncio.current_task())
        await asyncio.Event().wait()

    monkeypatch.setattr(aiohttp.TCPConnector, "_resolve_host", hang)
    monkeypatch.setattr(provider_choice, "CONNECT_WITHIN_S", 0.2)
    monkeypatch.setattr(provider_choice, "WITHIN_S", 0.01)
    engines = await choose_engines(AgentSettings(stt="none", tts="none"), KEY, NOBODY)
    assert await thought(engines.thinker) == "You said: What time is it?"
    after_one = len(hung)
    assert await thought(engines.thinker) == "You said: What time is it?"
    assert len(hung) == after_one
    assert "did not answer in time" in engines.absence("en")
    await engines.close()


async def test_without_a_network_the_greeting_says_so_and_a_named_engine_fails_as_it_is(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    engines = await choose_engines(AgentSettings(stt="none", tts="none"), KEY, NOBODY)
    assert engines.absence("en") == (
        "api.selamgpt.com cannot be reached (Nothing answers at the proxy 127.0.0.1:1). "
        "Until it can, what was understood is repeated."
    )
    await engines.close()
    engines = await choose_engines(AgentSettings(stt="none", llm="selam", tts="selam"), KEY, NOBODY)
    assert engines.absence("en") == ""
    with pytest.raises(EngineFault):
        await thought(engines.thinker)
    await engines.close()


async def test_ollama_answers_while_the_service_is_away(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    async with openai_server() as server:
        server.answers["chat/completions"] = streams(event("Noon."), event(finish_reason="stop"))
        monkeypatch.setattr(provider_choice, "find_ollama", lambda *_: _found(server.endpoint(name="Ollama")))
        engines = await choose_engines(AgentSettings(stt="none", tts="none"), KEY, NOBODY)
        assert await thought(engines.thinker) == "Noon."
        assert "Ollama" in engines.absence("en")
        await engines.close()


async def _found(endpoint):
    return endpoint


async def test_that_it_is_away_is_said_in_the_greeting_and_once_an_outage():
    away = [""]
    engines = Engines((Ears("one", "two", "three", "four", "five"),), Mind("Yes."), absence=lambda _: away[0])
    assert "away" not in Pipeline(engines).greeting("aria")
    talk, said = dialogue(engines), []
    for is_away in ("", "It is away.", "It is away.", "", "It is away."):
        away[0] = is_away
        said.append(shown((await turn(talk))[1])[-1])
    assert ["away" in text for text in said] == [False, True, False, False, True]
    assert Pipeline(engines).greeting("aria").endswith("It is away.")
