"""Settings file, folders and log file: whether they can be read and written, and whether there is room."""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platformdirs import user_data_path, user_log_path

from selam_cli.config.settings_file import settings_path
from selam_cli.config.user_path import NO_HOME
from selam_cli.doctor.finding import Finding, failed, ok, warning
from selam_cli.doctor.in_time import in_thread
from selam_cli.errors import SelamError
from selam_cli.logs.log_file import log_path

if TYPE_CHECKING:
    from selam_cli.doctor.case import Case

WITHIN_S: Final = 4.0
"""A network folder whose server is gone never answers."""

LITTLE_BYTES: Final = 50_000_000
_TRIAL_BYTES: Final = 65_536


async def check_folders(case: Case) -> AsyncGenerator[Finding, None]:
    """Look at what is read, then at what is written."""
    for finding in case.at_settings:
        yield finding
    if case.environment.get("HOME") == NO_HOME:
        told = "There is no home folder: HOME is not set, and the user has no entry in passwd. Nothing is kept."
        yield warning("folders.home", told, "Set HOME to a folder that you may write to.")
    settings = settings_path(case.environment)
    data = user_data_path("selam-voice", appauthor=False)
    looks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("folders.config", lambda: _folder("folders.config", "settings", settings.parent)),
        ("folders.data", lambda: _folder("folders.data", "models", data)),
        ("log.file", _log),
    )
    for name, look in looks:
        try:
            yield await in_thread(look, WITHIN_S)
        except TimeoutError:
            reason = f"The disk did not answer within {WITHIN_S:.0f} s."
            yield failed(name, SelamError(reason, "Check that network folders can be reached."))


def _log() -> Finding:
    folder = user_log_path("selam-voice", appauthor=False)
    path = log_path()
    if path is None:
        reason = f"The folder of the log, {folder}, cannot be written."
        return failed("log.file", SelamError(reason, _PERMISSIONS))
    found = _folder("log.file", "the log", path.parent)
    if found.status != "ok":
        return found
    try:
        with path.open("ab"):
            pass
        known = path.stat()
    except OSError as error:
        reason = f"The log file {path} cannot be written: {_why(error)}."
        return failed("log.file", SelamError(reason, _PERMISSIONS))
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(known.st_mtime))
    size = "is empty" if not known.st_size else f"holds {_size(known.st_size)}, the last of {written}"
    return ok("log.file", f"The log file is {path}; it {size}.")


_PERMISSIONS: Final = "Check who owns it and what may be written there, or remove what stands in its place."


def _folder(name: str, what: str, folder: Path) -> Finding:
    """Try to write where a folder is or would be made: permissions tell neither a full nor a read-only disk."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as trial:
            trial.write(bytes(_TRIAL_BYTES))
            trial.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        remedy = "Make room there." if error.errno in {errno.ENOSPC, errno.EDQUOT} else _PERMISSIONS
        return failed(name, SelamError(f"The folder for {what}, {folder}, cannot be written: {_why(error)}.", remedy))
    if free < LITTLE_BYTES:
        told = f"The disk of the folder for {what}, {folder}, is nearly full: {_size(free)} are left."
        return warning(name, told, "Make room there.")
    exists = "" if there == folder else " (it is made when it is needed)"
    return ok(name, f"The folder for {what} is {folder}{exists}; {_size(free)} are free.")


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _size(size_bytes: int) -> str:
    for unit, many in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= many:
            return f"{size_bytes / many:.1f} {unit}"
    return f"{size_bytes} bytes"
