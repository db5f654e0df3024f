import pytest

from selam_cli.core.loopback import is_loopback
from selam_cli.core.protocol import HOSTED_SERVER
from selam_cli.credentials import Credentials, load_credentials
from selam_cli.engine.target import choose_target
from selam_cli.errors import UsageFault
from selam_cli.key_file import KeptKey, key_file_path, write_key_file
from selam_cli.settings import Settings

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
