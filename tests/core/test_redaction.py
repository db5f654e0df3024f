import pytest

from selam_cli.core.redaction import redact, redact_url

KEY = "sk-selam-test-4711"


@pytest.mark.parametrize(
    "text",
    [
        f"wss://api.selamgpt.com/socket.io/?api_key={KEY}&voice=mekdes",
        f"{{'api_key': '{KEY}'}}",
        f'{{"api_key": "{KEY}", "voice": "mekdes"}}',
        f"Authorization: Bearer {KEY}",
        f"the key {KEY} was refused",
        f"X-API-Key: {KEY}",
        f"token={KEY}",
    ],
)
def test_a_key_is_taken_out_wherever_it_stands(text):
    assert KEY not in redact(text)
    assert "hidden" in redact(text)


def test_what_stands_around_the_key_stays():
    assert redact(f"?api_key={KEY}&voice=mekdes") == "?api_key=[hidden]&voice=mekdes"


def test_a_secret_of_any_shape_is_taken_out_where_it_is_named():
    assert redact("it said hunter2!", "hunter2") == "it said [hidden]!"


def test_text_without_secrets_is_left_alone():
    assert redact("Nothing answers at ws://127.0.0.1:8765.") == "Nothing answers at ws://127.0.0.1:8765."


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://api.selamgpt.com/socket.io/?api_key=abc&voice=x#y", "wss://api.selamgpt.com/socket.io/"),
        ("ws://user:pass@127.0.0.1:8765", "ws://127.0.0.1:8765"),
        ("ws://[::1]:80/?a=b", "ws://[::1]:80/"),
        ("ws://host:port?api_key=abc", "ws://host:port"),
    ],
)
def test_an_address_is_shown_without_its_query_and_user(url, shown):
    assert redact_url(url) == shown
