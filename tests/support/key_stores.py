"""A key store of the test's own: keyring with a backend that keeps its keys in a file."""

from __future__ import annotations

import os
from pathlib import Path

FILE_BACKED = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}


def in_file_backed_store(monkeypatch) -> None:
    """Make the processes of this test use the store in a file; it lies in the data folder."""
    for name, value in FILE_BACKED.items():
        monkeypatch.setenv(name, value)
    Path(os.environ["XDG_DATA_HOME"]).mkdir(parents=True, exist_ok=True)
