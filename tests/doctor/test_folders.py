"""Folders that cannot be written, and a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys

from selam_cli.doctor.folders import _folder
from tests.doctor.examined import look_at
from tests.support.needs import need, need_programs


async def test_a_file_in_a_folders_place_is_told_for_each_of_them(tmp_path):
    block = tmp_path / "block"
    block.write_text("")
    places = {name: str(block / "below") for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    seen = await look_at("folders", environment=places)
    assert seen.status == 2, "the settings file cannot be read"
    assert [seen.status_of(name) for name in ("folders.config", "folders.data", "log.file")] == ["failed"] * 3
    assert str(block) in seen.said("log.file")


def test_a_folder_that_is_not_there_yet_can_be_made(tmp_path):
    found = _folder("folders.data", "models", tmp_path / "a" / "b")
    assert found.status == "ok"
    assert "made when it is needed" in found.text
    assert not (tmp_path / "a").exists()


_LOOK = """
import sys
from pathlib import Path
from selam_cli.doctor.folders import _folder
print(_folder("folders.data", "models", Path(sys.argv[1])))
"""


def test_a_full_disk_and_one_that_is_nearly_full(tmp_path):
    need_programs("unshare", "mount")
    for size, fill, said in (("64k", "64", "Make room there"), ("4m", "1", "nearly full")):
        mount = f'mount -t tmpfs -o size={size} none "$1"'
        work = f'{mount} && head -c {fill}k /dev/zero > "$1/filler"; exec "$2" -c "$3" "$1"'
        ended = subprocess.run(
            ["unshare", "--mount", "sh", "-c", work, "sh", str(tmp_path), sys.executable, _LOOK],
            capture_output=True, text=True, check=False, env=dict(os.environ),
        )  # fmt: skip
        need("leave to mount a small disk", ended.returncode == 0 or "mount" not in ended.stderr)
        assert said in ended.stdout, ended.stderr
