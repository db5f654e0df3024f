"""What a spoken sentence is worth, by the loudness of its frames."""

import pytest

from selam_cli.doctor.finding import Status
from selam_cli.doctor.level import Take, judged


def take(voice: float, room: float = 20.0, *, peak: int = 8_000, flat_s: float = 0.0, share: float = 0.5) -> Take:
    frames = 200
    spoken = round(frames * share)
    return Take(
        [voice] * spoken + [room] * (frames - spoken), [True] * spoken + [False] * (frames - spoken), peak, flat_s
    )


@pytest.mark.parametrize(
    ("heard", "threshold", "status", "said"),
    [
        (take(3_000), 600, Status.OK, "good"),
        (take(500), 300, Status.OK, "soft"),
        (take(12_000), 600, Status.OK, "near to clipping"),
        (take(12_000, peak=32_767), 600, Status.WARNING, "clips"),
        (take(400), 600, Status.WARNING, "too quiet for vad_threshold = 600"),
        (take(3_000, 900), 600, Status.WARNING, "the room itself counts as speech"),
        (take(20, share=0.0), 600, Status.WARNING, "No voice was heard"),
        (take(25), 600, Status.WARNING, "No voice was heard"),
        (take(3_000, flat_s=3.9), 600, Status.FAILED, "silent"),
        (Take(), 600, Status.FAILED, "no sound"),
    ],
)
def test_a_take_is_judged_in_plain_words(heard, threshold, status, said):
    found = judged(heard, threshold)
    assert (found.id, found.status) == ("sound.level", status)
    assert said in found.text
    assert found.remedy or status is Status.OK


def test_the_proposed_threshold_lets_the_voice_through_and_keeps_the_room_out():
    assert "vad_threshold = 130" in judged(take(400), 600).remedy
    assert "vad_threshold = " not in judged(take(400, 150), 600).remedy


def test_enough_voice_ends_the_listening_early():
    assert not take(3_000, share=0.1).is_enough
    assert take(3_000).is_enough
