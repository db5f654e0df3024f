"""The sound libraries, the microphone and the speaker: whether they load, are there, open, and deliver."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from selam_cli.core.outside_text import variable
from selam_cli.doctor.finding import Finding, failed, ok, skipped, warning
from selam_cli.doctor.sound_process import OPENING_WITHIN_S, sound_process
from selam_cli.errors import DeviceError
from selam_cli.sound.stalled import ANSWER_WITHIN_S, no_answer

if TYPE_CHECKING:
    from selam_cli.doctor.case import Case

_STEP_IDS: Final = {
    "portaudio": "sound.library",
    "mini": "sound.library",
    "devices": "sound.devices",
    "microphone": "sound.microphone",
    "speaker": "sound.speaker",
}


async def check_sound(case: Case) -> AsyncGenerator[Finding, None]:
    """Report what the looking process says, and where it stood still or crashed."""
    step = _LOOKS[0]
    libraries: dict[str, Mapping[str, Any]] = {}
    async with sound_process("look", case.settings) as looking:
        try:
            while (line := await looking.line(_within_s(step))) is not None:
                step = str(line.pop("step"))
                if not line:
                    continue  # it begins
                if step in {"portaudio", "mini"}:
                    libraries[step] = line
                    if len(libraries) == 2:
                        yield _libraries(libraries, case.environment)
                else:
                    for finding in _FINDINGS[step](line, case):
                        yield finding
        except TimeoutError:
            yield _stands_still(step)
            return
        if step != "speaker" and await looking.crashed():
            reason = f"The process that looks at the sound crashed ({_WORDS[step]})."
            yield failed(_STEP_IDS[step], DeviceError(reason, "Set SELAM_SOUND=miniaudio or portaudio and try again."))


_LOOKS: Final = ("portaudio", "mini", "devices")


def _within_s(step: str) -> float:
    return ANSWER_WITHIN_S if step in _LOOKS else OPENING_WITHIN_S


_WORDS: Final = {
    "portaudio": "while PortAudio was loaded",
    "mini": "while miniaudio was loaded",
    "devices": "while devices were listed",
    "microphone": "while the microphone was opened",
    "speaker": "while the speaker was opened",
}


def _stands_still(step: str) -> Finding:
    return failed(_STEP_IDS[step], no_answer(_WORDS[step], _within_s(step)))


def _libraries(found: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> Finding:
    there = [str(line["version"]) for line in found.values() if "version" in line]
    if not there:
        reason = "No sound library loads: neither PortAudio nor miniaudio."
        remedy = "On Linux: apt install libportaudio2 libasound2-plugins. Elsewhere, install selam-voice again."
        return failed("sound.library", DeviceError(reason, remedy))
    only = variable(environment, "SELAM_SOUND")
    kept = f" SELAM_SOUND keeps to {only}." if only else ""
    absent = [f" {line['missing']}." for line in found.values() if "missing" in line]
    return ok("sound.library", f"Sound libraries: {', '.join(there)}.{''.join(absent)}{kept}")


def _devices(line: Mapping[str, Any], case: Case) -> Iterator[Finding]:
    inputs, outputs = (
        [device for device in line["found"] if device["direction"] == way and not device["monitor"]]
        for way in ("input", "output")
    )
    if inputs or outputs:
        listed = f"{_count(inputs, 'microphone')} and {_count(outputs, 'speaker')}"
        yield ok("sound.devices", f"There are {listed}; selam-voice devices lists them.")
    elif case.environment.get("SSH_CONNECTION"):
        told = "There is no sound device on this machine, to which you came through SSH."
        yield warning("sound.devices", told, "Run selam-voice on the machine that has the microphone, or use ask.")
    else:
        yield skipped("sound.devices", "No sound device is listed.")  # the next two say whether one is needed


def _count(found: list[Any], what: str) -> str:
    return f"{len(found)} {what}{'' if len(found) == 1 else 's'}"


def _microphone(line: Mapping[str, Any], case: Case) -> Iterator[Finding]:
    if "reason" in line:
        yield _refused("sound.microphone", line)
        return
    name = _named(line)
    if not line["device"]:
        yield ok("sound.microphone", f"The file {name} takes the microphone's place.")
    elif not line["sound"]:
        why = f": {line['lost']}" if line["lost"] else "."
        error = DeviceError(f"The microphone {name} opens and delivers no sound{why}", "Choose another with --input.")
        yield failed("sound.microphone", error)
    elif line["monitor"]:
        told = f"The microphone {name} is none: it carries what a speaker plays, so the agent would hear itself."
        yield warning("sound.microphone", told, "Connect one, choose one in the system's sound settings, or --input.")
    elif line["silent"] and not case.speak:  # else what is spoken tells more: some systems gate a quiet room to zeros
        told = f"The microphone {name} opens and is silent: nothing but zeros comes in."
        yield warning("sound.microphone", told, SILENT_REMEDY)
    else:
        told = f"The microphone {name} opens at {line['rate_hz']} Hz, with sound after {line['first_sound_ms']} ms."
        yield ok("sound.microphone", told)


SILENT_REMEDY: Final = "Look for a mute switch, or choose another with --input." + {
    "darwin": " Allow the terminal to use it: System Settings, Privacy & Security, Microphone.",
    "win32": " Allow programs to use it: Settings, Privacy, Microphone.",
}.get(sys.platform, "")


def _speaker(line: Mapping[str, Any], _case: Case) -> Iterator[Finding]:
    if "reason" in line:
        yield _refused("sound.speaker", line)
        return
    name = _named(line)
    if name == "null":
        yield ok("sound.speaker", "No speaker is used: --output null.")
    elif not line["device"]:
        yield ok("sound.speaker", f"The file {name} takes the speaker's place.")
    elif not line["plays"]:
        reason = f"The speaker {name} opens and takes no sound."
        yield failed("sound.speaker", DeviceError(reason, "Choose another with --output, or --output null."))
    else:
        told = f"The speaker {name} opens at {line['rate_hz']} Hz, {line['delay_ms']} ms from the program to the ear."
        yield ok("sound.speaker", told)


def _named(line: Mapping[str, Any]) -> str:
    """Name a device; the system's default one by its real name as well."""
    name, real = str(line["name"]), line.get("real_name")
    return f"{name} ({real})" if real and real != name else name


def _refused(name: str, line: Mapping[str, Any]) -> Finding:
    error = DeviceError(str(line["reason"]), str(line["remedy"]))
    return Finding(name, failed(name, error).status, error.reason, error.remedy, int(line["exit_code"]))


_FINDINGS: Final = {"devices": _devices, "microphone": _microphone, "speaker": _speaker}
