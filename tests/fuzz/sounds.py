"""Real files of each format, small ones, to be changed into worse."""

from __future__ import annotations

import io

import numpy as np
import soundfile


def real_sounds() -> list[bytes]:
    tone = (np.sin(np.arange(2_400) / 9) * 9_000).astype(np.int16)
    made = []
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)):
        stream = io.BytesIO()
        soundfile.write(stream, tone, 16_000, format=form, subtype=subtype)
        made.append(stream.getvalue()[:3_500])
    return [*made, tone.tobytes()[:1_000]]
