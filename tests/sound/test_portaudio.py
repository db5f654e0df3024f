"""Which rates and channels PortAudio is asked for, and in which order: a device takes what it takes."""

import asyncio
from importlib import import_module
from types import SimpleNamespace

import pytest

from selam_cli.errors import DeviceError
from selam_cli.sound.device import AudioDevice
from tests.support.sound_libraries import library_environment


def device(direction, channels, default_rate_hz=48_000):
    return AudioDevice(3, "Odd", direction, channels, default_rate_hz, "ALSA", is_default=True)


MICROPHONES = [
    (1, 48_000, [(16_000, 1), (48_000, 1), (44_100, 1)]),
    (1, 96_000, [(16_000, 1), (96_000, 1), (48_000, 1), (44_100, 1)]),
    (2, 44_100, [(rate_hz, channels) for channels in (1, 2) for rate_hz in (16_000, 44_100, 48_000)]),
    (6, 48_000, [(rate_hz, channels) for channels in (1, 2, 6) for rate_hz in (16_000, 48_000, 44_100)]),
]
SPEAKERS = [
    (1, 48_000, [(48_000, 1), (44_100, 1)]),
    (2, 96_000, [(rate_hz, channels) for channels in (2, 1) for rate_hz in (96_000, 48_000, 44_100)]),
    (8, 44_100, [(rate_hz, channels) for channels in (2, 1, 8) for rate_hz in (44_100, 48_000)]),
]


@pytest.fixture
def system(monkeypatch):
    """A device that takes nothing, until `takes` names what it does; `asked` is what it was asked for."""
    library_environment("portaudio")
    portaudio = import_module("selam_cli.sound.portaudio")
    asked, takes = [], set()

    def started(_kind, *, samplerate, channels, blocksize, **_):
        asked.append((samplerate, channels))
        assert blocksize in {samplerate // 50, samplerate // 100}
        return SimpleNamespace(samplerate=samplerate, latency=0.02) if asked[-1] in takes else None

    monkeypatch.setattr(portaudio, "started", started)
    monkeypatch.setattr(portaudio, "close", lambda _stream: None)

    def opened(direction, channels, default_rate_hz):
        loop, odd = asyncio.get_running_loop(), device(direction, channels, default_rate_hz)
        if direction == "input":
            return portaudio.open_input(odd, pytest.fail, pytest.fail, loop)
        return portaudio.open_output(odd, lambda _: None, pytest.fail, loop)

    return SimpleNamespace(asked=asked, takes=takes, opened=opened)


@pytest.mark.parametrize(
    ("direction", "channels", "default_rate_hz", "expected"),
    [*(("input", *row) for row in MICROPHONES), *(("output", *row) for row in SPEAKERS)],
)
async def test_a_device_that_refuses_rates_and_channels_is_opened_at_the_first_it_takes(
    system, direction, channels, default_rate_hz, expected
):
    for number, taken in enumerate(expected):
        system.asked.clear()
        system.takes.clear()
        system.takes.add(taken)
        opened = system.opened(direction, channels, default_rate_hz)
        assert (opened.rate_hz, system.asked) == (taken[0], expected[: number + 1])
        opened.close()


@pytest.mark.parametrize("direction", ["input", "output"])
async def test_one_that_takes_nothing_cannot_be_opened(system, direction):
    with pytest.raises(DeviceError) as caught:
        system.opened(direction, 2, 48_000)
    assert "Odd cannot be opened" in caught.value.reason
    assert f"--{direction}" in caught.value.remedy
    assert len(system.asked) == len(set(system.asked))
