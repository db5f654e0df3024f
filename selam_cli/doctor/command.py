"""`selam-voice doctor`: gathers what is to be examined, has it examined, and returns the exit status."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from selam_cli.config.agent_settings import AgentSettings, load_agent_settings
from selam_cli.config.settings import Settings, load_settings
from selam_cli.config.settings_file import settings_path
from selam_cli.core.protocol import HOSTED_SERVER
from selam_cli.core.push_to_talk import Mode
from selam_cli.core.redaction import secrets_of_environment
from selam_cli.doctor import known_key
from selam_cli.doctor.case import Case
from selam_cli.doctor.engines import check_engines
from selam_cli.doctor.examination import Topic, examine
from selam_cli.doctor.finding import Finding, Status, failed, ok, skipped, warning
from selam_cli.doctor.folders import check_folders
from selam_cli.doctor.in_time import WatchedExecutor, in_thread, to_its_end
from selam_cli.doctor.key import check_key
from selam_cli.doctor.keyboard import NoKeyboard
from selam_cli.doctor.known_key import KnownKey
from selam_cli.doctor.level import spoken_level
from selam_cli.doctor.report import JsonFace, PlainFace, Report
from selam_cli.doctor.server import check_server
from selam_cli.doctor.sound import check_sound
from selam_cli.doctor.terminal import check_terminal
from selam_cli.doctor.versions import versions
from selam_cli.errors import UsageFault

KEY_WITHIN_S: Final = 5.0

TOPICS: Final = (
    Topic("folders", "Settings, folders, log", check_folders, 20.0),
    Topic("terminal", "Terminal and keys", check_terminal, 15.0),
    Topic("key", "API key", check_key, 10.0),
    Topic("server", "Server", check_server, 60.0),
    Topic("agent", "Embedded agent", check_engines, 60.0),
    Topic("sound", "Sound", check_sound, 60.0),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line said. `speak` None: only where a user sits at a terminal."""

    flags: Mapping[str, object]
    as_json: bool = False
    speak: bool | None = None


def run(wish: Wish) -> int:
    """Examine everything; return 0 where nothing failed. Raises UsageFault for a wrong flag."""
    logging.getLogger().addHandler(logging.NullHandler())
    report = Report(JsonFace() if wish.as_json else PlainFace(), secrets_of_environment(os.environ))
    return asyncio.run(_leaving_what_is_stuck(wish, report))


async def _leaving_what_is_stuck(wish: Wish, report: Report) -> int:
    """Examine, and leave at once: Python would wait for a name that is still being looked up."""
    executor = WatchedExecutor()
    asyncio.get_running_loop().set_default_executor(executor)
    examining = asyncio.ensure_future(_examine(wish, report))
    status = _status_of_signals(examining)
    try:
        await examining
    except asyncio.CancelledError:
        if not status:
            raise
    left_with = next(iter(status), report.exit_status)
    if executor.is_stuck:
        sys.stdout.flush()
        os._exit(left_with)
    return left_with


def _status_of_signals(examining: asyncio.Future[None]) -> list[int]:
    """Have signals end the examination, which puts the terminal back; the list gets the exit status."""
    status: list[int] = []

    def end(number: signal.Signals) -> None:
        status.append(128 + number)
        examining.cancel()

    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            asyncio.get_running_loop().add_signal_handler(number, end, number)
    return status


async def _examine(wish: Wish, report: Report) -> None:
    case = await _case(wish, report)
    report.opening(versions())
    await examine(TOPICS, case, report)
    report.heading("With your help")
    report.tell(await _level(case, report))
    report.tell(await _held_key(case))
    report.closing()


async def _case(wish: Wish, report: Report) -> Case:
    settings, agent, at_settings = _settings(wish.flags)
    known = await _key(settings.server or HOSTED_SERVER)
    report.keep_secret(known.credentials.api_key, known.credentials.token, agent.stt_key, agent.llm_key, agent.tts_key)
    in_terminal = not wish.as_json and sys.stdin.isatty() and sys.stdout.isatty()
    speak = in_terminal if wish.speak is None else wish.speak
    return Case(settings, agent, known, os.environ, at_settings, in_terminal, speak, report.ask)


def _settings(flags: Mapping[str, object]) -> tuple[Settings, AgentSettings, tuple[Finding, ...]]:
    """Return what holds; where file or environment are wrong, what holds without them, and the fault as a finding."""
    without = {"SELAM_CONFIG": os.devnull}
    load_settings(flags, without)  # a wrong flag is a wrong command line, and no finding
    path = settings_path(os.environ)
    try:
        settings, agent = load_settings(flags), load_agent_settings()
    except UsageFault as error:
        return load_settings(flags, without), load_agent_settings(without), (failed("settings.file", error),)
    there = f"The settings file is {path}." if path.exists() else f"There is no settings file, {path}: defaults hold."
    return settings, agent, (ok("settings.file", there),)


async def _key(server: str) -> KnownKey:
    try:
        return await in_thread(lambda: known_key.known_key(os.environ, server), KEY_WITHIN_S)
    except TimeoutError:
        told = f"The key's store did not answer within {KEY_WITHIN_S:.0f} s."
        return KnownKey(fault=warning("key.source", told, "Set SELAM_API_KEY instead, or unlock the key store."))


async def _level(case: Case, report: Report) -> Finding:
    microphone = next((finding for finding in report.findings if finding.id == "sound.microphone"), None)
    if microphone is None or microphone.status is Status.FAILED:
        return skipped("sound.level", "The microphone cannot be used, so nobody need speak.")
    if not case.speak:
        return skipped("sound.level", "Nobody was asked to speak.", "doctor --speak asks, and measures the voice.")
    if "takes the microphone's place" in microphone.text:
        return skipped("sound.level", "A file takes the microphone's place, so nobody need speak.")
    return await spoken_level(case)


async def _held_key(case: Case) -> Finding:
    if not case.in_terminal:
        return skipped("keys.repeat", "Nobody was asked to hold the talk key.", "selam-voice keys shows what it does.")
    from selam_cli.doctor import held_key  # it loads Textual
    from selam_cli.tui.key_log import KeyLog

    mode, key = Mode(case.settings.ptt), case.settings.talk_key
    log = KeyLog(mode, key)
    case.ask(f"Hold {key} for two seconds, then let go. Any other key leaves this out.", held_key.NOBODY_AFTER_S)
    try:
        outcome = await to_its_end(lambda stop: held_key.listen(log, key, stop), 10 * held_key.NOBODY_AFTER_S)
    except NoKeyboard as error:
        return skipped("keys.repeat", f"The talk key was not listened to: {error}")
    if outcome is held_key.Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    return held_key.finding(log, mode, key, outcome)
