"""The phonemes that espeak-ng makes of a text: by the program, or by the library in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

_BY_LIBRARY = """
import ctypes, json, sys
import espeakng_loader
library = ctypes.CDLL(espeakng_loader.get_library_path())
library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0x8000)
library.espeak_TextToPhonemes.restype = ctypes.c_char_p
voice, text = json.load(sys.stdin)
library.espeak_SetVoiceByName(voice.encode())
content = ctypes.create_string_buffer(text.encode())
left = ctypes.c_void_p(ctypes.addressof(content))
while left.value:
    print((library.espeak_TextToPhonemes(ctypes.byref(left), 1, 2) or b"").decode())
"""


def by_program(text: str, voice: str) -> str:
    """Return IPA."""
    command = ["espeak-ng", "-v", voice, "-b", "1", "--stdin", "-q", "--ipa"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()


def by_library(text: str, voice: str) -> str:
    """Return IPA."""
    command = [sys.executable, "-P", "-c", _BY_LIBRARY]
    spoken = json.dumps([voice, text]).encode()
    return subprocess.run(command, input=spoken, capture_output=True, check=True).stdout.decode()
