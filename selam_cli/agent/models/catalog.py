"""Models that an engine needs and does not come with: where they are published, and where they lie on this machine.

The checksums are those of the files as published in November 2025; each was found alike in several independent projects
that pin them. A file that has another one is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file. `sha256` None: it was not known, so only the length is verified, and no message claims more."""

    name: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """Files that belong together, below one address."""

    name: str
    what_it_does: str
    url: str
    files: tuple[ModelFile, ...]
    licence: str

    @property
    def size_bytes(self) -> int:
        """How much is downloaded."""
        return sum(file.size_bytes for file in self.files)

    def folder(self) -> Path:
        """Return where it lies once it is downloaded."""
        from platformdirs import user_data_path  # loaded only where a path is asked for

        return user_data_path("selam-voice", appauthor=False) / "models" / self.name

    def is_here(self) -> bool:
        """Say whether every file is there in its full length. What is half downloaded has another name."""
        folder = self.folder()
        return all(_length(folder / file.name) == file.size_bytes for file in self.files)


OMNILINGUAL: Final = Model(
    name="omnilingual",
    what_it_does="hears all five languages, with the extra `sherpa`",
    url=(
        "https://huggingface.co/csukuangfj2/sherpa-onnx-omnilingual-asr-1600-languages-300M-ctc-int8-2025-11-12"
        "/resolve/6fc542a3b0661c8278cca1230c34deb989f31202"
    ),
    files=(
        ModelFile("tokens.txt", 86_423, "a7a044c52cb29cbe8b0dc1953e92cefd4ca16b0ed968177b6beab21f9a7d0b31"),
        ModelFile("model.int8.onnx", 365_352_120, "e7c4e54ee4c4c47829cc6667d5d00ed8ea7bef1dcfeef0fce766f77752a2726c"),
    ),
    licence="Apache-2.0",
)
"""Omnilingual ASR (Meta), CTC with 300 million parameters, as the sherpa-onnx project exports it."""

MODELS: Final = {model.name: model for model in (OMNILINGUAL,)}


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
