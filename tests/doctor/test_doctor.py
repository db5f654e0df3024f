"""The whole command: its lines, its order, its exit status, and that nothing secret is in it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from selam_cli import __version__
from selam_cli.cli import run
from selam_cli.doctor import command, known_key
from tests.doctor.examined import NOBODY, PATIENCE_S, examine, look_at
from tests.support.voice_server import voice_server

CANARY = "sk-selam-test-canary-0123456789"


async def test_where_nothing_fails_it_ends_with_0_and_tells_every_topic_in_one_order(a_file):
    async with voice_server() as server:
        keys = {"SELAM_API_KEY": CANARY, "SELAM_TOKEN": CANARY}
        seen = await examine("--server", server.url, *a_file, environment=keys)
    assert seen.status == 0, seen.raw
    assert [line["event"] for line in (seen.lines[0], seen.lines[-1])] == ["system", "summary"]
    assert seen.lines[0]["versions"]["selam-voice"] == __version__
    assert {"python", "system", "textual", "python-socketio"} <= set(seen.lines[0]["versions"])
    told = [name for name in seen.checks if not name.startswith("agent.")]
    assert told == [
        "settings.file", "folders.config", "folders.data", "log.file", "terminal.kind", "key.source", "key.token",
        "server.address", "server.connection", "server.session", "server.round_trip", "key.accepted",
        "sound.library", "sound.devices", "sound.microphone", "sound.speaker", "sound.level", "keys.repeat",
    ]  # fmt: skip
    assert [name for name in ("agent.hearing", "agent.thinking", "agent.speaking") if name not in seen.checks] == []
    counted = {word: seen.lines[-1][word] for word in ("ok", "warning", "failed", "skipped")}
    assert sum(counted.values()) == len(seen.checks)
    assert counted["failed"] == seen.lines[-1]["exit_status"] == 0
    times = [line["t"] for line in seen.lines]
    assert times == sorted(times)
    assert CANARY not in seen.raw + seen.errors


async def test_the_embedded_agent_is_started_talked_with_and_ended(a_file):
    seen = await examine("--local", *a_file)
    assert seen.status == 0, seen.raw
    assert [seen.status_of(f"server.{name}") for name in ("process", "session", "round_trip")] == ["ok"] * 3
    assert "key.accepted" not in seen.checks


async def test_a_wrong_setting_is_told_with_its_line_and_the_rest_is_examined_all_the_same(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('voice = "aria"\nvad_threshold = "loud"\n')
    async with voice_server() as server:
        seen = await look_at("folders", "server", server=server.url, environment={"SELAM_CONFIG": str(config)})
    assert seen.status == 2
    assert "line 2" in seen.said("settings.file")
    assert seen.status_of("server.session") == "ok"


def test_a_wrong_flag_is_wrong_usage_and_nothing_is_examined(capsys):
    assert run(["doctor", "--json", "--local", "--server", "ws://127.0.0.1"]) == 2
    assert capsys.readouterr().out == ""


async def test_what_fails_or_warns_has_a_remedy(a_file):
    everything = [topic.id for topic in command.TOPICS]
    lost = {"SELAM_CONFIG": "/nowhere/x.toml"}
    seen = await look_at(*everything, server=NOBODY[1], input=a_file[1], output="null", environment=lost)
    assert seen.status == 2
    bad = [check for check in seen.checks.values() if check["status"] in {"failed", "warning"}]
    assert {"settings.file", "server.connection"} <= {check["id"] for check in bad}
    assert [check["id"] for check in bad if not check["remedy"]] == []


async def test_no_key_of_any_source_is_told_or_logged(tmp_path, a_file):
    from socketio.exceptions import ConnectionRefusedError as Refused  # beside its use

    secrets = {"SELAM_API_KEY": CANARY, "SELAM_TOKEN": "token-canary-5", "SELAM_LLM_KEY": "odd-canary-7"}
    config = tmp_path / "config.toml"
    config.write_text('[agent]\nllm_url = "http://somebody:pass-canary-9@127.0.0.1:9/v1?k=query-canary-3"\n')
    async with voice_server() as server:

        def refuse():
            raise Refused("authentication_error", {"type": "authentication_error", "message": " ".join(said)})

        said = [*secrets.values()]
        server.refuse = refuse
        address = server.url.replace("ws://", "ws://me:password-canary-2@")
        environment = {**secrets, "SELAM_CONFIG": str(config), "SELAM_DEBUG": "1"}
        seen = await examine("--server", address, *a_file, environment=environment)
    assert (seen.status, seen.status_of("key.accepted")) == (3, "failed")
    logs = "".join(path.read_text() for path in Path(os.environ["XDG_STATE_HOME"]).rglob("*") if path.is_file())
    for text in (seen.raw, seen.errors, logs):
        assert "canary" not in text


async def test_a_key_store_that_never_answers_costs_a_warning(monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(command, "KEY_WITHIN_S", 0.1)
    monkeypatch.setattr(known_key, "known_key", lambda _environment, _server: answers.wait(60))
    async with voice_server() as server:
        seen = await look_at("key", "server", server=server.url)
    answers.set()
    assert seen.status_of("key.source") == "warning"
    assert seen.status_of("server.session") == "ok"


async def test_for_a_person_it_is_plain_lines_without_colours_in_a_poor_locale_too(a_file):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    async with voice_server() as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "selam_cli", "doctor", "--server", server.url, *a_file,
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    told = output.decode("utf-8", "replace")
    assert process.returncode == 0, told + errors.decode()
    assert told.startswith(f"selam-voice  {__version__}")
    assert "\x1b" not in told
    assert "Nothing failed." in told.splitlines()[-1]


def test_without_a_terminal_nothing_of_textual_is_loaded(a_file):
    code = "import sys; from selam_cli.cli import run; run(sys.argv[1:]); print('LOADED', *sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--json", *NOBODY, *a_file],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = set(ended.stdout.rpartition("LOADED")[2].split())
    assert "selam_cli.doctor.command" in loaded
    assert not loaded & {"textual", "sounddevice", "miniaudio", "pocketsphinx", "sherpa_onnx"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are a POSIX thing")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
async def test_a_signal_ends_the_examination_with_its_status(name):
    """That the terminal is then as it was, tests/doctor/test_terminal.py shows."""
    number = getattr(signal, name)
    examining = asyncio.ensure_future(asyncio.Event().wait())
    status = command._status_of_signals(examining)
    try:
        os.kill(os.getpid(), number)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(examining, PATIENCE_S)
    finally:
        for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            asyncio.get_running_loop().remove_signal_handler(known)
    assert status == [128 + number]
