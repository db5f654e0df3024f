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

OPEN = """
import asyncio
from selam_cli.errors import DeviceError
from selam_cli.sound import mini, streams

async def main():
    loop = asyncio.get_running_loop()
    try:
        device = next((device for device in mini.list_devices() if device.name == "{name}"), None)
        if device is None:
            print("not listed")
            return
        opened = {opening}
    except DeviceError as error:
        print(error.reason)
        return
    opened.close()
    print("opened")

asyncio.run(main())
"""

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


def opened(card, tmp_path, name, number):
    """Open the headset's microphone or speaker, unplug it at the program's `number`-th request, return what came."""
    card.plug("Headset")
    meddler = Meddler(tmp_path, card.socket, number, lambda: card.unplug("Headset"))
    try:
        outcome = subprocess.run(
            [sys.executable, "-c", OPEN.format(name=name, opening=OPENINGS[name])],
            env={**os.environ, **meddler.environment}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        meddler.close()
        (tmp_path / "meddler").unlink()
        card.unplug("Headset")
    assert outcome.returncode == 0, f"at request {number}: {outcome.returncode} {outcome.stderr}"
    return outcome.stdout.strip(), meddler.requests


@pytest.mark.parametrize("name", list(OPENINGS))
def test_a_headset_may_be_unplugged_at_any_moment_of_its_opening(card, tmp_path, name):
    outcome, requests = opened(card, tmp_path, name, 0)
    assert outcome == "opened"
    assert requests > 10

    outcomes = {opened(card, tmp_path, name, number)[0] for number in (*range(1, requests, STRIDE), requests)}

    kind = {"HeadsetMic": "microphone", "Headset": "speaker"}[name]
    assert outcomes == {"not listed", f"The {kind} {name} cannot be opened.", "opened"}
