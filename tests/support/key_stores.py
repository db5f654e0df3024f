"""Key stores of the test's own: keyring with a backend that keeps its keys in a file, and two that start no process."""

from __future__ import annotations

import os
from pathlib import Path

from selam_cli.credentials.keyring_client import KeyStore, KeyStoreFault

FILE_BACKED = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}


def in_file_backed_store(monkeypatch) -> None:
    """Make the processes of this test use the store in a file; it lies in the data folder."""
    for name, value in FILE_BACKED.items():
        monkeypatch.setenv(name, value)
    Path(os.environ["XDG_DATA_HOME"]).mkdir(parents=True, exist_ok=True)


class KeyStoreInMemory(KeyStore):
    """Keeps what it is given, for a test whose subject is what is kept where."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[str, str] = {}

    def _ask(self, *request: str) -> object:
        verb, server, *key = request
        if verb == "set":
            self._keys[server] = key[0]
            return True
        return self._keys.get(server) if verb == "get" else self._keys.pop(server, None) is not None


class NoKeyStore(KeyStore):
    """Answers as a system's without one does, as test_key.py shows."""

    def _ask(self, *_: str) -> object:
        raise KeyStoreFault("This system has no key store that can be used.")
