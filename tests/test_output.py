"""Standard output that cannot be written: every command says so, and none takes what it printed for told."""

import io
import json
import os
import subprocess
import sys
import threading

import pytest

from selam_cli.core.catalog import LANGUAGES
from selam_cli.output import Unwritten, encoded_for, guard_standard_output, json_line, make_readable, write_all
from tests.support.needs import need

PRINTING = (
    "--version",
    "--help",
    "ask --help",
    "voices",
    "voices --json",
    "devices --json",
    "models",
    "logout",
    "doctor --json --no-speak",
    "doctor --no-speak",
)


def selam_voice(arguments, **streams):
    command = [sys.executable, "-m", "selam_cli", *arguments.split()]
    return subprocess.run(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, **streams)


@pytest.fixture
def full_disk():
    need("/dev/full", os.path.exists("/dev/full"))  # noqa: PTH110  # a device
    with open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123
        yield device


@pytest.mark.parametrize("arguments", PRINTING)
def test_what_cannot_be_printed_is_told_with_status_1(full_disk, arguments):
    ended = selam_voice(arguments, stdout=full_disk)
    assert ended.returncode == 1
    assert ended.stderr.decode().splitlines() == [
        "Standard output cannot be written: No space left on device.",
        "Make room there, or send it elsewhere.",
    ]


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

PLAIN_ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
POORER = {
    "ascii": {"PYTHONIOENCODING": "ascii"}, "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"}, "C": PLAIN_ASCII,
}  # fmt: skip


@pytest.mark.parametrize("encoding", POORER)
@pytest.mark.parametrize("arguments", ["voices", "models", "talk --help", "doctor --no-speak"])
def test_what_an_encoding_lacks_is_replaced_by_what_can_be_read(encoding, arguments):
    ended = selam_voice(arguments, stdout=subprocess.PIPE, env={**os.environ, **POORER[encoding]})
    printed = ended.stdout.decode("cp437" if encoding == "cp437" else "latin-1")
    assert (ended.stderr, bool(printed.strip())) == (b"", True)
    assert "\\u" not in printed
    if arguments == "voices":
        assert printed.isascii()
        for language in LANGUAGES.values():
            assert language.name in printed
        assert "mekdes (female), ameha (male)" in printed


@pytest.mark.parametrize(("encoding", "arguments"), [("cp1252", "doctor --json --no-speak"), ("C", "voices --json")])
def test_json_is_whole_and_utf_8_in_every_encoding(encoding, arguments):
    ended = selam_voice(arguments, stdout=subprocess.PIPE, env={**os.environ, **POORER[encoding]})
    last = json.loads(ended.stdout.decode("utf-8").splitlines()[-1])
    assert last.get("event") == "summary" or last["default"] == "mekdes"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_line_of_json_gives_every_letter_back_from_any_stream(encoding, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    line = json_line({"name": "ሰላም – “é” 🎉"})
    assert json.loads(line.encode(encoding).decode("utf-8")) == {"name": "ሰላም – “é” 🎉"}


@pytest.mark.parametrize("encoding", POORER)
def test_an_errors_sentences_are_replaced_too(encoding):
    environment = {**os.environ, **POORER[encoding], "SELAM_LANGUAGE": "ፈረንሳይኛ – “fr”"}
    if encoding == "C":
        environment["SELAM_LANGUAGE"] = "fr"
    ended = selam_voice("ask x.wav --local", stdout=subprocess.PIPE, env=environment)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 2)
    assert ended.stderr.startswith(b"SELAM_LANGUAGE is '")
    assert b"am (Amharic)" in ended.stderr


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
