"""`login`: asks for the API key without showing it, tries it, and keeps it for the server that took it."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NoReturn

from selam_cli.config.settings import Settings
from selam_cli.core.outside_text import NotUnicode, decoded, unquoted
from selam_cli.core.plain_text import plain, plain_line
from selam_cli.core.protocol import HOSTED_SERVER
from selam_cli.core.redaction import redact_url
from selam_cli.credentials.handshake import environment_credentials
from selam_cli.credentials.lookup import VARIABLE, environment_key, keep_key
from selam_cli.engine.host.terminal_guard import guarded
from selam_cli.engine.server_target import ServerTarget, choose_target
from selam_cli.errors import AuthenticationError, AuthorizationError, SelamError, UsageFault

MAX_KEY_LENGTH: Final = 4_000
"""A key goes into an address, and servers take no longer one."""


def run(settings: Settings, *, untried: bool, on_key: Callable[[Sequence[str]], None]) -> int:
    """Ask for a key, try it and keep it; return the exit status. `on_key` gets what must not be shown.

    Raises SelamError where the key is none, is refused, or cannot be kept.
    """
    url = settings.server or HOSTED_SERVER
    choose_target(
        settings, environment_credentials()
    )  # what is wrong with the address is said before anything is typed
    key = _asked_for(plain_line(redact_url(url)))
    on_key([key])
    target = choose_target(replace(settings, local=False), replace(environment_credentials(), api_key=key))
    if not untried:
        refused = _tried(settings, target)
        if isinstance(refused, int):
            return refused
        if refused is not None:
            return _keep_nevertheless(url, key, refused)
        _say(f"{redact_url(url)} accepted the key.")
    _keep(url, key)
    return 0


def _tried(settings: Settings, target: ServerTarget) -> SelamError | int | None:
    from selam_cli.commands.key_trial import Ended, try_key  # loaded while the key has been typed

    if sys.stdin.isatty():
        _say(f"Trying it at {target.shown} …")
    try:
        return try_key(settings, target)
    except Ended as ended:
        return ended.status


def _keep_nevertheless(url: str, key: str, refused: SelamError) -> int:
    """Decide about a key that got no session: wrong ones are not kept, right ones are, others are asked about."""
    if isinstance(refused, AuthenticationError):
        raise AuthenticationError(refused.reason, "It was not kept. Copy the key again, whole, or make a new one.")
    if isinstance(refused, AuthorizationError):
        _keep(url, key)
        raise AuthorizationError(
            refused.reason,
            "The key is known, so it was kept: the embedded agent (talk --local) can think and speak with it. "
            "Ask Selam for access to the Voice Agent.",
        )
    if not _wanted_untried(refused):
        raise type(refused)(
            refused.reason, f"The key was not kept. {refused.remedy} Or keep it without trying: --untried."
        )
    _keep(url, key)
    return 0


def _wanted_untried(refused: SelamError) -> bool:
    if not sys.stdin.isatty():
        return False
    _say(refused.reason)
    try:
        answer = input("The key could not be tried. Keep it all the same? [Y/n] ")
    except EOFError:
        return False
    return answer.strip().lower() in {"", "y", "yes"}


def _keep(url: str, key: str) -> None:
    place, problem = keep_key(url, key)
    _say(f"{problem} The key is kept in {place}.".strip())
    if environment_key(os.environ) is not None:
        _say(f"{VARIABLE} is set in this environment, and goes before the key that is kept.")


# --- asking -----------------------------------------------------------------------------------------------------------


def _asked_for(server: str) -> str:
    key = unquoted(_typed(server) if sys.stdin.isatty() else _piped())
    if not key:
        raise UsageFault("No key was given, and nothing was changed.", "Run selam-voice login again.")
    if len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageFault("That is no API key: a key is one word of letters and digits.", "Copy it again, and alone.")
    return key


def _piped() -> str:
    """Read the first line of standard input; what is no text is no key, and is reported as that."""
    stdin = sys.stdin.buffer
    line = stdin.readline(4 * MAX_KEY_LENGTH)
    if len(line) % 2 and b"\0" in line:  # UTF-16: the line's end is two bytes
        line += stdin.read(1)
    with contextlib.suppress(NotUnicode):
        return decoded(line)
    return "\0"


def _typed(server: str) -> str:
    """Read a line without echo. Raises UsageFault where the terminal cannot hide it."""
    with warnings.catch_warnings(), guarded(), _ended_by_exceptions():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"API key for {server} (it is not shown): ")
        except getpass.GetPassWarning:
            raise UsageFault(
                "This terminal cannot hide what is typed.", "Pipe the key into selam-voice login."
            ) from None
        except EOFError:
            return ""


@contextlib.contextmanager
def _ended_by_exceptions() -> Iterator[None]:
    """Have a signal end the program by an exception: ended on the spot, it would leave the terminal without echo."""

    def leave(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(sentence: str) -> None:
    print(plain(sentence), flush=True)  # noqa: T201  # its output
