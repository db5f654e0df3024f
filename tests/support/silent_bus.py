"""A D-Bus that lets a client in and then never answers: what a key store looks like that hangs."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def silent_bus() -> Iterator[dict[str, str]]:
    """Yield the environment in which the session's D-Bus is this one."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        path = str(Path(folder) / "bus")  # pytest's own folders are too long for a socket's name
        listening.bind(path)
        listening.listen()
        threading.Thread(target=_accept, args=(listening,), daemon=True).start()
        yield {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
        }
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_authenticate, args=(client,), daemon=True).start()


def _authenticate(client: socket.socket) -> None:
    with client, contextlib.suppress(OSError):
        said = b""
        while piece := client.recv(4_096):
            said = (said + piece).removeprefix(b"\0")
            *lines, said = said.split(b"\r\n")
            for line in lines:
                if line.startswith(b"AUTH"):
                    client.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
                elif line.startswith(b"NEGOTIATE_UNIX_FD"):
                    client.sendall(b"AGREE_UNIX_FD\r\n")
