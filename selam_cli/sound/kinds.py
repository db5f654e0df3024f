"""Which kind of sound a file or a pipe brings, told by its first bytes; the name says nothing that they don't."""

from __future__ import annotations

import shlex
import subprocess
import sys
from enum import Enum, auto
from typing import Final

from selam_cli.sound.decode import sniff

FEWEST_BYTES: Final = 16
"""Bytes that show every beginning that is known here; only an MP3 without a tag needs more."""


class Kind(Enum):
    """What to do with it."""

    WAV = auto()
    """A WAV, which can be read as it comes."""
    FILE = auto()
    """One of the formats that libsndfile reads from a file."""
    UNREADABLE = auto()
    """A format that nothing here reads."""
    TEXT = auto()
    RAW = auto()
    """None of these: raw samples, or no sound at all."""


_FILES: Final = (
    (0, b"fLaC"), (0, b"OggS"), (0, b"ID3"), (0, b"RF64"), (0, b"RIFX"), (0, b"FORM"), (0, b"caff"), (0, b".snd"),
    (0, b"riff\x2e\x91\xcf\x11"),  # Wave64
)  # fmt: skip

_UNREADABLE: Final = (
    (4, b"ftyp", "MP4 (m4a)"),
    (4, b"moov", "QuickTime"),
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (0, b"#!AMR", "AMR"),
    (0, b"ADIF", "AAC"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b".RMF", "RealAudio"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"MThd", "MIDI"),
)


UNREADABLE_SUFFIXES: Final = frozenset(
    {".m4a", ".mp4", ".aac", ".webm", ".amr", ".wma", ".mov", ".mkv", ".mka", ".3gp", ".avi"}
)
SOUND_SUFFIXES: Final = UNREADABLE_SUFFIXES | {
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64",
}  # fmt: skip


def recognised(beginning: bytes, *, whole: bool) -> tuple[Kind, str] | None:
    """Return the kind and, of one that cannot be read, its name; None where more bytes are needed to tell.

    `whole`: there are no more.
    """
    if len(beginning) < FEWEST_BYTES and not whole:
        return None
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WAVE":
        return Kind.WAV, "WAV"
    for at, mark in _FILES:
        if beginning.startswith(mark, at):
            return Kind.FILE, ""
    for at, mark, name in _UNREADABLE:
        if beginning.startswith(mark, at):
            return Kind.UNREADABLE, name
    told = sniff(beginning)
    if told is None and not whole:
        return None
    if told == "AAC":
        return Kind.UNREADABLE, "AAC"
    if told == "mp3":
        return Kind.FILE, ""
    return (Kind.TEXT, "text") if _is_text(beginning) else (Kind.RAW, "")


def conversion(path: str) -> str:
    """Return what to do with a file in a format that nothing here reads, as a command to be copied."""
    quote = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    return f"Convert it first: ffmpeg -i {quote([path])} converted.wav"


def _is_text(beginning: bytes) -> bool:
    """Say whether these are words: samples of speech are never all printable."""
    try:
        text = beginning.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(text) >= FEWEST_BYTES and all(character.isprintable() or character in "\t\r\n" for character in text)
