"""Finding Ollama: its address as its own program reads it, and the model that answers soonest."""

from __future__ import annotations

import pytest

from selam_cli.agent.llm.ollama import NotFound, base_address, find_ollama
from selam_cli.agent.llm.openai import ChatThinker
from selam_cli.agent.providers import Message, Prompt
from selam_cli.agent.rest.endpoint import unusable
from tests.support.openai_server import refuses, replies, says


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("192.168.1.7", "http://192.168.1.7:11434"),
        ("box.local:1234", "http://box.local:1234"),
        ("http://box.local", "http://box.local:80"),
        ("https://box.local", "https://box.local:443"),
        ("https://box.local:8443/ollama/", "https://box.local:8443/ollama"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("::1", "http://[::1]:11434"),
        ("[::]", "http://[::1]:11434"),
        ('"127.0.0.1"', "http://127.0.0.1:11434"),
    ],
)
def test_its_address(host, address):
    assert base_address(host) == address


def listed(*models: str, **families: str) -> dict[str, object]:
    return {"models": [{"name": model, "details": {"family": families.get(model, "llama")}} for model in models]}


@pytest.fixture
def environment(server):
    return {"OLLAMA_HOST": server.root_url}


@pytest.mark.parametrize(
    ("installed", "loaded", "wanted", "chosen"),
    [
        (["new:latest", "old:latest"], [], "", "new:latest"),
        (["new:latest", "old:latest"], ["old:latest"], "", "old:latest"),
        (["new:latest", "old:latest"], ["new:latest"], "old", "old:latest"),
        (["new:4b", "new:latest"], [], "new", "new:latest"),
        (["nomic-embed-text:latest", "new:latest"], ["nomic-embed-text:latest"], "", "new:latest"),
    ],
)
async def test_the_model_is_the_named_one_else_a_loaded_one_else_the_newest(
    rest, server, environment, installed, loaded, wanted, chosen
):
    server.answers["api/tags"] = replies(listed(*installed))
    server.answers["api/ps"] = replies(listed(*loaded))
    found = await find_ollama(rest, environment, wanted)
    assert (found.base_url, found.model, unusable(found)) == (server.base_url, chosen, None)
    server.answers["chat/completions"] = says("Hello.")
    answer = ChatThinker(rest, found).think(Prompt((Message("user", "Hi"),), "en"))
    assert [piece async for piece in answer] == ["Hello."]


async def test_a_model_that_embeds_is_known_by_its_family(rest, server, environment):
    server.answers["api/tags"] = replies(listed("minilm", minilm="bert"))
    assert "ollama pull" in (await find_ollama(rest, environment)).reason


async def test_an_old_one_that_cannot_tell_what_is_loaded(rest, server, environment):
    server.answers["api/tags"] = replies(listed("new"))
    server.answers["api/ps"] = refuses(404)
    assert (await find_ollama(rest, environment)).model == "new"


@pytest.mark.parametrize(
    "tags", [refuses(500), replies("<html></html>"), replies({"models": [5, {"name": 7}]}), replies(5)]
)
async def test_what_is_no_ollama_is_none(rest, server, environment, tags):
    server.answers["api/tags"] = tags
    server.answers["api/ps"] = refuses(500)
    assert isinstance(await find_ollama(rest, environment), NotFound)


async def test_a_model_that_it_lacks_is_named_with_the_way_to_get_it(rest, server, environment):
    server.answers["api/tags"] = replies(listed("new"))
    assert (await find_ollama(rest, environment, "gemma3:4b")).reason.endswith("ollama pull gemma3:4b.")


async def test_where_nothing_runs_it_says_how_to_start_it(rest, unused_tcp_port):
    found = await find_ollama(rest, {"OLLAMA_HOST": f"127.0.0.1:{unused_tcp_port}"})
    assert found == NotFound("Ollama does not run here. Start it with: ollama serve.")
