"""A headset that is unplugged at any moment of its opening: it can be opened or not, and the program lives on."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.meddler import Meddler
from tests.support.needs import need, need_programs
from tests.support.vsound import PROGRAMS, VirtualSoundCard

STRIDE = 1 if os.environ.get("SELAM_SOAK") == "1" else 5
"""Of so many moments one is tried."""

OPENER = """
import asyncio, os, sys
from selam_cli.errors import DeviceError
from selam_cli.sound import mini, streams

async def outcome():
    loop = asyncio.get_running_loop()
    try:
        device = next((device for device in mini.list_devices() if device.name == "{name}"), None)
        if device is None:
            return "not listed"
        opened = {opening}
    except DeviceError as error:
        return error.reason
    opened.close()
    return "opened"

for server in sys.stdin:
    program = os.fork()
    if not program:
        os.environ["PULSE_SERVER"] = server.strip()
        print(asyncio.run(outcome()), flush=True)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    if status:
        print("ended with", status, flush=True)
"""
"""Opens the device at each sound server that it is told, in a process of its own for each: one may crash."""

OPENINGS = {
    "HeadsetMic": "mini.open_input(device, lambda *_: None, lambda _: None, loop)",
    "Headset": "mini.open_output(device, lambda _: streams.silence, lambda _: None, loop)",
}


@pytest.fixture
def card(tmp_path):
    need_programs(*PROGRAMS)
    need("miniaudio", find_spec("miniaudio"))
    card = VirtualSoundCard(tmp_path)
    card.start()
    yield card
    card.stop()


@pytest.fixture
def opener(card, name):
    """The program that opens a device as often as it is asked to: what it needs is loaded once."""
    opener = subprocess.Popen(
        [sys.executable, "-c", OPENER.format(name=name, opening=OPENINGS[name])],
        env={**os.environ, **card.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield opener
    opener.stdin.close()
    opener.wait()
    opener.stdout.close()


def opened(card, tmp_path, opener, number):
    """Open the headset's microphone or speaker, unplug it at the program's `number`-th request, return what came."""
    card.plug("Headset")
    meddler = Meddler(tmp_path, card.socket, number, lambda: card.unplug("Headset"))
    try:
        print(meddler.environment["PULSE_SERVER"], file=opener.stdin, flush=True)
        outcome = opener.stdout.readline().strip()
    finally:
        meddler.close()
        (tmp_path / "meddler").unlink()
        card.unplug("Headset")
    assert "ended with" not in outcome, f"at request {number}"
    return outcome, meddler.requests


@pytest.mark.parametrize("name", list(OPENINGS))
def test_a_headset_may_be_unplugged_at_any_moment_of_its_opening(card, tmp_path, opener, name):
    outcome, requests = opened(card, tmp_path, opener, 0)
    assert outcome == "opened"
    assert requests > 10

    outcomes = {opened(card, tmp_path, opener, number)[0] for number in (*range(1, requests, STRIDE), requests)}

    kind = {"HeadsetMic": "microphone", "Headset": "speaker"}[name]
    assert outcomes == {"not listed", f"The {kind} {name} cannot be opened.", "opened"}
