"""`login` and `logout`: what is asked, tried, kept and told – and that `talk` then gets the key."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.commands import login
from selam_cli.core.protocol import EndSession
from selam_cli.credentials.key_file import KeptKey, key_file_path, write_key_file
from selam_cli.credentials.keyring_client import KeyStore
from selam_cli.credentials.lookup import find_key, keep_key
from selam_cli.errors import ConnectionFailed
from selam_cli.sound.files import write_wav
from tests.support.in_process import run_beside
from tests.support.key_stores import NoKeyStore, in_file_backed_store
from tests.support.lines import talk_json
from tests.support.silent_bus import silent_bus
from tests.support.voice_server import voice_server

KEY, OTHER = "sk-selam-test-login", "sk-selam-test-other"
posix = pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is a POSIX thing")


async def run(*arguments, stdin="", environment=None):
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    status, output, errors = await run_beside(*arguments, stdin=stdin, environment=environment)
    assert KEY.encode() not in output + errors
    return status, output.decode(), errors.decode()


async def run_as_a_process(*arguments, stdin):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", *arguments,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert KEY.encode() not in output + errors
    assert b"Traceback" not in errors
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture(autouse=True)
def no_key_store(monkeypatch):
    """Save the commands of this process from asking for one; those of other processes find none that they may use."""
    monkeypatch.setattr("selam_cli.credentials.lookup.KeyStore", NoKeyStore)


@pytest.fixture
def key_store(no_key_store, monkeypatch):
    """Turn that round: a real key store, which keeps its keys in a file."""
    monkeypatch.setattr("selam_cli.credentials.lookup.KeyStore", KeyStore)
    in_file_backed_store(monkeypatch)


@pytest.fixture
async def server():
    """Lets the key KEY in and no other."""
    async with voice_server() as server:

        def check():
            if server.queries[-1].get("api_key") != [KEY]:
                raise Refused("authentication_error", {"type": "authentication_error", "message": "Unknown key."})

        server.refuse = check
        yield server


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), np.zeros(16_000, np.int16), 16_000)
    return str(path)


def kept(server):
    return find_key(server.url, {})


# --- what becomes of a key --------------------------------------------------------------------------------------------


async def test_a_key_that_is_accepted_is_kept_and_used_for_that_server_alone(server, question):
    status, output, errors = await run_as_a_process("login", "--server", server.url, stdin=f" {KEY}\r\n")
    assert (status, errors) == (0, "")
    assert "accepted the key" in output
    assert f"kept in the file {key_file_path()}" in output
    assert server.messages(EndSession), "what was begun for the trial was ended"
    async with talk_json("--server", server.url, "--input", question, "--output", "null") as engine:
        await engine.until("session_started")
        engine.send("quit")
        assert await engine.ended() == 0
    async with voice_server() as stranger:

        def refuse():
            raise Refused("authentication_error", {"type": "authentication_error", "message": "No key."})

        stranger.refuse = refuse
        assert (await run("ask", question, "--server", stranger.url))[0] == 3
        assert ["api_key" in query for query in stranger.queries] == [False]
    assert kept(server).key == KEY


@pytest.mark.usefixtures("key_store")
async def test_with_a_key_store_no_file_holds_the_key(server):
    status, output, _ = await run("login", "--server", server.url, stdin=KEY)
    assert status == 0
    assert "The key is kept in the key store." in output
    assert KEY not in key_file_path().read_text()
    assert kept(server).source == "key store"


async def test_a_key_that_is_refused_is_not_kept(server):
    keep_key(server.url, KEY)
    status, output, errors = await run("login", "--server", server.url, stdin=OTHER)
    assert status == 3
    assert errors.startswith("Unknown key.")
    assert "It was not kept." in errors
    assert output == ""
    assert kept(server).key == KEY, "the earlier one stays"


async def test_a_key_whose_account_has_no_voice_agent_is_kept_and_told(server):
    def refuse():
        raise Refused("authorization_error", {"type": "authorization_error", "message": "OWNER tier needed."})

    server.refuse = refuse
    status, _, errors = await run("login", "--server", server.url, stdin=KEY)
    assert status == 3
    assert errors.startswith("OWNER tier needed.")
    assert "it was kept" in errors
    assert kept(server).key == KEY


async def test_a_key_that_cannot_be_tried_is_kept_only_by_those_who_say_so():
    address = "ws://127.0.0.1:1"
    status, _, errors = await run("login", "--server", address, stdin=KEY)
    assert status == 4
    assert errors.startswith(f"Nothing answers at {address}.")
    assert "not kept" in errors
    assert "--untried" in errors
    assert find_key(address, {}).key is None
    assert (await run("login", "--server", address, "--untried", stdin=KEY))[0] == 0
    assert find_key(address, {}).key == KEY


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ([], "", "No key was given"),
        ([], "  \n", "No key was given"),
        ([], "two words\n", "no API key"),
        ([], "\x1b[200~sk-selam-x\x1b[201~\n", "no API key"),
        ([], "ቁልፍ\n", "no API key"),
        ([], "x" * 5_000, "no API key"),
        ([], b"sk-selam-test-\xe9\n", "no API key"),
        ([], b"\xef\xbb\xbf\r\n", "No key was given"),
        ([KEY], "", "process list"),
        (["--server", "ws://voice.example.org"], KEY, "plain text"),
        (["--server", "nonsense"], KEY, "--server"),
    ],
)
async def test_what_is_no_key_is_wrong_usage_and_changes_nothing(arguments, stdin, said):
    status, output, errors = await run("login", *arguments, stdin=stdin)
    assert (status, output) == (2, "")
    assert said in errors
    assert len(errors.strip().splitlines()) == 2
    assert not key_file_path().exists()


@pytest.mark.parametrize(
    "piped",
    [
        b"\xef\xbb\xbf" + KEY.encode() + b"\r\n", b"\xff\xfe" + f"{KEY}\r\n".encode("utf-16-le"), f'"{KEY}"'.encode(),
        f"{KEY}\r\n".encode("utf-16-le"), f"‘{KEY}’\n".encode(),
    ],
    ids=["UTF-8 with a mark", "UTF-16", "quoted", "UTF-16 without a mark", "curly quotes"],
)  # fmt: skip
async def test_a_piped_key_is_its_letters_however_a_program_wrote_it(server, piped):
    status, _, errors = await run("login", "--untried", "--server", server.url, stdin=piped)
    assert (status, errors) == (0, "")
    assert kept(server).key == KEY


async def test_a_key_of_the_environment_is_told_of(server):
    environment = {"SELAM_API_KEY": OTHER}
    _, output, _ = await run("login", "--server", server.url, stdin=KEY, environment=environment)
    assert "SELAM_API_KEY is set in this environment, and goes before" in output
    assert server.queries[-1]["api_key"] == [KEY], "the one that was given is tried"
    _, output, _ = await run("logout", environment=environment)
    assert "SELAM_API_KEY is still set" in output


# --- logout -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("key_store")
async def test_logout_says_from_where_it_removed_which_key():
    assert await run("logout") == (0, "No key was kept.\n", "")
    keep_key("ws://127.0.0.1:1", OTHER, store=NoKeyStore())
    keep_key("wss://api.selamgpt.com", KEY)
    assert (await run("logout", "--server", "ws://127.0.0.1:2"))[1] == "No key was kept for that server.\n"
    status, output, _ = await run("logout")
    assert status == 0
    assert output.splitlines() == [
        f"The key for ws://127.0.0.1:1 was removed from the file {key_file_path()}.",
        "The key for wss://api.selamgpt.com was removed from the key store.",
    ]
    assert find_key("wss://api.selamgpt.com", {}).key is None
    assert not [
        path for path in Path(os.environ["XDG_DATA_HOME"]).rglob("*") if path.is_file() and KEY in path.read_text()
    ]


@posix
async def test_a_key_store_that_hangs_holds_up_neither_login_nor_talk_nor_their_end(server, monkeypatch):
    monkeypatch.setattr(
        "selam_cli.credentials.lookup.KeyStore", lambda: KeyStore(within_s=0.3)
    )  # of this process: talk waits 2 s
    with silent_bus() as environment:
        status, output, _ = await run("login", "--server", server.url, stdin=KEY, environment=environment)
        assert status == 0
        assert "The key store did not answer within 0.3 s. The key is kept in the file" in output
        write_key_file(key_file_path(), {server.url: KeptKey(in_key_store=True)})
        status, _, errors = await run("logout", environment=environment)
        assert status == 1
        assert "did not answer within 0.3 s" in errors
        arguments = ("--server", server.url, "--output", "null")
        async with talk_json(*arguments, environment=environment) as engine:
            problem = await engine.until("notice", lambda line: line["code"] == "key_problem")
            assert "did not answer within 2 s" in problem["message"]
            engine.send("quit")
            await engine.ended()


# --- on a terminal ----------------------------------------------------------------------------------------------------


def login_on_a_terminal(*arguments):
    from tests.support.terminal import Terminal  # POSIX only

    return Terminal([sys.executable, "-m", "selam_cli", "login", *arguments], columns=120)


@posix
async def test_a_typed_key_is_not_shown(server):
    with login_on_a_terminal("--server", server.url) as terminal:
        await asyncio.to_thread(terminal.wait_for_text, f"API key for {server.url} (it is not shown):")
        terminal.send(f"{KEY}\r".encode())
        assert await asyncio.to_thread(terminal.wait_for_exit) == 0
        assert "accepted the key" in terminal.text
        assert KEY not in terminal.text
        assert terminal.modes == terminal.modes_before
    assert kept(server).key == KEY


@posix
@pytest.mark.parametrize(("answer", "status"), [("\r", 0), ("\x04", 4)])
def test_without_a_network_it_is_asked_whether_to_keep_the_key_untried(answer, status):
    address = "ws://127.0.0.1:1"
    with login_on_a_terminal("--server", address) as terminal:
        terminal.wait_for_text("it is not shown")
        terminal.send(f"{KEY}\r".encode())
        terminal.wait_for_text("Keep it all the same? [Y/n]")
        terminal.send(answer.encode())
        assert terminal.wait_for_exit() == status
        assert KEY not in terminal.text
    assert find_key(address, {}).key == (None if status else KEY)


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [("", True), ("y", True), (" Yes ", True), ("n", False), ("no", False), ("what?", False)],
)
def test_it_is_kept_by_those_alone_who_do_not_object(answer, is_kept, monkeypatch):
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert login._wanted_untried(ConnectionFailed("Nothing answers.", "")) is is_kept


@posix
@pytest.mark.parametrize(
    ("leave", "status"),
    [
        (lambda terminal: terminal.press("ctrl+c"), 130),
        (lambda terminal: terminal.process.send_signal(signal.SIGTERM), 143),
        (lambda terminal: terminal.send(b"\x04"), 2),
    ],
    ids=["Ctrl+C", "SIGTERM", "Ctrl+D"],
)
def test_leaving_while_it_asks_gives_the_terminal_its_echo_back(leave, status):
    with login_on_a_terminal() as terminal:
        terminal.wait_for_text("API key for wss://api.selamgpt.com (it is not shown):")
        leave(terminal)
        assert terminal.wait_for_exit() == status
        assert terminal.modes == terminal.modes_before
        assert "Traceback" not in terminal.text
    assert not key_file_path().exists()


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGABRT", "SIGUSR1"])
def test_whatever_ends_it_while_it_asks_the_terminal_gets_its_echo_back(name):
    from tests.support.terminal import Terminal  # POSIX only

    with Terminal(["/bin/sh", "-c", '"$@"; cat', "sh", sys.executable, "-m", "selam_cli", "login"]) as shell:
        shell.wait_for_text("it is not shown")
        assert shell.modes != shell.modes_before
        [asking] = psutil.Process(shell.process.pid).children()
        asking.send_signal(getattr(signal, name))
        shell.wait_for(lambda: shell.modes == shell.modes_before, "the echo")
        shell.wait_for(lambda: not asking.is_running(), "ended")


@posix
async def test_ctrl_c_while_it_tries_keeps_nothing(server):
    server.starts = False
    with login_on_a_terminal("--server", server.url) as terminal:
        await asyncio.to_thread(terminal.wait_for_text, "it is not shown")
        terminal.send(f"{KEY}\r".encode())
        await server.until(lambda: any(name == "start_session" for name, _ in server.received))
        terminal.press("ctrl+c")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 130
    assert not key_file_path().exists()
