import pytest

from selam_cli.core.protocol import MAX_MESSAGE, MAX_TEXT
from selam_cli.core.redaction import Redactor, redact, redact_url

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


@pytest.mark.parametrize(
    "unit", ["eyJ-", "eyJ.", "eyJa.eyJ-", "token: ", "bearer ", "://a", "sk-selam-", "%73", "\\u0073", "token "]
)
def test_no_text_takes_hours(unit):
    """One of these, 260,000 characters of what begins a key, would have outlasted any test's time."""
    text = unit * (MAX_TEXT // len(unit))
    redactor = Redactor.of(["sk-selam-test-9"])
    assert redactor.speech(text)
    assert redactor.line(text[:MAX_MESSAGE])


def test_a_token_of_the_usual_length_is_hidden():
    token = ".".join(("eyJ" + "a" * 200, "b" * 4_000, "c" * 300))
    assert redact(f"it is {token}, and {token}!") == "it is [hidden], and [hidden]!"
