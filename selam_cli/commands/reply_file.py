"""Where `ask --out` keeps the agent's voice: looked at before the turn, written after it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import numpy as np

from selam_cli.core.pcm import pcm16
from selam_cli.engine.reply.player import at_rate
from selam_cli.errors import SessionError, UsageFault
from selam_cli.procs.standard_output import Unwritten, write_all
from selam_cli.sound.decode import Pcm
from selam_cli.sound.files import is_wav, write_wav
from selam_cli.sound.wav_file import check_not_the_same, check_writable, header, unwritable

STANDARD_OUTPUT: Final = frozenset({"-", "/dev/stdout", "/dev/fd/1"})


@dataclass(frozen=True, slots=True)
class ReplyFile:
    """A WAV file, or standard output; then the answer's text goes to standard error."""

    path: str

    @property
    def is_standard_output(self) -> bool:
        """Whether the sound goes to standard output."""
        return self.path in STANDARD_OUTPUT

    def check(self, question: str, speaker: str | None, *, output_fd_taken: str = "") -> None:
        """Look, before a turn, whether the sound can be kept. Raises UsageFault where it can't.

        `question` is the file that is spoken, `speaker` what `--output` says, `output_fd_taken` what else standard
        output is for.
        """
        if self.is_standard_output:
            if output_fd_taken:
                raise UsageFault(f"The sound cannot go to standard output: {output_fd_taken}.", "Name a file.")
            return
        check_writable(self.path)
        check_not_the_same(self.path, question)
        if speaker is not None and is_wav(speaker) and _same_name(self.path, speaker):
            raise UsageFault(unwritable(self.path, "--output writes it already"), "Name another file.")

    def write(self, pieces: list[Pcm], output_fd: int) -> None:
        """Write a reply's sound at the rate of its first piece. Raises SelamError; what was written can be played."""
        if not pieces:
            raise SessionError(f"No sound came, so {self.path} was not written.", "Read the answer instead.")
        rate_hz = pieces[0].rate_hz
        samples = np.concatenate(at_rate(pieces, rate_hz) or [np.zeros(0, np.int16)])
        if not self.is_standard_output:
            write_wav(self.path, samples, rate_hz)
            return
        try:
            write_all(output_fd, header(len(samples), rate_hz) + pcm16(samples))
        except BrokenPipeError:
            return  # the reader has heard enough
        except OSError as error:
            raise Unwritten("The reply's sound", error) from None


def _same_name(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
