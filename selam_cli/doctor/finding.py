"""What a check found: one line, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from selam_cli.errors import SelamError


class Status(StrEnum):
    """How a check went; a skipped one was not made, and its text says why."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. Its `id` stays the same from version to version, for scripts; `remedy` is empty where none is needed.

    `exit_code` is how the program ends where this is the first finding that failed.
    """

    id: str
    status: Status
    text: str
    remedy: str = ""
    exit_code: int = 1


def ok(id: str, text: str, remedy: str = "") -> Finding:  # noqa: A002  # the field's name
    """Return what is as it should be; a remedy is then advice for a user who wants it better."""
    return Finding(id, Status.OK, text, remedy)


def warning(id: str, text: str, remedy: str) -> Finding:  # noqa: A002  # the field's name
    """Return what works, but not well."""
    return Finding(id, Status.WARNING, text, remedy)


def skipped(id: str, text: str, remedy: str = "") -> Finding:  # noqa: A002  # the field's name
    """Return what could not be looked at."""
    return Finding(id, Status.SKIPPED, text, remedy)


def failed(id: str, error: SelamError) -> Finding:  # noqa: A002  # the field's name
    """Return what would keep a conversation from coming about, in the words it would have failed with."""
    return Finding(id, Status.FAILED, error.reason, error.remedy, error.exit_code)
