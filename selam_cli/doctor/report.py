"""What the doctor says, to a person in plain lines, to a machine in JSON; nothing secret passes here."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Final, Protocol

from rich.console import Console
from rich.text import Text

from selam_cli.core.plain_text import plain_line
from selam_cli.core.redaction import Redactor
from selam_cli.doctor.finding import Finding, Status
from selam_cli.procs.standard_output import json_line

_STYLES: Final = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
_INDENT: Final = 11
_WIDEST: Final = 110


class Face(Protocol):
    """How findings are shown; what it is given is harmless."""

    def opening(self, versions: Mapping[str, str]) -> None:
        """Show what a bug report begins with."""

    def heading(self, title: str) -> None:
        """Show that a topic begins."""

    def show(self, finding: Finding) -> None:
        """Show a finding."""

    def ask(self, sentence: str, seconds: float) -> None:
        """Ask the person for something."""

    def closing(self, counts: Mapping[str, int], exit_status: int) -> None:
        """Show how it went."""


class Report:
    """Takes the findings in their order, makes them harmless, and keeps the count.

    Every text passes here, a server's words among them: what looks like a key, or is known to be one, is hidden, and
    what would steer a terminal is made visible.
    """

    def __init__(self, face: Face, secrets: Collection[str] = ()) -> None:
        self._face = face
        self._redactor = Redactor.of(secrets)
        self.findings: list[Finding] = []

    @property
    def exit_status(self) -> int:
        """0 where nothing failed, else the status of what failed first."""
        return next((finding.exit_code for finding in self.findings if finding.status is Status.FAILED), 0)

    def keep_secret(self, *secrets: str | None) -> None:
        """Hide these from now on."""
        self._redactor = self._redactor.knowing(secret for secret in secrets if secret)

    def opening(self, versions: Mapping[str, str]) -> None:
        """Begin."""
        self._face.opening({name: self._harmless(version) for name, version in versions.items()})

    def heading(self, title: str) -> None:
        """Begin a topic."""
        self._face.heading(title)

    def tell(self, finding: Finding) -> None:
        """Take a finding."""
        harmless = replace(finding, text=self._harmless(finding.text), remedy=self._harmless(finding.remedy))
        self.findings.append(harmless)
        self._face.show(harmless)

    def ask(self, sentence: str, seconds: float) -> None:
        """Ask the person for something."""
        self._face.ask(self._harmless(sentence), seconds)

    def closing(self) -> None:
        """End."""
        counts = {status.value: sum(finding.status is status for finding in self.findings) for status in Status}
        self._face.closing(counts, self.exit_status)

    def _harmless(self, text: str) -> str:
        return plain_line(self._redactor.line(text))


class PlainFace:
    """Lines for a person: no spinner, nothing that colour alone says, because a screen reader reads them too."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

    def opening(self, versions: Mapping[str, str]) -> None:
        """Show program, Python and system, and the libraries on one line."""
        first = ("selam-voice", "python", "system")
        for name in first:
            self._print(Text(f"{name:<12} {versions.get(name, '')}"))
        libraries = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in first)
        self._print(Text("\n".join(self._wrapped(libraries, "libraries    ", 13))))

    def heading(self, title: str) -> None:
        """Show it above its findings."""
        self._print(Text(f"\n{title}", style="bold"))

    def show(self, finding: Finding) -> None:
        """Show its status, its text, and below that its remedy."""
        lead = f"  {finding.status:<{_INDENT - 2}}"
        lines = self._wrapped(finding.text, lead, _INDENT)
        if finding.remedy:
            lines += self._wrapped(finding.remedy, " " * _INDENT, _INDENT)
        shown = Text("\n".join(lines))
        shown.stylize(_STYLES[finding.status], 0, _INDENT)
        self._print(shown)

    def ask(self, sentence: str, _seconds: float) -> None:
        """Ask in a line of its own."""
        self._print(Text("\n".join(self._wrapped(sentence, "  > ", 4)), style="bold"))

    def closing(self, counts: Mapping[str, int], exit_status: int) -> None:
        """Show the counts."""
        counted = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        verdict = "Nothing failed." if exit_status == 0 else "What failed is told above, each with its remedy."
        self._print(Text(f"\n{verdict} ({counted})"))

    def _print(self, text: Text) -> None:
        self._console.print(text)
        sys.stdout.flush()

    def _wrapped(self, text: str, lead: str, indent: int) -> list[str]:
        if not self._console.is_terminal:  # a pipe's reader wants one line for one thing
            return [lead + text]
        width = max(40, min(self._console.width, _WIDEST)) - 1
        return textwrap.wrap(
            text, width, initial_indent=lead, subsequent_indent=" " * indent, break_on_hyphens=False,
            break_long_words=False,
        )  # fmt: skip


class JsonFace:
    """One object a line, as docs/json-lines.md has it: `event` and `t`, UTF-8, flushed at once."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def opening(self, versions: Mapping[str, str]) -> None:
        """Write `system`."""
        self._write("system", versions=dict(versions))

    def heading(self, _title: str) -> None:
        """Topics are in the ids."""

    def show(self, finding: Finding) -> None:
        """Write `check`."""
        fields = asdict(finding)
        del fields["exit_code"]
        self._write("check", **fields)

    def ask(self, sentence: str, seconds: float) -> None:
        """Write `asked`, so that the program that started this can pass it on."""
        self._write("asked", message=sentence, seconds=seconds)

    def closing(self, counts: Mapping[str, int], exit_status: int) -> None:
        """Write `summary`."""
        self._write("summary", **counts, exit_status=exit_status)

    def _write(self, event: str, **fields: object) -> None:
        line = {"event": event, "t": round(time.monotonic() - self._began_at, 3), **fields}
        print(json_line(line), flush=True)  # noqa: T201  # its output
