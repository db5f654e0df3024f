"""A key that a test leaves behind fails the whole run, in whichever process the test was, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.canary import SuiteCanary
from tests.support.needs import need

ROOT = Path(__file__).parents[2]

LEAKS = {
    "printed": "print(os.environ['SELAM_TOKEN'])",
    "printed_by_a_child": "subprocess.run(['sh', '-c', 'echo $SELAM_TOKEN'], check=True)",
    "logged": "logging.getLogger().warning('with %s', os.environ['SELAM_TOKEN'])",
    "in_a_file": "(tmp_path / 'left').write_text(os.environ['SELAM_TOKEN'])",
}


def run(works: dict[str, str], processes: int) -> subprocess.CompletedProcess[str]:
    """Run a test for each of these in their own pytest, with the suite's conftest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with tempfile.TemporaryDirectory() as folder:  # none of pytest's own folders, where this very run looks for keys
        tests = Path(folder) / "test_leak.py"
        functions = [f"def test_{name}(tmp_path):\n    {work}\n" for name, work in works.items()]
        tests.write_text("".join(["import logging, os, subprocess\n", *functions]))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", "-p", "no:cacheprovider",
             "-n", str(processes), "--basetemp", str(Path(folder) / "run"), str(tests)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


@pytest.mark.parametrize("processes", [0, 2])
def test_a_key_that_is_left_fails_the_run_and_is_told(processes):
    ended = run({**LEAKS, "nothing": "print('nothing of note')"}, processes)
    told = [line for line in ended.stdout.splitlines() if line.startswith("A KEY LEAKED: ")]
    for name in ("printed", "printed_by_a_child", "logged"):
        assert len([line for line in told if line.endswith(f"::test_{name}")]) == 1, ended.stdout
    assert any("/test_in_a_file0/left: plain" in line for line in told)
    assert not any("nothing" in line for line in told)
    assert SuiteCanary.KEY not in ended.stdout
    assert "5 passed" in ended.stdout
    assert ended.returncode == 1


@pytest.mark.parametrize(("work", "status"), [("pass", 0), ("assert False", 1)])
def test_any_other_run_ends_with_what_its_tests_say(work, status):
    """With the echo canceller's library loaded, too, with which the process ends at once."""
    need("livekit", find_spec("livekit"))
    ended = run({"it": f"import livekit.rtc; {work}"}, 2)
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "LEAKED" not in ended.stdout
