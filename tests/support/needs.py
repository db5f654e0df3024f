"""Components that a machine may lack: a test skips with the reason there, and fails where nothing may be missing."""

from __future__ import annotations

import os
import shutil

import pytest


def need(what: str, available: object) -> None:
    """Skip the test where `what` is not there; in CI (`CI=true`) fail it."""
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and in CI nothing may be")
    pytest.skip(f"{what} is missing")


def need_right(to_do: str, allowed: object) -> None:
    """Skip the test where this machine does not allow something: unlike a program, a right cannot be installed."""
    if not allowed:
        pytest.skip(f"this machine gives no right {to_do}")


def need_programs(*names: str) -> None:
    """Skip the test where one of these programs is not installed."""
    for name in names:
        need(name, shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin"))
