"""The API key: whether there is one, and where it comes from. The server says whether it is accepted (`server.py`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from selam_cli.doctor.case import Case
from selam_cli.doctor.finding import Finding, failed, ok, warning
from selam_cli.errors import AuthenticationError

_PREFIX: Final = "sk-selam-"


async def check_key(case: Case) -> AsyncGenerator[Finding, None]:
    """Tell the key's source and whether it can be one."""
    yield case.key.fault or _source(case)
    if case.key.credentials.token:
        yield ok("key.token", "The service's older token, SELAM_TOKEN, is set and is sent as well.")


def _source(case: Case) -> Finding:
    key, source = case.key.credentials.api_key, case.key.source
    if key is None:
        return ok(
            "key.source",
            "No API key is set.",
            "The embedded agent and servers without keys need none; for the hosted agent, run selam-voice login.",
        )
    if not (key.isascii() and key.isprintable()) or any(sign in key for sign in " \"'"):
        reason = f"The API key in {source} holds characters that no key has."
        return failed("key.source", AuthenticationError(reason, "Copy it again, without quotes and spaces."))
    if not key.startswith(_PREFIX) and case.settings.server is None and not case.settings.local:
        told = f"The API key in {source} does not look like one of Selam's, which begin with {_PREFIX}."
        return warning("key.source", told, "Check that the right key was copied.")
    return ok("key.source", f"An API key is set in {source}.")
