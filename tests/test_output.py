"""Standard output that cannot be written: every command says so, and none takes what it printed for told."""

import io
import os
import subprocess
import sys
import threading

import pytest

from selam_cli.output import Unwritten, guard_standard_output, write_all
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
