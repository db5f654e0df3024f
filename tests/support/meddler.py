"""Stands between a program and its sound server, and does something at one exact moment of their talk."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

HEADER_BYTES = 20
CONTROL = 0xFFFFFFFF
"""The channel of PulseAudio's native protocol that is no stream's sound."""


class Meddler:
    """Passes on what both say; before the program's `number`-th request reaches the server, `deed` is done.

    Requests are counted over all connections, for a library makes several.
    """

    def __init__(self, folder: Path, server: Path, number: int, deed: Callable[[], None]) -> None:
        path = folder / "meddler"
        self.environment = {"PULSE_SERVER": f"unix:{path}"}
        self.requests = 0
        self._server = server
        self._number = number
        self._deed = deed
        self._counting = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake what waits for a connection
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                program, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                program.close()
                continue
            threading.Thread(target=self._pass_requests, args=(program, server), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, program), daemon=True).start()

    def _pass_requests(self, program: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError), program, server:
            while header := program.recv(HEADER_BYTES, socket.MSG_WAITALL):
                length, channel = struct.unpack(">II", header[:8])
                rest = program.recv(length, socket.MSG_WAITALL) if length else b""
                if channel == CONTROL:
                    with self._counting:
                        self.requests += 1
                        if self.requests == self._number:
                            self._deed()
                server.sendall(header + rest)
            server.shutdown(socket.SHUT_RDWR)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
