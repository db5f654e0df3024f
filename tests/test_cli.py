import json
import os
import subprocess
import sys

import pytest

from selam_cli import __version__, cli
from selam_cli.core.catalog import VOICES
from tests.support.in_process import run_here


def run(*arguments, environment=None):
    status, output, errors = run_here(*arguments, environment=environment)
    return status, output.decode(), errors.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "output", "errors"),
    [
        ("--version", 0, f"selam-voice {__version__}\n", ""),
        ("dance", 2, "", "No such command 'dance'.\nSee selam-voice --help.\n"),
    ],
)
def test_a_process_prints_and_returns_what_a_run_in_this_one_does(arguments, status, output, errors):
    """So the other tests here need no process of their own."""
    ended = subprocess.run(
        [sys.executable, "-m", "selam_cli", arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, output, errors)
    assert run(arguments) == (status, output, errors)


@pytest.mark.parametrize("command", ["talk", "ask"])
def test_help_lists_the_shared_options_and_the_guides_advice(command):
    told = " ".join(run(command, "--help", environment={"COLUMNS": "200"})[1].split())
    for option in ("--voice", "--language", "--instructions", "--vad-threshold", "--interrupt-threshold", "--server",
                   "--local", "--output", "--insecure", "--json"):  # fmt: skip
        assert option in told
    assert ("--input" in told) == (command == "talk"), "ask refuses it: the file that it is given is the microphone"
    assert "A headset keeps the agent from hearing itself" in told


def test_without_arguments_there_is_help_and_no_error():
    status, output, errors = run()
    assert (status, errors) == (0, "")
    assert "talk" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance"], "No such command"),
        (["talk", "--loud"], "No such option"),
        (["ask"], "Missing argument"),
        (["ask", "x.wav", "--timeout", "0"], "--timeout"),
        (["ask", "x.wav", "--timeout", "soon"], "--timeout"),
        (["serve", "--port", "99999"], "--port"),
        (["talk"], "needs a terminal"),
        (["talk", "--local", "--server", "ws://127.0.0.1"], "--local and --server"),
    ],
)
def test_wrong_usage_is_two_sentences_and_status_2(arguments, said):
    status, output, errors = run(*arguments)
    assert (status, output) == (2, "")
    assert said in errors
    assert len(errors.strip().splitlines()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a POSIX thing")
@pytest.mark.parametrize("command", ["talk", "keys"])
def test_a_terminal_without_a_screen_gets_no_escape_codes(command):
    from tests.support.terminal import Terminal  # POSIX only

    with Terminal([sys.executable, "-m", "selam_cli", command], environment={"TERM": "dumb"}) as terminal:
        assert terminal.wait_for_exit() == 2
        assert "TERM is 'dumb'" in terminal.text
        assert b"\x1b" not in terminal.written


def test_voices_lists_every_voice_by_its_language():
    listed = json.loads(run("voices", "--json")[1])
    assert {voice["name"] for voice in listed["voices"]} == set(VOICES)
    assert listed["default"] == "mekdes"
    shown = run("voices")[1]
    assert "አማርኛ" in shown
    assert "mekdes (female)" in shown


@pytest.mark.parametrize(
    ("arguments", "not_loaded"),
    [
        (["--help"], ["textual", "socketio", "aiohttp", "numpy", "sounddevice", "soundfile", "platformdirs"]),
        (["voices", "--json"], ["textual", "socketio", "aiohttp", "numpy", "sounddevice", "soundfile"]),
        (["ask", "/nowhere.wav", "--local"], ["textual"]),
        (["serve", "--keys-file", "/nowhere"], ["textual", "sounddevice", "soundfile"]),
    ],
)
def test_a_command_loads_what_it_needs_and_no_more(arguments, not_loaded):
    code = (
        "import sys\nfrom selam_cli.cli import run\ntry:\n    run(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sys.modules)"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(outcome.stdout.rpartition("LOADED")[2].split())
    assert "selam_cli.cli" in loaded
    assert not loaded & set(not_loaded)


def test_a_bug_is_a_sentence_and_a_traceback_only_for_those_who_ask(monkeypatch, capsys):
    def broken(**_):
        raise ZeroDivisionError("sk-selam-test-secret")

    monkeypatch.setattr("selam_cli.commands.listings.show_voices", broken)
    assert cli.run(["voices"]) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError" in told
    assert "SELAM_DEBUG=1" in told
    assert "secret" not in told
    assert "Traceback" not in told
    monkeypatch.setenv("SELAM_DEBUG", "1")
    assert cli.run(["voices"]) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "ZeroDivisionError: [hidden]" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("asked", "unbuffered"),
    [("voices --json", ""), ("voices", "1"), ("--help", ""), ("--version", "1")],
)
def test_a_reader_that_has_seen_enough_is_no_error_of_ours(asked, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        outcome = subprocess.run(
            [sys.executable, "-m", "selam_cli", *asked.split()], stdout=writing, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    finally:
        os.close(writing)
    assert outcome.stderr == ""
