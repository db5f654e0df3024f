"""The virtual sound card as a program."""

import subprocess
import sys
from pathlib import Path

from tests.support.needs import need_programs
from tests.support.vsound import PROGRAMS

ROOT = Path(__file__).parents[2]


def test_a_command_runs_with_a_card_of_its_own_and_gives_the_exit_status():
    need_programs(*PROGRAMS)
    command = [sys.executable, "-m", "tests.support.vsound"]
    devices = subprocess.run(
        [*command, "pactl", "info"], capture_output=True, text=True, timeout=120, check=True, cwd=ROOT
    )
    assert "Default Sink: spk\n" in devices.stdout
    assert "Default Source: vmic\n" in devices.stdout
    assert subprocess.run([*command, "sh", "-c", "exit 3"], timeout=120, check=False, cwd=ROOT).returncode == 3
