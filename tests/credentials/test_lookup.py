"""Which key a server gets, where it is kept, and that no other server and no other user gets it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from selam_cli.core.redaction import secrets_of_environment
from selam_cli.credentials.handshake import load_credentials
from selam_cli.credentials.key_file import KeptKey, read_key_file, write_key_file
from selam_cli.credentials.keyring_client import KeyStore, KeyStoreFault
from selam_cli.credentials.lookup import Removal, find_key, forget_keys, keep_key, server_of
from selam_cli.errors import SelamError
from tests.support.key_stores import KeyStoreInMemory, NoKeyStore, in_file_backed_store
from tests.support.silent_bus import silent_bus

SERVICE = "wss://api.selamgpt.com"
KEY, OTHER = "sk-selam-test-kept", "sk-selam-test-other"
posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are a POSIX thing")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "keys.json"


@pytest.fixture
def store():
    return KeyStoreInMemory()


@pytest.fixture
def real_store(monkeypatch):
    in_file_backed_store(monkeypatch)
    return KeyStore(within_s=30)


@pytest.fixture
def no_store():
    return NoKeyStore()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# --- whose key --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("wss://api.selamgpt.com", SERVICE),
        ("https://API.selamgpt.com:443/v1?x=y", SERVICE),
        ("wss://user:password@api.selamgpt.com/socket.io/", SERVICE),
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765"),
        ("http://[::1]:80", "ws://[::1]"),
        ("wss://api.selamgpt.com:8443", "wss://api.selamgpt.com:8443"),
    ],
)
def test_a_key_belongs_to_scheme_host_and_port(url, server):
    assert server_of(url) == server


@pytest.mark.parametrize(
    "stranger",
    ["wss://evil.example", "ws://api.selamgpt.com", "wss://api.selamgpt.com:8443", "wss://api.selamgpt.com.evil.example",
     "wss://api.selamgpt.com@evil.example", "nonsense", "wss://[::1"],
)  # fmt: skip
def test_a_kept_key_goes_to_no_other_server(path, store, no_store, stranger):
    keep_key(SERVICE, KEY, path=path, store=store)
    assert find_key(stranger, {}, path=path, store=store).key is None
    assert find_key(SERVICE, {}, path=path, store=store).key == KEY


def test_the_environment_goes_before_the_key_store_and_that_before_the_file(path, store):
    write_key_file(path, {SERVICE: KeptKey(OTHER), "wss://b.example": KeptKey(in_key_store=True)})
    store.set("wss://b.example", KEY)
    found = find_key(SERVICE, {"SELAM_API_KEY": " sk-selam-test-set\n"}, path=path, store=store)
    assert (found.key, found.source) == ("sk-selam-test-set", "environment")
    found = find_key("wss://b.example", {}, path=path, store=store)
    assert (found.key, found.source) == (KEY, "key store")
    found = find_key(SERVICE, {}, path=path, store=store)
    assert (found.key, found.source) == (OTHER, "file")
    assert find_key("wss://c.example", {}, path=path, store=store).source == ""
    assert KEY not in repr(find_key("wss://b.example", {}, path=path, store=store))


def test_who_keeps_no_key_in_the_key_store_never_asks_it(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeyStore, "get", lambda *_: pytest.fail("it was asked"))
        write_key_file(path, {"wss://b.example": KeptKey(in_key_store=True)})
        assert find_key(SERVICE, {}, path=path).key is None


# --- keeping and removing ---------------------------------------------------------------------------------------------


def test_a_key_is_kept_in_the_key_store_and_the_file_only_says_so(path, real_store):
    keep_key(SERVICE, OTHER, path=path, store=real_store)
    assert keep_key(SERVICE, KEY, path=path, store=real_store) == ("the key store", "")
    assert "sk-selam" not in path.read_text()
    assert real_store.get(SERVICE) == KEY
    assert forget_keys(None, path=path, store=real_store) == [Removal(SERVICE, "the key store")]
    assert real_store.get(SERVICE) is None
    assert not path.exists()


def test_a_system_without_a_key_store_is_one_that_answers_so():
    for store in (KeyStore(within_s=30), NoKeyStore()):
        with pytest.raises(KeyStoreFault) as caught:
            store.set(SERVICE, KEY)
        assert (caught.value.reason, caught.value.uncertain) == (
            "This system has no key store that can be used.",
            False,
        )


def test_without_a_key_store_the_key_is_kept_in_the_file(path, no_store):
    place, reason = keep_key(SERVICE, KEY, path=path, store=no_store)
    assert (place, reason) == (f"the file {path}", "This system has no key store that can be used.")
    assert find_key(SERVICE, {}, path=path, store=no_store).source == "file"
    assert forget_keys(SERVICE, path=path, store=no_store) == [Removal(SERVICE, f"the file {path}")]
    assert find_key(SERVICE, {}, path=path, store=no_store).key is None


def test_a_key_store_that_keeps_nothing_is_none(path, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    assert keep_key(SERVICE, KEY, path=path, store=KeyStore(within_s=30))[0] == f"the file {path}"


def test_a_backend_that_writes_in_plain_text_is_not_taken_unasked(monkeypatch):
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    if sys.platform != "linux":
        pytest.skip("other systems have a key store of their own")
    with pytest.raises(KeyStoreFault, match="no key store"):
        KeyStore(within_s=30).set(SERVICE, KEY)


def test_both_places_are_cleared_where_the_key_store_failed_at_the_second_login(path, store, no_store):
    keep_key(SERVICE, OTHER, path=path, store=store)
    keep_key(SERVICE, KEY, path=path, store=no_store)
    assert find_key(SERVICE, {}, path=path, store=store).key == KEY, "the newer one"
    places = [removal.place for removal in forget_keys(None, path=path, store=store)]
    assert places == [f"the file {path}", "the key store"]
    assert store.get(SERVICE) is None


def test_one_server_is_forgotten_and_another_kept(path, no_store):
    keep_key(SERVICE, KEY, path=path, store=no_store)
    keep_key("ws://127.0.0.1:8765", OTHER, path=path, store=no_store)
    forget_keys("https://api.selamgpt.com", path=path, store=no_store)
    assert find_key(SERVICE, {}, path=path).key is None
    assert find_key("ws://127.0.0.1:8765", {}, path=path).key == OTHER


# --- a key store that does not answer ---------------------------------------------------------------------------------


@posix
def test_a_key_store_that_hangs_is_not_waited_for(path):
    with silent_bus() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        store = KeyStore(within_s=0.3)
        place, reason = keep_key(SERVICE, KEY, path=path, store=store)
        assert place == f"the file {path}"
        assert reason == "The key store did not answer within 0.3 s."
        assert find_key(SERVICE, {}, path=path, store=store).key == KEY
        in_store = path.with_name("other.json")
        write_key_file(in_store, {SERVICE: KeptKey(in_key_store=True)})
        found = find_key(SERVICE, {}, path=in_store, store=store)
        assert found.key is None
        assert "did not answer" in found.problem
        [removal] = forget_keys(None, path=in_store, store=store)
        assert "did not answer" in removal.problem
        assert read_key_file(in_store).keys == {SERVICE: KeptKey(in_key_store=True)}, "it may still be there"


# --- the file ---------------------------------------------------------------------------------------------------------


@posix
def test_the_file_is_its_users_alone_at_every_moment(path, monkeypatch):
    modes, replace = [], Path.replace

    def watched(self, target):
        modes.append(mode(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    path.parent.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        write_key_file(path, {SERVICE: KeptKey(KEY)})
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


def test_a_write_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    write_key_file(path, {SERVICE: KeptKey(OTHER)})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SelamError, match="No space left") as caught:
        write_key_file(path, {SERVICE: KeptKey(KEY)})
    assert KEY not in repr(caught.value)
    assert read_key_file(path).keys == {SERVICE: KeptKey(OTHER)}
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("written", [f'"{KEY}"', f"'{KEY}'", f"“{KEY}”\r\n", f"\ufeff{KEY}\n", f"\u200b{KEY} "])
def test_a_key_is_its_letters_however_a_shell_or_docker_hands_it_over(path, written):
    assert find_key(SERVICE, {"SELAM_API_KEY": written}, path=path).key == KEY
    assert load_credentials({"SELAM_API_KEY": written, "SELAM_TOKEN": written}).token == KEY
    assert {KEY, written.strip()} <= set(secrets_of_environment({"SELAM_API_KEY": written}))


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")])
def test_a_file_that_an_editor_has_saved_anew_is_read(path, mark, encoding):
    write_key_file(path, {SERVICE: KeptKey(KEY)})
    path.write_bytes(mark + path.read_text().replace("\n", "\r\n").encode(encoding))
    assert find_key(SERVICE, {}, path=path).key == KEY


@posix
@pytest.mark.parametrize("lax", [0o644, 0o640, 0o606, 0o777])
def test_a_file_that_others_may_read_is_mended_and_told(path, lax):
    write_key_file(path, {SERVICE: KeptKey(KEY)})
    path.chmod(lax)
    found = find_key(SERVICE, {}, path=path)
    assert found.key == KEY
    assert "Others could read" in found.problem
    assert mode(path) == 0o600
    assert find_key(SERVICE, {}, path=path).problem == ""


@posix
def test_a_file_that_is_none_or_not_ones_own_is_refused(path, monkeypatch):
    write_key_file(path, {SERVICE: KeptKey(KEY)})
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    found = find_key(SERVICE, {}, path=path)
    assert (found.key, "not a file of yours" in found.problem) == (None, True)
    monkeypatch.undo()
    path.unlink()
    os.mkfifo(path)
    assert find_key(SERVICE, {}, path=path).key is None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"servers": 3}', '{"servers": {"a": 3}}', '{"servers": "sk-selam-x', "\xff"]
)
def test_a_file_that_is_broken_is_told_without_its_text(path, text):
    path.parent.mkdir(mode=0o700)
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    found = find_key(SERVICE, {}, path=path)
    assert found.key is None
    assert "is not as selam-voice wrote it" in found.problem
    with pytest.raises(SelamError) as caught:
        read_key_file(path)
    assert caught.value.__cause__ is None


def test_a_key_goes_through_no_argument(path, real_store):
    watcher = (
        "import subprocess, sys\nfrom pathlib import Path\n"
        "from selam_cli.credentials.lookup import keep_key\nseen = []\n"
        "class Watched(subprocess.Popen):\n"
        "    def __init__(self, command, **options):\n"
        "        seen.append((command, options.get('env')))\n        super().__init__(command, **options)\n"
        "subprocess.Popen = Watched\n"
        f"print(keep_key({SERVICE!r}, {KEY!r}, path=Path({str(path)!r}))[0])\n"
        f"assert seen\nassert {KEY!r} not in str(seen)\n"
    )
    environment = {**os.environ, "SELAM_API_KEY": KEY}
    outcome = subprocess.run(
        [sys.executable, "-c", watcher], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.stderr == ""
    assert json.loads(path.read_text())["servers"].keys() == {SERVICE}
