"""Which device a number, a part of a name or nothing at all means, in made-up lists."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from selam_cli.errors import DeviceError
from selam_cli.sound import devices
from selam_cli.sound.device import AudioDevice
from selam_cli.sound.devices import find_device


@pytest.fixture
def three(monkeypatch):
    class Backend:
        @staticmethod
        def list_devices():
            return [
                AudioDevice(0, "Headset", "input", 1, 48_000, "ALSA", is_default=False),
                AudioDevice(1, "USB Headset Pro", "input", 1, 48_000, "ALSA", is_default=True),
                AudioDevice(2, "Headset", "output", 2, 48_000, "ALSA", is_default=True),
            ]

    monkeypatch.setattr(devices, "backends", lambda: [Backend])


@pytest.mark.parametrize(
    ("spec", "number"), [(None, 1), ("0", 0), ("headset", 0), ("usb", 1), ("Pro", 1), ("HEADSET", 0)]
)
def test_a_device_is_found_by_number_and_by_part_of_its_name(three, spec, number):
    assert find_device(spec, "input")[1].number == number


MONITOR, MICROPHONE = "Monitor of Jabra Headset Analog Stereo", "Jabra Headset Mono"


@pytest.fixture
def headset(monkeypatch):
    listed = [
        AudioDevice(0, MONITOR, "input", 1, 48_000, "PulseAudio", is_default=True, monitor=True),
        AudioDevice(1, MICROPHONE, "input", 1, 48_000, "PulseAudio", is_default=False),
    ]
    monkeypatch.setattr(devices, "backends", lambda: [SimpleNamespace(list_devices=lambda: listed)])
    return listed


@pytest.mark.parametrize(
    ("spec", "number"),
    [("headset", 1), ("jabra", 1), (MONITOR, 0), (MONITOR.upper(), 0), ("0", 0), ("1", 1), (None, 1)],
)
def test_a_monitor_is_found_by_its_number_and_its_full_name_only(headset, spec, number):
    assert find_device(spec, "input")[1].number == number


@pytest.mark.parametrize("spec", ["Monitor of", "analog", "of Jabra"])
def test_a_part_of_a_monitors_name_finds_nothing_and_says_why(headset, spec):
    with pytest.raises(DeviceError) as caught:
        find_device(spec, "input")
    assert MICROPHONE in caught.value.reason
    assert MONITOR not in caught.value.reason
    assert "by its full name" in caught.value.remedy


def test_a_monitor_that_is_all_there_is_is_honoured_and_takes_no_microphones_place(headset):
    del headset[1]
    assert find_device(None, "input")[1].name == MONITOR
    with pytest.raises(DeviceError, match="There is no microphone that can be used"):
        find_device(None, "input", no_monitor=True)


@pytest.mark.parametrize("spec", ["2", "banjo", "99"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(three, spec):
    with pytest.raises(DeviceError, match="USB Headset Pro"):
        find_device(spec, "input")


def test_where_one_library_finds_no_microphone_the_next_is_asked(monkeypatch):
    speaker = AudioDevice(0, "HDMI", "output", 2, 48_000, "ALSA", is_default=True)
    microphone = AudioDevice(0, "default", "input", 1, 16_000, "PulseAudio", is_default=True)
    first = SimpleNamespace(list_devices=lambda: [speaker])
    second = SimpleNamespace(list_devices=lambda: [microphone, replace(speaker, name="default")], server_devices=list)
    monkeypatch.setattr(devices, "backends", lambda: [first, second])
    assert find_device(None, "input") == (second, microphone)
    assert find_device(None, "output") == (first, speaker)
    assert devices.list_devices() == [microphone, speaker]


def test_without_any_device_the_remedy_is_a_file(monkeypatch):
    monkeypatch.setattr(devices, "backends", list)
    with pytest.raises(DeviceError) as caught:
        find_device(None, "input")
    assert "--input FILE" in caught.value.remedy
    with pytest.raises(DeviceError) as caught:
        find_device(None, "output")
    assert "--output null" in caught.value.remedy
