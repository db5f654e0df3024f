"""Where a server is: what speaks against asking it, and how it is named without its secrets."""

from __future__ import annotations

import pytest

from selam_cli.agent.rest.endpoint import Endpoint, selam_service, unusable

KEY = "sk-selam-test-4711"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (Endpoint(""), "address cannot be read"),
        (Endpoint("127.0.0.1:8080/v1"), "address cannot be read"),
        (Endpoint("ftp://models.example/v1"), "address cannot be read"),
        (Endpoint("http://[::1/v1"), "address cannot be read"),
        (Endpoint("http://models.example:port/v1"), "address cannot be read"),
        (selam_service(""), "Set one in SELAM_API_KEY"),
        (Endpoint("https://models.example/v1", "two\nlines"), "characters that no key has"),
        (Endpoint("https://models.example/v1", "ቁልፍ"), "characters that no key has"),
        (Endpoint("https://me:secret@models.example/v1", KEY), "both an API key and a user"),
        (Endpoint("http://models.example/v1", KEY), "plain text"),
        (Endpoint("http://me:secret@models.example/v1"), "plain text"),
    ],
)
def test_what_cannot_be_used_says_why_and_what_to_do(endpoint, words):
    problem = unusable(endpoint)
    assert words in problem
    assert KEY not in problem
    assert "secret" not in problem


@pytest.mark.parametrize(
    "endpoint",
    [
        selam_service(KEY),
        Endpoint("http://127.0.0.1:8080/v1", KEY),
        Endpoint("http://localhost/v1", KEY),
        Endpoint("http://[::1]:8080/v1", KEY),
        Endpoint("http://models.example/v1"),
        Endpoint("http://models.example/v1", KEY, insecure=True),
        Endpoint("https://models.example/v1", KEY),
    ],
)
def test_what_can_be_used(endpoint):
    assert unusable(endpoint) is None


def test_a_resource_lies_below_the_base_and_keeps_its_query():
    endpoint = Endpoint("https://models.example/deployments/x/?api-version=7")
    assert str(endpoint.url("audio/speech")) == "https://models.example/deployments/x/audio/speech?api-version=7"


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        (Endpoint("https://me:secret@models.example:8443/v1?key=secret"), "models.example:8443"),
        (Endpoint("http://127.0.0.1:11434/v1", name="Ollama"), "Ollama at 127.0.0.1:11434"),
        (Endpoint("http://[::1]:80/v1"), "[::1]"),
        (Endpoint("http://[secret"), "the server"),
    ],
)
def test_a_server_is_shown_without_its_secrets(endpoint, shown):
    assert endpoint.shown == shown
    assert "secret" not in repr(endpoint)
