"""Which inputs are no microphones, as the sound systems name them."""

import pytest

from selam_cli.core.monitors import is_monitor


@pytest.mark.parametrize(
    ("name", "own_id"),
    [
        ("Monitor of Jabra Headset Analog Stereo", "alsa_output.usb-Jabra.analog-stereo.monitor"),
        ("Monitor of Jabra Headset Analog Stereo", ""),
        ("Überwachung von Eingebautes Audio", "alsa_output.pci-0000_00_1f.3.analog-stereo.monitor"),
        ("alsa_output.pci-0000_00_1f.3.analog-stereo.monitor", ""),
        ("Stereo Mix (Realtek High Definition Audio)", ""),
        ("Stereomix (Realtek(R) Audio)", ""),
        ("What U Hear (Sound Blaster)", ""),
        ("Speakers (USB Audio) [Loopback]", ""),
    ],
)
def test_what_carries_a_speakers_sound_is_a_monitor(name, own_id):
    assert is_monitor(name, own_id)


@pytest.mark.parametrize(
    ("name", "own_id"),
    [
        ("Jabra Headset Mono", "alsa_input.usb-Jabra.mono-fallback"),
        ("Dell Monitor Webcam", "alsa_input.usb-Dell"),
        ("Monitor Microphone", ""),
        ("Stereo Microphone (USB)", ""),
        ("Focusrite (Loopback 1 and 2)", ""),
        ("BlackHole 2ch", "BlackHole2ch_UID"),
        ("default", ""),
        ("", ""),
    ],
)
def test_what_somebody_may_speak_into_is_none(name, own_id):
    assert not is_monitor(name, own_id)
