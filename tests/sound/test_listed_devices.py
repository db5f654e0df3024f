"""The devices of the virtual sound card as each library lists them, and which of them is meant."""

import json
import os
import subprocess
import sys

import pytest

from selam_cli.sound import devices
from selam_cli.sound.devices import find_device
from tests.sound.test_devices import _card
from tests.support.needs import need_programs
from tests.support.processes import in_a_process_of_its_own
from tests.support.sound_libraries import library_environment
from tests.support.vsound import PROGRAMS, VirtualSoundCard


def listed(environment, *options):
    command = [sys.executable, "-m", "selam_cli", "devices", *options]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert outcome.stderr == ""
    return outcome.stdout


@pytest.mark.parametrize("library", ["portaudio", "miniaudio"])
def test_devices_lists_what_there_is(library, sound_card):
    environment = {**os.environ, **library_environment(library)}
    found = json.loads(listed(environment, "--json"))
    for direction in ("inputs", "outputs"):
        assert sum(device["is_default"] for device in found[direction]) == 1
        assert set(found[direction][0]) == {
            "number", "name", "channels", "default_rate_hz", "host_api", "is_default", "monitor",
        }  # fmt: skip


def test_devices_lists_for_a_person_as_well(sound_card):
    shown = listed(dict(os.environ))
    assert "Microphones" in shown
    assert "✓ default" in shown


@pytest.mark.parametrize("used", ["miniaudio", "both"])
def test_a_headsets_monitor_is_not_its_microphone(tmp_path, used):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        card.plug("Jabra")
        environment = {**os.environ, **card.environment, **library_environment(used), "PYTHONPATH": "."}
        in_a_process_of_its_own(f"{__name__}:choose_among_monitors", environment)
    finally:
        card.stop()


async def choose_among_monitors():
    card = _card()
    assert find_device("abra", "input")[1].name == "JabraMic"
    assert find_device("monitor of jabra", "input")[1].monitor
    assert find_device(None, "input")[1].name == "default"
    everything = devices.list_devices()
    assert [device.name for device in everything if device.monitor] == [
        "Monitor of VSpeaker", "Monitor of VMicIn", "Monitor of Jabra", "Monitor of Jabra-in",
    ]  # fmt: skip
    assert not any(device.monitor for device in everything if device.direction == "output")

    card.pactl("set-default-source", "spk.monitor")
    devices.look_again()
    assert find_device(None, "input")[1].name in {"VMic", "JabraMic"}

    card.unplug("Jabra")
    card.unplug_microphone()
    devices.look_again()
    chosen = find_device(None, "input")[1]
    assert (chosen.name, chosen.monitor) == ("default", True)
