import numpy as np
import pytest
import soundfile


@pytest.fixture
def a_file(tmp_path):
    """A recording in the microphone's place, and nothing in the speaker's: no sound device is looked for."""
    path = tmp_path / "spoken.wav"
    soundfile.write(path, np.zeros(1_600, np.int16), 16_000, subtype="PCM_16")
    return ("--input", str(path), "--output", "null")
