"""`logout`: removes the kept keys from every place and says from which."""

from __future__ import annotations

import os

from selam_cli.core.plain_text import plain
from selam_cli.credentials.lookup import VARIABLE, environment_key, forget_keys
from selam_cli.errors import SelamError


def run(server: str | None) -> int:
    """Remove the key of one server, or of all; return the exit status. Raises SelamError where one stays."""
    removals = forget_keys(server)
    for removal in removals:
        if not removal.problem:
            _say(f"The key for {removal.server} was removed from {removal.place}.")
    if not removals:
        _say("No key was kept." if server is None else "No key was kept for that server.")
    if environment_key(os.environ) is not None:
        _say(f"{VARIABLE} is still set in this environment, and goes on being used.")
    stays = next((removal for removal in removals if removal.problem), None)
    if stays is not None:
        raise SelamError(
            f"{stays.problem} So the key that {stays.place} may hold for {stays.server} stays there.",
            "Unlock or mend the key store, and run selam-voice logout again.",
        )
    return 0


def _say(sentence: str) -> None:
    print(plain(sentence))  # noqa: T201  # its output
