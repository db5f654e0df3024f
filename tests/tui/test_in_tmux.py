"""Push-to-talk in a real tmux, which tells neither releases nor, by default, the focus."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("tmux is a POSIX thing", allow_module_level=True)

from selam_cli.keyboard import multiplexer
from tests.support.needs import need_programs
from tests.support.shell_run import until
from tests.support.terminal import KITTY, LEGACY, PATIENCE_S, Profile, Terminal, without_resumptions

_SERVERS = itertools.count()
"""Each test has a tmux server of its own: one that is ending still answers to its name for a moment."""


class InTmux(Terminal):
    """A terminal with tmux in it, and the screen in that."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._told = folder / "commands"
        self._tmux = ["tmux", "-L", f"selam-test-{os.getpid()}-{next(_SERVERS)}", "-f", "/dev/null"]
        command = shlex.join([sys.executable, "-m", "tests.tui.play", str(self._told), "{}"])
        super().__init__(
            [shutil.which("tmux") or "", *self._tmux[1:], "new-session", command],
            profile=profile,
            environment={"LC_ALL": "C.UTF-8"},
        )

    @property
    def commands(self) -> list[str]:
        """What the engine was told, times left out."""
        lines = self._told.read_text(encoding="utf-8").splitlines() if self._told.exists() else []
        return [" ".join(word for word in line.split() if "." not in word) for line in lines]

    def wait_for_command(self, command: str) -> None:
        self.wait_for(lambda: command in self.commands, command)

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextmanager
def screen_in_tmux(folder: Path, profile: Profile = LEGACY) -> Iterator[InTmux]:
    need_programs("tmux")
    with InTmux(folder, profile) as terminal:
        try:
            terminal.wait_for_text("READY")
            yield terminal
        finally:
            subprocess.run([*terminal._tmux, "kill-server"], check=False, capture_output=True)


@pytest.mark.parametrize("profile", [LEGACY, KITTY], ids=str)
def test_a_hold_is_inferred_and_the_footer_says_so(tmp_path, profile):
    with screen_in_tmux(tmp_path, profile) as terminal:
        terminal.wait_for_text("hold space (release inferred)")
        terminal.hold(" ", 1.5)
        talked = ["levels on", "press", "release inferred"]
        terminal.wait_for(lambda: without_resumptions(terminal.commands) == talked, "one utterance")


def test_a_tap_opens_the_microphone_and_the_next_one_closes_it(tmp_path):
    with screen_in_tmux(tmp_path) as terminal:
        terminal.tap(" ")
        terminal.wait_for_text("MICROPHONE OPEN")
        terminal.tap(" ")
        terminal.wait_for_command("release")


def test_escape_throws_away_though_tmux_holds_it_back_for_a_moment(tmp_path):
    with screen_in_tmux(tmp_path) as terminal:
        terminal.tap(" ")
        terminal.wait_for_text("MICROPHONE OPEN")
        terminal.press("escape")
        terminal.wait_for_command("discard")


def test_a_client_that_is_gone_closes_a_latched_microphone(tmp_path):
    with screen_in_tmux(tmp_path) as terminal:
        terminal.tap(" ")
        terminal.wait_for_text("MICROPHONE OPEN")
        terminal.tmux("detach-client")
        end = time.monotonic() + PATIENCE_S
        while "release" not in terminal.commands:
            assert time.monotonic() < end, terminal.commands
            time.sleep(0.05)
        assert terminal.commands[:3] == ["levels on", "press", "release"]
        while "No terminal is" not in terminal.tmux("capture-pane", "-p"):
            assert time.monotonic() < end, terminal.tmux("capture-pane", "-p")
            time.sleep(0.05)


def test_a_tmux_that_never_had_a_client_is_driven_by_a_program_and_keeps_it_open(tmp_path, monkeypatch):
    need_programs("tmux")
    folder = tmp_path / "tmux"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TMUX_TMPDIR", str(folder))
    asked = tmp_path / "asked"
    (counting := tmp_path / "tmux-that-counts").mkdir()
    (counting / "tmux").write_text(f'#!/bin/sh\necho >>"{asked}"\nexec {shutil.which("tmux")} "$@"\n')
    (counting / "tmux").chmod(0o755)
    monkeypatch.setenv("PATH", f"{counting}:{os.environ['PATH']}")
    told = tmp_path / "commands"
    command = shlex.join([sys.executable, "-m", "tests.tui.play", str(told), "{}"])
    tmux = [shutil.which("tmux", path=os.environ["PATH"].partition(":")[2]), "-L", "driven", "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", command], check=True)
    try:
        until(asked.exists, lambda: "the first question")
        subprocess.run([*tmux, "send-keys", "Space"], check=True)
        until(lambda: "press" in told.read_text(), lambda: "press")
        questions = len(asked.read_text())
        until(lambda: len(asked.read_text()) > questions + 2, lambda: "three more questions")
        assert "release" not in told.read_text()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


def test_keys_come_from_afar_where_the_client_came_through_ssh(tmp_path):
    with screen_in_tmux(tmp_path) as terminal:
        told = terminal.tmux("display-message", "-p", "#{socket_path},#{pid},0 #{pane_id}").split()
        inside = {**dict(zip(("TMUX", "TMUX_PANE"), told, strict=True)), "PATH": os.environ["PATH"]}
        here = multiplexer.Clients(attached=True, far=False, count=1)
        afar = multiplexer.Clients(attached=True, far=True, count=1)
        assert multiplexer.clients(inside) == here
        for link, expected in (("10.0.0.1 50000 10.0.0.2 22", afar), ("", here)):
            attach = [shutil.which("tmux") or "", *terminal._tmux[1:], "attach-session", "-d"]
            with Terminal(attach, environment={"SSH_CONNECTION": link} if link else {}) as other:
                other.wait_for_text("hold space (release inferred)")
                assert multiplexer.clients(inside) == expected


def test_a_tmux_that_is_killed_closes_the_microphone_and_leaves_no_process(tmp_path):
    with screen_in_tmux(tmp_path) as terminal:
        pid = int(terminal.tmux("display-message", "-p", "#{pane_pid}"))
        terminal.tap(" ")
        terminal.wait_for_text("MICROPHONE OPEN")
        terminal.tmux("kill-server")
        terminal.wait_for_exit()
        terminal_gone(pid)
        assert terminal.commands[-1] == "quit"


def terminal_gone(pid: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end, "the screen does not end"
        time.sleep(0.01)  # a process that is no child of ours tells nobody of its end
