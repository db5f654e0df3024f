"""Which proxy an address has, as a table."""

import pytest

from selam_cli.core.loopback import is_loopback
from selam_cli.core.proxy import choose_proxy, is_excepted
from selam_cli.core.redaction import Redactor, secrets_of_environment
from selam_cli.errors import UsageFault

HTTP, HTTPS, ALL = "http://plain:1", "http://secure:2", "socks5h://all:3"
EVERY = {"HTTP_PROXY": HTTP, "HTTPS_PROXY": HTTPS, "ALL_PROXY": ALL}


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("wss://host", EVERY, "secure:2"),
        ("https://host/v1", EVERY, "secure:2"),
        ("ws://host", EVERY, "plain:1"),
        ("HTTP://host", EVERY, "plain:1"),
        ("wss://host", {"HTTP_PROXY": HTTP}, None),
        ("ws://host", {"HTTPS_PROXY": HTTPS}, None),
        ("wss://host", {"ALL_PROXY": ALL}, "all:3"),
        ("ws://host", {"all_proxy": ALL, "HTTPS_PROXY": HTTPS}, "all:3"),
        ("wss://host", {"https_proxy": "lower:4", "HTTPS_PROXY": HTTPS}, "lower:4"),
        ("wss://host", {"https_proxy": "", "HTTPS_PROXY": HTTPS}, None),
        ("wss://host", {"https_proxy": " ", "ALL_PROXY": ALL}, "all:3"),
        ("wss://host", {"HTTPS_PROXY": '"http://quoted:5"'}, "quoted:5"),
        ("wss://host", {"HTTPS_PROXY": "bare:3128"}, "bare:3128"),
        ("wss://host", {"HTTPS_PROXY": "bare"}, "bare:80"),
        ("wss://host", {"HTTPS_PROXY": "https://bare/"}, "bare:443"),
        ("wss://host", {"HTTPS_PROXY": "socks5://bare"}, "bare:1080"),
        ("wss://host", {"HTTPS_PROXY": "http://[2001:db8::5]:3128"}, "[2001:db8::5]:3128"),
        ("wss://host", {"Https_Proxy": HTTPS}, "secure:2"),
        ("wss://host", {}, None),
        ("file:///x", EVERY, None),
        ("wss://", EVERY, None),
        *((f"ws://{host}:8765", EVERY, None) for host in ("127.0.0.1", "127.9.8.7", "[::1]", "localhost", "LOCALHOST.",
                                                         "a.localhost", "[::ffff:127.0.0.1]", "127.1")),
        ("ws://127.0.0.1.example.org", EVERY, "plain:1"),
        ("wss://host", {**EVERY, "NO_PROXY": "host"}, None),
        ("wss://host", {**EVERY, "NO_PROXY": "host", "no_proxy": ""}, "secure:2"),
        ("wss://host", {**EVERY, "no_proxy": "other, host"}, None),
        ("wss://host", {**EVERY, "NO_PROXY": "host:443"}, None),
        ("wss://host:8443", {**EVERY, "NO_PROXY": "host:443"}, "secure:2"),
    ],
)  # fmt: skip
def test_the_variables_name_it(url, environment, expected):
    chosen = choose_proxy(url, environment)
    assert (chosen and chosen.shown) == expected


@pytest.mark.parametrize(
    ("host", "listed", "excepted"),
    [
        ("example.org", "*", True),
        ("example.org", "a, *", True),
        ("example.org", "example.org", True),
        ("EXAMPLE.org.", "Example.ORG", True),
        ("voice.example.org", "example.org", True),
        ("voice.example.org", ".example.org", True),
        ("example.org", ".example.org", True),
        ("voice.example.org", "*.example.org", True),
        ("myexample.org", "example.org", False),
        ("example.org.evil", "example.org", False),
        ("example.org", "voice.example.org", False),
        ("example.org", "a b\texample.org,,", True),
        ("example.org", "", False),
        ("example.org", ".,:,*.", False),
        ("example.org", "https://example.org/", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.33", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3/8", True),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", "10.1.2.3:8000", True),
        ("10.1.2.3", "10.1.2.3:8001", False),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("2001:db8::1", "[2001:db8::1]:8000", True),
        ("2001:db8::1", "[2001:db8::1]:1", False),
        ("2001:db8::1", "2001:db8::/32", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("example.org", "10.0.0.0/8", False),
        ("ሰላም.example", "xn--5oda1c.example", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "bücher.example", True),
    ],
)
def test_no_proxy_means_what_most_programs_take_it_for(host, listed, excepted):
    assert is_excepted(host, 8000, listed) is excepted


@pytest.mark.parametrize(
    ("address", "user", "password"),
    [
        ("http://user:p%40ss%2Fword@host:1", "user", "p@ss/word"),
        ("user:p%3Ass@host:1", "user", "p:ss"),
        ("http://user:p@ss@host:1", "user", "p@ss"),
        ("socks5://me%40example.org:x@host:1", "me@example.org", "x"),
        ("http://token:@host:1", "token", ""),
        ("http://token@host:1", "token", None),
        ("http://%E1%88%B0:%C3%BC@host:1", "ሰ", "ü"),
        ("http://host:1", None, None),
    ],
)
def test_a_login_is_read_and_shows_nowhere(address, user, password):
    chosen = choose_proxy("wss://there", {"HTTPS_PROXY": address})
    assert (chosen.host, chosen.port, chosen.user, chosen.password) == ("host", 1, user, password)
    for secret in (user, password):
        assert not secret or len(secret) < 2 or secret not in f"{chosen!r}{chosen}{chosen.shown}"


@pytest.mark.parametrize(
    "address",
    ["ftp://u:secret-word@host", "http://", "http://u:secret-word@", "http://[u:secret-word@host", "host:99999",
     "http://u:secret/word@host:1", "http://u:12/secret@host:1", "http://u:12#secret@host:1", "a b:secret-word"],
)  # fmt: skip
def test_what_names_no_proxy_is_told_by_the_variables_name_alone(address):
    with pytest.raises(UsageFault) as caught:
        choose_proxy("wss://there", {"HTTPS_PROXY": address})
    assert "HTTPS_PROXY" in caught.value.reason
    assert caught.value.remedy
    assert "secret" not in caught.value.reason + caught.value.remedy
    assert choose_proxy("ws://there", {"HTTPS_PROXY": address}) is None
    assert choose_proxy("wss://there", {"HTTPS_PROXY": address, "NO_PROXY": "there"}) is None


def test_a_proxys_password_is_a_secret_and_a_user_beside_it_is_an_ordinary_word():
    environment = {
        "HTTPS_PROXY": "http://andrew:p%40ssword@host:1",
        "all_proxy": "socks5://token-4711@host",
        "no_proxy": "x",
    }
    redactor = Redactor.of(secrets_of_environment(environment))
    line = redactor.line("andrew p@ssword p%40ssword token-4711")
    assert line == "andrew [hidden] [hidden] [hidden]"


def test_loopback_has_many_names():
    assert all(is_loopback(host) for host in ("127.1", "127.0.1", "::FFFF:127.0.0.1", "localhost.", "A.LocalHost"))
    assert not any(is_loopback(host) for host in ("127", "127.1.example", "::ffff:10.0.0.1", "1127.1"))
