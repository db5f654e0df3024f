"""WAV files as recorders, pipes and damage leave them, made byte by byte."""

import struct

import numpy as np

RATE_HZ = 16_000
SOUND = (8_000 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype("<i2")
ONE_SECOND = SOUND.tobytes()
LIST = b"LIST" + struct.pack("<I", 4) + b"INFO"
PCM_EXTENSION = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
UNKNOWN = 0xFFFF_FFFF


def wav(
    content=ONE_SECOND,
    *,
    size=None,
    riff_size=None,
    tag=1,
    channels=1,
    rate_hz=RATE_HZ,
    bits=16,
    align=None,
    extension=b"",
    before=b"",
    after=b"",
    magic=b"RIFF",
):
    """Return a WAV of `content`; whatever its header is to say otherwise than the truth is named."""
    align = channels * bits // 8 if align is None else align
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * align & UNKNOWN, align, bits) + extension
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(content) if size is None else size) + content + after
    return magic + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


def rf64(content=ONE_SECOND, *, size=None):
    """Return an RF64, whose lengths have 64 bits; a recorder that crashed leaves a `size` of 0."""
    size = len(content) if size is None else size
    lengths = struct.pack("<4sIQQQI", b"ds64", 28, size + 72 if size else 0, size, size // 2, 0)
    return wav(content, magic=b"RF64", size=UNKNOWN, riff_size=UNKNOWN, before=lengths)
