"""What is told of recorded speech: which of it was heard, and which holes in it the sound server tore."""

import numpy as np

from tests.support.speech import are_in_order, heard_in_pieces, mended, spoken, trimmed

RATE = 16_000
SENTENCE = "She had your dark suit in greasy wash water all year."


def said():
    return trimmed(spoken(SENTENCE))


def with_hole(sound, at, fade=0):
    """A break of 60 ms: torn, or faded out and in over so many samples."""
    before, after = sound[:at].astype(float), sound[at:].astype(float)
    if fade:
        before[-fade:] *= np.linspace(1, 0, fade)
        after[:fade] *= np.linspace(0, 1, fade)
    return np.concatenate((before, np.zeros(960), after)).astype(np.int16)


def loud_places(sound):
    """Places in the middle of vowels, between two samples that are not zero."""
    loud = [at for at in range(4_000, len(sound) - 4_000, 2_000) if np.abs(sound[at - 80 : at + 80]).min() > 0]
    return [at for at in loud if np.abs(sound[at - 80 : at + 80]).max() > 3_000]


def test_a_torn_hole_is_mended_to_the_sample_and_a_faded_break_is_left():
    sound = said()
    places = loud_places(sound)
    assert len(places) >= 3
    for at in places:
        assert np.array_equal(mended(with_hole(sound, at), RATE), sound)
        faded = with_hole(sound, at, fade=80)
        assert np.array_equal(mended(faded, RATE), faded)


def converted(sound):
    """As a sound server's filter of 16 samples leaves it: it rings at what begins or ends at once."""
    at = np.arange(-8, 9)
    low_pass = np.sinc(0.9 * at) * np.hamming(len(at))
    return np.round(np.convolve(sound.astype(float), low_pass / low_pass.sum(), "same")).astype(np.int16)


def test_holes_that_ring_because_the_rate_was_converted_are_mended():
    sound = said()
    torn = sound
    for at in reversed(loud_places(sound)):
        torn = with_hole(torn, at)
    assert heard_in_pieces(sound, mended(converted(torn), RATE)) < 0.8
    assert heard_in_pieces(sound, mended(converted(torn), RATE, converted=True)) == 1.0


def test_speech_has_no_holes_of_its_own():
    for voice in ("slt", "rms"):
        sound = np.concatenate(
            [trimmed(spoken(text, voice)) for text in (SENTENCE, "Stop at once. Stop. Put it back.")]
        )
        assert np.array_equal(mended(sound, RATE), sound)
        assert np.array_equal(mended(sound, RATE, converted=True), sound)


def test_what_is_left_out_or_doubled_is_found():
    sound = said()
    lead = np.zeros(3_000, np.int16)
    whole = np.concatenate((lead, sound, lead))
    assert heard_in_pieces(sound, whole) == 1.0
    assert are_in_order(sound, whole)
    assert heard_in_pieces(sound, np.concatenate((lead, sound[: RATE // 2], sound[RATE:]))) < 0.9
    assert not are_in_order(sound, np.concatenate((sound[RATE:], sound[:RATE])))
