from urllib.parse import parse_qsl, urlsplit

import pytest

from selam_cli.config.settings import Settings
from selam_cli.core.loopback import is_loopback
from selam_cli.core.protocol import HOSTED_SERVER
from selam_cli.credentials.handshake import Credentials, load_credentials
from selam_cli.credentials.key_file import KeptKey, key_file_path, write_key_file
from selam_cli.engine.server_target import choose_target, socketio_path
from selam_cli.errors import UsageFault

KEY = Credentials(api_key="sk-selam-test-1")


@pytest.mark.parametrize(
    ("settings", "credentials", "kind"),
    [
        (Settings(), KEY, "hosted"),
        (Settings(), Credentials(), "embedded"),
        (Settings(local=True), KEY, "embedded"),
        (Settings(server="ws://127.0.0.1:8765"), Credentials(), "custom"),
    ],
)
def test_the_server_is_chosen_as_the_command_line_promises(settings, credentials, kind):
    assert choose_target(settings, credentials).kind == kind


def test_the_handshake_carries_key_voice_and_token_and_what_is_shown_carries_none():
    target = choose_target(Settings(), Credentials("sk-selam-test-1", "ey.jwt"))
    assert target.handshake_url("mekdes") == f"{HOSTED_SERVER}?api_key=sk-selam-test-1&voice=mekdes&token=ey.jwt"
    assert target.shown == HOSTED_SERVER
    assert "sk-selam" not in repr(target)


def test_a_token_is_sent_only_when_one_is_set():
    assert "token" not in choose_target(Settings(), KEY).handshake_url("mekdes")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("wss://host", "socket.io"),
        ("wss://host/", "socket.io"),
        ("wss://host/voice", "voice/socket.io"),
        ("https://host:8443/voice/", "voice/socket.io"),
        ("ws://[2001:db8::1]:8765/a/b//", "a/b/socket.io"),
        ("http://host/socket.io", "socket.io"),
        ("wss://host/voice/socket.io", "voice/socket.io"),
        ("wss://host/voice/socket.io/?api_key=k", "voice/socket.io"),
        ("wss://host/my-socket.io", "my-socket.io/socket.io"),
        ("wss://host/voice%2Fone/%E1%88%B0?x=/y#z", "voice%2Fone/%E1%88%B0/socket.io"),
        ("wss://host/v1/audio/agent", "socket.io"),
        ("wss://host/voice/v1/audio/agent/", "voice/socket.io"),
        ("wss://host/v1/audio/agent/socket.io", "v1/audio/agent/socket.io"),
        ("wss://user:word@host/voice", "voice/socket.io"),
    ],
)
def test_a_path_in_the_address_goes_before_socketios_own(address, path):
    assert socketio_path(address) == path
    handshake = choose_target(Settings(server=address, insecure=True), KEY).handshake_url("mekdes")
    assert socketio_path(handshake) == path


def test_a_query_in_the_address_goes_along_whole_and_ours_goes_before_it():
    target = choose_target(Settings(server="wss://host/voice?room=a&room=b&flag=&voice=x&api_key=old#part"), KEY)
    query = parse_qsl(urlsplit(target.handshake_url("mekdes")).query, keep_blank_values=True)
    assert query == [
        ("room", "a"), ("room", "b"), ("flag", ""), ("api_key", "sk-selam-test-1"), ("voice", "mekdes"),
    ]  # fmt: skip


def test_a_key_that_stands_in_the_address_goes_along_where_no_other_is_known():
    target = choose_target(Settings(server="wss://host/?api_key=sk-selam-test-url"), Credentials())
    assert "api_key=sk-selam-test-url" in target.handshake_url("mekdes")


@pytest.mark.parametrize("server", ["ws://voice.example.org", "http://10.0.0.7:8765", "ws://[2001:db8::1]"])
def test_a_key_does_not_go_to_another_host_in_plain_text(server):
    with pytest.raises(UsageFault, match="plain text"):
        choose_target(Settings(server=server), KEY)
    assert choose_target(Settings(server=server, insecure=True), KEY).url == server
    assert choose_target(Settings(server=server), Credentials()).url == server


@pytest.mark.parametrize(
    "server", ["ws://127.0.0.1:8765", "ws://localhost", "http://[::1]:1", "wss://voice.example.org"]
)
def test_a_key_goes_to_this_machine_and_over_tls(server):
    assert choose_target(Settings(server=server), KEY).url == server


@pytest.mark.parametrize("server", ["ws://:80", "ws://host:99999", "ws://[::1"])
def test_an_address_that_is_none_is_wrong_usage(server):
    with pytest.raises(UsageFault):
        choose_target(Settings(server=server), KEY)


def test_loopback_is_known_by_address_and_by_name():
    assert is_loopback("127.8.9.1")
    assert is_loopback("::1")
    assert is_loopback("agent.localhost")
    assert not is_loopback("127.0.0.1.example.org")


def test_a_kept_key_is_every_commands():
    write_key_file(key_file_path(), {HOSTED_SERVER: KeptKey("sk-selam-test-kept")})
    assert load_credentials({}).api_key == "sk-selam-test-kept"
    assert load_credentials({}, "wss://evil.example").api_key is None
    target = choose_target(Settings(), load_credentials({}))
    assert target.kind == "hosted"
    assert "sk-selam-test-kept" not in target.redactor.line("sk-selam-test-kept")


def test_a_key_that_cannot_be_had_is_told_beside_the_agent_that_answers_in_its_place():
    write_key_file(key_file_path(), {HOSTED_SERVER: KeptKey(in_key_store=True)})
    target = choose_target(Settings(), load_credentials({}))
    assert target.kind == "embedded"
    assert "So the key that is kept in it is not known." in target.credentials.problem


def test_a_key_of_blanks_is_no_key():
    assert load_credentials({"SELAM_API_KEY": "  "}).api_key is None
    assert load_credentials({"SELAM_API_KEY": " sk-selam-test-2\n"}).api_key == "sk-selam-test-2"
