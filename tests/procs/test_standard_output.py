"""Standard output that cannot be written: every command says so, and none takes what it printed for told."""

import io
import json
import os
import subprocess
import sys
import threading

import pytest

from selam_cli.core.catalog import LANGUAGES
from selam_cli.procs.standard_output import (
    Unwritten,
    encoded_for,
    guard_standard_output,
    json_line,
    make_readable,
    write_all,
)
from tests.support.in_process import run_here
from tests.support.needs import need

DOCTOR = "doctor --no-speak --server ws://127.0.0.1:1 --input none.wav --output null"
PRINTING = ("--help", "ask --help", "voices", "voices --json", "models", "logout", f"{DOCTOR} --json")
LEAVING = {"--version": "as any program", "devices --json": "without Python's exit, for it has loaded sound libraries"}


def selam_voice(arguments, **streams):
    command = [sys.executable, "-m", "selam_cli", *arguments.split()]
    return subprocess.run(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, **streams)


@pytest.fixture
def full_disk():
    need("/dev/full", os.path.exists("/dev/full"))  # noqa: PTH110  # a device
    with open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123
        yield device


FULL = [
    "Standard output cannot be written: No space left on device.",
    "Make room there, or send it elsewhere.",
]


@pytest.mark.parametrize("arguments", PRINTING)
def test_what_cannot_be_printed_is_told_with_status_1(full_disk, arguments):
    ended = run_here(*arguments.split(), stdout=full_disk)
    assert (ended.status, ended.errors.decode().splitlines()) == (1, FULL)


@pytest.mark.parametrize("arguments", [*LEAVING, DOCTOR])
def test_python_adds_nothing_to_that_as_it_ends(full_disk, arguments):
    ended = selam_voice(arguments, stdout=full_disk)
    assert (ended.returncode, ended.stderr.decode().splitlines()) == (1, FULL)


def test_a_reader_that_is_gone_is_told_nothing():
    read, write = os.pipe()
    os.close(read)
    ended = selam_voice("voices", stdout=write)
    os.close(write)
    assert ended.stderr == b""


def test_an_error_that_nobody_can_read_keeps_its_status(full_disk):
    command = [sys.executable, "-m", "selam_cli", "voices", "--colour"]
    assert subprocess.run(command, stderr=full_disk, check=False).returncode == 2


def test_the_guard_keeps_the_encoding_and_writes_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252", errors="replace"))
    guard_standard_output()
    assert (sys.stdout.encoding, sys.stdout.errors) == ("cp1252", "replace")


def test_a_pipe_that_takes_a_little_at_a_time_gets_all_of_it():
    read, write = os.pipe()
    os.set_blocking(write, False)
    sent, got = bytes(range(256)) * 4_096, []

    def take():
        with os.fdopen(read, "rb") as pipe:
            got.append(pipe.read())

    taking = threading.Thread(target=take)
    taking.start()
    write_all(write, sent)
    os.close(write)
    taking.join()
    assert got == [sent]


def test_what_could_not_be_written_names_the_systems_reason():
    assert str(Unwritten("The reply", OSError(28, "No space left on device"))) == (
        "The reply cannot be written: No space left on device."
    )


# --- encodings that lack letters --------------------------------------------------------------------------------------

ENCODINGS = ("ascii", "cp1252", "cp437", "latin-1")
POORER = {
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}
"""What makes a program's standard streams poor: its environment, and in a process alone that can be seen."""


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", ["voices", "models", "talk --help"])
def test_what_an_encoding_lacks_is_replaced_by_what_can_be_read(encoding, arguments):
    ended = run_here(*arguments.split(), encoding=encoding)
    assert_readable(arguments, ended.output.decode(encoding), ended.errors)


@pytest.mark.parametrize(("arguments", "poorer"), [("voices", "latin-1"), ("talk --help", "C"), (DOCTOR, "C")])
def test_it_is_replaced_whatever_the_environment_makes_of_the_streams(arguments, poorer):
    ended = selam_voice(arguments, stdout=subprocess.PIPE, env={**os.environ, **POORER[poorer]})
    assert_readable(arguments, ended.stdout.decode("ascii" if poorer == "C" else poorer), ended.stderr)


def assert_readable(arguments, printed, errors):
    assert (errors, bool(printed.strip())) == (b"", True)
    assert "\\u" not in printed
    if arguments == "voices":
        assert printed.isascii()
        for language in LANGUAGES.values():
            assert language.name in printed
        assert "mekdes (female), ameha (male)" in printed


def test_json_is_whole_and_utf_8_in_every_encoding():
    poorer = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    ended = selam_voice(f"{DOCTOR} --json", stdout=subprocess.PIPE, env=poorer)
    assert json.loads(ended.stdout.decode("utf-8").splitlines()[-1])["event"] == "summary"
    listed = run_here("voices", "--json", encoding="ascii").output
    assert json.loads(listed.decode("utf-8"))["default"] == "mekdes"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_line_of_json_gives_every_letter_back_from_any_stream(encoding, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    line = json_line({"name": "ሰላም – “é” 🎉"})
    assert json.loads(line.encode(encoding).decode("utf-8")) == {"name": "ሰላም – “é” 🎉"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_errors_sentences_are_replaced_too(encoding):
    environment = {"SELAM_LANGUAGE": "ፈረንሳይኛ – “fr”"}
    ended = run_here("ask", "x.wav", "--local", environment=environment, encoding=encoding)
    assert_told_of_the_language(ended.status, ended.errors)


def test_they_are_replaced_in_the_c_locale():
    environment = {**os.environ, **POORER["C"], "SELAM_LANGUAGE": "fr"}
    ended = selam_voice("ask x.wav --local", stdout=subprocess.PIPE, env=environment)
    assert_told_of_the_language(ended.returncode, ended.stderr)


def assert_told_of_the_language(status, errors):
    assert (status, len(errors.splitlines())) == (2, 2)
    assert errors.startswith(b"SELAM_LANGUAGE is '")
    assert b"am (Amharic)" in errors


def test_bytes_for_a_stream_are_as_its_encoding_has_them():
    assert encoded_for("café – ሰላም", "cp1252") == b"caf\xe9 \x96 ???"
    assert encoded_for("café – ሰላም", "ascii") == b"cafe - ???"
    assert encoded_for("café – ሰላም", None) == "café – ሰላም".encode()
    assert encoded_for("\udcff", "utf-8") == b"?"


def test_a_stream_that_is_made_readable_takes_anything():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    make_readable(stream, None)
    stream.write("• “ሰላም” …")
    stream.flush()
    assert raw.getvalue() == b'* "???" ...'
