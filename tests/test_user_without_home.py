"""Users without a home folder, as in containers: every command works, and the doctor says what is missing."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from selam_cli.config.user_path import NO_HOME, ensure_home
from tests.support.needs import need_right

if sys.platform == "win32":
    pytest.skip("homes stand in passwd on POSIX", allow_module_level=True)

STRANGER = 54_321
"""A user number without an entry in passwd."""

PROJECT = Path(__file__).parent.parent
FOLDERS = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


def as_stranger(arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user that nobody knows, by an interpreter that any user may start."""
    need_right("to become another user", os.geteuid() == 0)
    interpreter = shutil.which(f"python{sys.version_info[0]}.{sys.version_info[1]}", path="/usr/bin:/usr/local/bin")
    need_right("to start this Python as another user", interpreter is not None)
    kept = {name: value for name, value in os.environ.items() if name not in FOLDERS}
    modules = os.pathsep.join([str(PROJECT), sysconfig.get_path("purelib")])
    kept |= {"PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [str(interpreter), "-P", "-m", "selam_cli", *arguments.split()]
    return subprocess.run(
        command, env=kept, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/", input=stdin,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


HOMES = [None, "", "relative", "/", "/no/such/folder"]
COMMANDS = ["voices", "models", "logout"]


@pytest.mark.parametrize(
    ("command", "home"),
    list(
        itertools.product(COMMANDS, HOMES)
        if os.environ.get("SELAM_SOAK") == "1"
        else zip(["logout", "voices", "logout", "voices", "models"], HOMES, strict=True)
    ),
)
def test_commands_work_without_a_home(command, home):
    ended = as_stranger(command, **({} if home is None else {"HOME": home}))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_doctor_tells_that_there_is_none_and_what_to_do():
    ended = as_stranger("doctor --no-speak --local --input none.wav --output null")
    assert "The program failed" not in ended.stdout + ended.stderr
    assert "There is no home folder" in ended.stdout
    assert "Set HOME to a folder" in ended.stdout


def test_a_key_that_cannot_be_kept_is_told_with_its_place_and_a_remedy():
    ended = as_stranger("login --untried", stdin="sk-selam-test-homeless\n")
    assert ended.returncode == 1
    assert f"{NO_HOME}/.config/selam-voice/keys.json cannot be written" in ended.stderr
    assert "set SELAM_API_KEY instead" in ended.stderr


def test_a_folder_that_is_gone_is_no_obstacle(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = (
        "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, '-P', '-m', *sys.argv[1:]])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", leave, "selam_cli", "voices"], cwd=gone, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_home_is_where_passwd_has_it_unless_it_is_set(home, monkeypatch):
    environment = {} if home is None else {"HOME": home}
    ensure_home(environment)
    assert os.path.isabs(environment["HOME"])  # noqa: PTH117  # a variable's text
    monkeypatch.setattr(os, "getuid", lambda: STRANGER)
    environment = {} if home is None else {"HOME": home}
    ensure_home(environment)
    assert environment == {"HOME": NO_HOME}


def test_a_home_that_is_set_stays():
    environment = {"HOME": "/somewhere"}
    ensure_home(environment)
    assert environment == {"HOME": "/somewhere"}
