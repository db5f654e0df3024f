"""The process in which espeak-ng's library speaks: sentences come on standard input, sound goes to standard output.

The library is one voice a process, its licence is GPL-3, and what is native can crash: so it lives here and nowhere
else. It loads nothing of the project and no numpy, to start quickly.

Each way goes in frames: a kind (one byte), a length (four bytes, big-endian), the content. In: `say`, a JSON object
{number, text, voice, end_pause}, and `stop`, the number of the sentence that is not wanted any more. Out: `sound`
(PCM16), and at a sentence's end `done`, or `failed` with a reason.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import struct
import threading
from typing import Any, Final

HEADER: Final = struct.Struct(">cI")
SAY: Final = b"s"
STOP: Final = b"x"
SOUND: Final = b"a"
DONE: Final = b"d"
FAILED: Final = b"f"

_SYNCHRONOUS: Final = 2
_DONT_EXIT: Final = 0x8000
_PIECE_MS: Final = 40
_UTF8: Final = 1
_END_PAUSE: Final = 0x1000
_BY_CHARACTER: Final = 1
# No flag for phonemes or SSML: text is text, whatever brackets it holds.

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Worker:
    """The library, and the sentence that it is at."""

    def __init__(self, output: int) -> None:
        import espeakng_loader  # the other side reads the frames' kinds here, and may lack it

        self._output = output
        self._sentence = 0
        self._stopped = 0
        self._callback = _Callback(self._on_sound)  # kept: the library calls it as long as it lives
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        if self._library.espeak_Initialize(_SYNCHRONOUS, _PIECE_MS, data, _DONT_EXIT) <= 0:
            raise RuntimeError("espeak-ng's library does not start")
        self._library.espeak_SetSynthCallback(self._callback)

    def stop(self, sentence: int) -> None:
        """Break a sentence off, from any thread; one that is over already is not touched."""
        self._stopped = sentence

    def say(self, number: int, text: str, voice: str, *, end_pause: bool) -> None:
        """Send a sentence's sound, and its end."""
        self._sentence = number
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            self._send(FAILED, f"espeak-ng has no voice {voice}".encode())
            return
        content = ctypes.create_string_buffer(text.encode("utf-8", "ignore"))
        flags = _UTF8 | (_END_PAUSE if end_pause else 0)
        result = self._library.espeak_Synth(
            content, ctypes.c_size_t(len(content)), ctypes.c_uint(0), _BY_CHARACTER, ctypes.c_uint(0),
            ctypes.c_uint(flags), None, None,
        )  # fmt: skip
        self._send(*((DONE, b"") if result == 0 else (FAILED, f"espeak-ng failed with status {result}".encode())))

    def _on_sound(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0 and self._stopped != self._sentence:
            self._send(SOUND, ctypes.string_at(samples, 2 * count))
        return int(self._stopped == self._sentence)

    def _send(self, kind: bytes, content: bytes) -> None:
        left = memoryview(HEADER.pack(kind, len(content)) + content)
        while left:
            left = left[os.write(self._output, left) :]


def main() -> None:
    """Speak until standard input ends."""
    output = os.dup(1)
    os.dup2(2, 1)  # what the library may print is no frame
    worker = Worker(output)
    wanted: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(worker, wanted), daemon=True).start()
    while True:
        sentence = wanted.get()
        worker.say(sentence["number"], sentence["text"], sentence["voice"], end_pause=sentence["end_pause"])


def _listen(worker: Worker, wanted: queue.SimpleQueue[dict[str, Any]]) -> None:
    with os.fdopen(0, "rb") as commands:
        while len(header := commands.read(HEADER.size)) == HEADER.size:
            kind, length = HEADER.unpack(header)
            content = json.loads(commands.read(length))
            if kind == STOP:
                worker.stop(content)
            else:
                wanted.put(content)
    os._exit(0)  # the agent is gone, however far in a sentence the library is


if __name__ == "__main__":
    main()
