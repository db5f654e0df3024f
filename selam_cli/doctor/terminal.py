"""The terminal: what it is and shows, tmux or GNU screen in between, its answers, and whether it reports releases."""

from __future__ import annotations

import asyncio
import codecs
import locale
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from selam_cli.core.key_rhythm import SILENCE_S
from selam_cli.core.repeat_pairs import CUT_S
from selam_cli.doctor import keyboard
from selam_cli.doctor.finding import Finding, failed, ok, skipped, warning
from selam_cli.doctor.in_time import to_its_end
from selam_cli.errors import UsageFault
from selam_cli.keyboard import multiplexer
from selam_cli.keyboard.surroundings import in_gnu_screen, tells_mouse

if TYPE_CHECKING:
    from selam_cli.doctor.case import Case

SMALLEST_COLUMNS, SMALLEST_ROWS = 40, 15
"""What the screen of `talk` needs, as it says itself."""

LATE_ESCAPE_MS: Final = 100
TMUX_WITHIN_S: Final = 3.0
_TMUX_ASKED: Final = ("version", "escape-time", "focus-events", "client_utf8")


async def check_terminal(case: Case) -> AsyncGenerator[Finding, None]:
    """Look at the terminal from the outside, then ask it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        remedy = "talk needs a terminal; ask and talk --json need none. Run doctor where you want to talk."
        yield skipped("terminal.kind", "Standard input or output is no terminal.", remedy)
        return
    for finding in (_kind(case.environment), _size(), _colours(case.environment), _letters(case.environment)):
        yield finding
    for finding in _mouse(case.environment):
        yield finding
    if case.environment.get("TMUX"):
        for finding in await _tmux(case.environment):
            yield finding
    elif case.environment.get("STY"):
        yield _screen(multiplexer.clients(case.environment))
    for finding in await _asked(case):
        yield finding


def _kind(environment: Mapping[str, str]) -> Finding:
    term = environment.get("TERM", "")
    if sys.platform != "win32" and term in {"", "dumb", "unknown"}:
        reason = f"TERM is {term!r}, a terminal on which no screen can be drawn."
        return failed("terminal.kind", UsageFault(reason, "Use another terminal, or talk --json."))
    program = " ".join(filter(None, (environment.get(f"TERM_PROGRAM{part}") for part in ("", "_VERSION"))))
    parts = [f"TERM is {term}" if term else "", f"the program says {program}" if program else ""]
    parts += ["through SSH" if environment.get("SSH_CONNECTION") else ""]
    parts += ["inside GNU screen" if in_gnu_screen(environment) else ""]
    return ok("terminal.kind", f"The terminal: {', '.join(filter(None, parts)) or 'a console of Windows'}.")


def _size() -> Finding:
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    if columns < SMALLEST_COLUMNS or rows < SMALLEST_ROWS:
        told = f"The window is too small: {columns}×{rows}."
        remedy = f"Make it {SMALLEST_COLUMNS}×{SMALLEST_ROWS} at least; 80×24 shows everything."
        return warning("terminal.size", told, remedy)
    return ok("terminal.size", f"The window has {columns} columns and {rows} rows.")


def _colours(environment: Mapping[str, str]) -> Finding:
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR"):
        return ok("terminal.colours", "NO_COLOR is set, so there are none.")
    inherited = in_gnu_screen(environment)
    if (
        environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"} and not inherited
    ) or sys.platform == "win32":
        return ok("terminal.colours", "Colours: 16 million.")
    count = 256 if "256color" in term or "kitty" in term else 16
    aside = "; COLORTERM is not GNU screen's own" if inherited and environment.get("COLORTERM") else ""
    return ok("terminal.colours", f"Colours: {count}, as TERM says{aside}.")


def _mouse(environment: Mapping[str, str]) -> Iterator[Finding]:
    if not tells_mouse(environment):
        told = "GNU screen is in between: it would hold Escape back where the mouse is told, so the mouse is left off."
        yield ok("terminal.mouse", told)


def _letters(environment: Mapping[str, str]) -> Finding:
    output = _codec(sys.stdout.encoding)
    wanted = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    of_locale = _codec(locale.getpreferredencoding(do_setlocale=False))
    if output == of_locale == "utf-8":
        return ok("terminal.letters", f"Letters are UTF-8 (locale {wanted or 'not set'}).")
    told = f"Letters are {output if output != 'utf-8' else of_locale} (locale {wanted or 'not set'}), not UTF-8."
    remedy = "Amharic and Tigrinya cannot be shown so. Set LANG=C.UTF-8, or another locale that ends in UTF-8."
    return warning("terminal.letters", told, remedy)


def _codec(name: str | None) -> str:
    try:
        return codecs.lookup(name or "ascii").name
    except LookupError:
        return str(name)


async def _tmux(environment: Mapping[str, str]) -> list[Finding]:
    """Ask tmux for the settings that matter to a key, an Escape and a letter."""
    pane = environment.get("TMUX_PANE", "")
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux", "display-message", *(("-t", pane) if pane else ()), "-p",
            "\n".join((*(f"#{{{name}}}" for name in _TMUX_ASKED), multiplexer.TMUX_CLIENTS)),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return [skipped("tmux.settings", "tmux is in between, and its program is not found here.")]
    try:
        async with asyncio.timeout(TMUX_WITHIN_S):
            told, _ = await process.communicate()
    except TimeoutError:
        return [warning("tmux.settings", "tmux does not answer.", "Look whether its server hangs.")]
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        return [skipped("tmux.settings", "tmux is in between, and does not tell its settings.")]
    *settings, clients = told.decode("utf-8", "replace").removesuffix("\n").split("\n")
    of_settings = _tmux_findings(dict(zip(_TMUX_ASKED, settings, strict=False)))
    return [*of_settings, *tmux_clients(multiplexer.of_tmux(environment, clients))]


def _tmux_findings(told: Mapping[str, str]) -> Iterator[Finding]:
    yield ok("tmux.version", f"tmux {told.get('version', '')} is in between; it passes no release of a key on.")
    escape_ms = int(told["escape-time"]) if told.get("escape-time", "").isdigit() else 0
    if escape_ms > LATE_ESCAPE_MS:
        late = f"tmux holds Escape back for {escape_ms} ms, so it throws away and interrupts late."
        yield warning("tmux.escape_time", late, "Put 'set -sg escape-time 10' into ~/.tmux.conf.")
    if told.get("focus-events") == "0":
        deaf = "tmux does not tell when its window loses the focus, so what the mouse holds is let go late."
        yield warning("tmux.focus_events", deaf, "Put 'set -g focus-events on' into ~/.tmux.conf.")
    if told.get("client_utf8") == "0":
        blind = "tmux takes the terminal around it for one without UTF-8: Ethiopic letters become underscores."
        yield warning("tmux.utf8", blind, "Start it with tmux -u, or in a locale that ends in UTF-8.")


def tmux_clients(clients: multiplexer.Clients) -> Iterator[Finding]:
    """Say how many there are, and what it means for a hold that keys may come from afar."""
    if clients.count is None:
        return
    number = {0: "no client", 1: "one client"}.get(clients.count, f"{clients.count} clients")
    how = "keys come over no network"
    if clients.far:
        how = "keys may come over a network, so an inferred end of a hold may be taken back until "
        how += f"{SILENCE_S:.1f} s after its last repeat"
    yield ok("tmux.clients", f"tmux has {number}; {how}.")


def _screen(clients: multiplexer.Clients) -> Finding:
    if clients.attached is None:
        told = "GNU screen is in between, and its socket is not found: that its client goes will not be noticed."
        return skipped("screen.clients", told)
    return ok("screen.clients", f"GNU screen has {'a client' if clients.attached else 'no client'}.")


async def _asked(case: Case) -> list[Finding]:
    if not case.in_terminal:
        remedy = "Run doctor in the foreground, without --json, or see selam-voice keys."
        return [skipped("keys.release", "Whether the terminal tells when a key goes up was not asked.", remedy)]
    try:
        answer = await to_its_end(keyboard.ask, keyboard.ANSWER_WITHIN_S + 1.0)
    except keyboard.NoKeyboard as error:
        return [skipped("keys.release", f"Whether a key's release is told was not asked: {error}", _SEE_KEYS)]
    return [answers(answer, case.environment), _releases(answer, case.environment)]


def answers(answer: keyboard.Answer, environment: Mapping[str, str]) -> Finding:
    """Say whether the terminal answers a question: while a microphone is open, that is how a dead link is noticed."""
    if answer.after_s is None:
        told = f"The terminal answered no question within {keyboard.ANSWER_WITHIN_S:.0f} s, so an open microphone "
        told += "stays open when its link stands still."
        remedy = "On a slow link, run doctor again. Otherwise hold the talk key instead of tapping it."
        return warning("terminal.answers", told, remedy)
    who = "The terminal answers questions"
    if multiplexer.watched(environment):
        name = "tmux" if environment.get("TMUX") else "GNU screen"
        who = f"{name} answers questions in the terminal's place"
    return ok("terminal.answers", f"{who}, after {1_000 * answer.after_s:.0f} ms.")


def _releases(answer: keyboard.Answer, environment: Mapping[str, str]) -> Finding:
    if answer.releases:
        told = "The terminal tells when a key goes up: holding the talk key is exact."
        return ok("keys.release", f"{told} {_KONSOLE}" if environment.get("KONSOLE_VERSION") else told)
    told = "The terminal does not tell when a key goes up: the end of a hold is inferred, 0.2 to 0.4 s late, over mosh "
    told += "on a slow link up to 0.9 s."
    remedy = (
        "Tapping is exact. kitty, Ghostty, foot, iTerm2, VS Code, Alacritty from 0.15 and Konsole from 26.08 tell it, "
    )
    remedy += "outside of tmux, screen and mosh."
    return ok("keys.release", told, remedy)


_KONSOLE: Final = (
    "Konsole may tell each repeat as a release and a press; a release counts when nothing follows it within "
    f"{CUT_S * 1_000:.0f} ms."
)
_SEE_KEYS: Final = "selam-voice keys shows what is reported of each key."
